/** Hosts that wait for a run's events, or follow its streams. */
import { isFinished } from '../model/run.ts'
import type { RunKey } from '../model/run.ts'
import type { HostReplies } from '../protocol/host.ts'
import type { Encoded } from '../codec/encoded.ts'
import type { ShellParts } from './shell.ts'
import type { RunState } from './state.ts'

/** Values of a stream given at a time. */
const STREAM_PAGE = 500

interface Follower {
  readonly requestId: number
  /** Looks again; true when it has been answered. */
  look(): boolean
}

export class Followers {
  readonly #parts: ShellParts
  readonly #byRun = new Map<RunKey, Set<Follower>>()

  constructor(parts: ShellParts) {
    this.#parts = parts
  }

  /** Answers at once if the event is set or never will be, else when that is so. */
  awaitEvent(requestId: number, state: RunState, key: string, reply: (value: HostReplies['await-event']) => void): void {
    const { key: run } = state.meta
    this.#follow(run, requestId, () => {
      const value: Encoded | undefined = this.#parts.store.readEvent(run, key)
      if (value === undefined && !this.#isOver(run)) return false
      reply({ value })
      return true
    })
  }

  /** Answers with the next values, if only one; without any when the stream, or its run, has ended. */
  readStream(requestId: number, state: RunState, stream: string, from: number, reply: (page: HostReplies['read-stream']) => void): void {
    const { key: run } = state.meta
    this.#follow(run, requestId, () => {
      const { values, length, closed } = this.#parts.store.readStream(run, stream, from, STREAM_PAGE)
      const ended = (closed || this.#isOver(run)) && from + values.length >= length
      if (values.length === 0 && !ended) return false
      reply({ values, ended })
      return true
    })
  }

  /** Something of the run is durable that somebody may wait for. */
  changed(state: RunState): void {
    const followers = this.#byRun.get(state.meta.key)
    if (followers === undefined) return
    for (const follower of followers) if (follower.look()) followers.delete(follower)
    if (followers.size === 0) this.#byRun.delete(state.meta.key)
  }

  forget(requestId: number): void {
    for (const [run, followers] of this.#byRun) {
      for (const follower of followers) if (follower.requestId === requestId) followers.delete(follower)
      if (followers.size === 0) this.#byRun.delete(run)
    }
  }

  #follow(run: RunKey, requestId: number, look: () => boolean): void {
    if (look()) return
    const followers = this.#byRun.get(run) ?? new Set()
    this.#byRun.set(run, followers.add({ requestId, look }))
  }

  #isOver(run: RunKey): boolean {
    const state = this.#parts.runs.get(run)
    return state === undefined || isFinished(state.progress.status)
  }
}
