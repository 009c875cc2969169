/**
 * Runs that are to live again while code of a former life still runs: an attempt that ignores its signal. They wait for it (G5),
 * and a thread that does not let go of them in time is ended.
 */
import type { RunKey } from '../model/run.ts'
import { queuedRun } from './admission.ts'
import type { Shell, ShellParts } from './shell.ts'
import type { RunState } from './state.ts'

/** How long code of a former life may hold up the next one. */
const LINGER_MS = 5000

export class Lingering {
  readonly #shell: Shell
  readonly #parts: ShellParts
  /** With what takes back the end of its patience: a later wait has its own. */
  readonly #waiting = new Map<RunKey, () => void>()

  constructor(shell: Shell, parts: ShellParts) {
    this.#shell = shell
    this.#parts = parts
  }

  await({ meta: { key, id } }: RunState): void {
    if (this.#waiting.has(key)) return
    const takeBack = this.#shell.alarms.later(LINGER_MS, () => {
      // By now the word that it is over may have come, and wait to be heard.
      this.#parts.clock.soon(() => { if (this.#waiting.get(key) === takeBack) this.#endThreadOf(key, id) })
    })
    this.#waiting.set(key, takeBack)
  }

  #endThreadOf(key: RunKey, id: string): void {
    const threadId = this.#parts.pool.threadOf(key)
    if (threadId === undefined) return
    this.#parts.log('warn', { event: 'thread-ended-by-supervisor', runId: id, threadId },
      `A step of an earlier life of run "${id}" goes on and holds up the next; its thread is ended, and its neighbours go on from their last checkpoints.`)
    this.#parts.pool.endThread(threadId)
  }

  /** The task of this run is over: if it waited for that, it stands in line again. */
  lineUp(key: RunKey): void {
    const takeBack = this.#waiting.get(key)
    if (takeBack === undefined || this.#parts.pool.threadOf(key) !== undefined) return
    takeBack()
    this.#waiting.delete(key)
    const state = this.#parts.runs.get(key)
    if (state?.life.type === 'queued') this.#shell.admission.push(queuedRun(state))
  }

  /** A thread has ended, and with it all that went on in it. */
  lineUpAll(): void {
    for (const key of this.#waiting.keys()) this.lineUp(key)
  }
}
