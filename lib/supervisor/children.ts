/** Starting children for parents, and checking the arguments of workflows that have a schema. */
import { encodeError } from '../codec/error.ts'
import type { Encoded } from '../codec/encoded.ts'
import { UnknownRunError } from '../errors.ts'
import { childRunId } from '../model/ids.ts'
import { isFinished } from '../model/run.ts'
import type { RunKey } from '../model/run.ts'
import type { ToSupervisor } from '../protocol/actor.ts'
import type { StartRequest } from '../protocol/host.ts'
import { readEntryHead } from '../codec/entry.ts'
import { TIMER_SLOT } from '../store/contract.ts'
import { queuedRun } from './admission.ts'
import type { Shell, ShellParts } from './shell.ts'
import type { Origin } from './starts.ts'
import type { RunState } from './state.ts'

type ChildCall = ToSupervisor & { readonly type: 'child-called' }

interface Check {
  readonly request: StartRequest
  readonly done: (args: Encoded) => void
  readonly refused: (error: Encoded) => void
  threadId: number | undefined
}

export class Children {
  readonly #shell: Shell
  readonly #parts: ShellParts
  readonly #checks = new Map<number, Check>()
  #nextCheck = 1

  constructor(shell: Shell, parts: ShellParts) {
    this.#shell = shell
    this.#parts = parts
  }

  /** No thread is asked about arguments. */
  get isStill(): boolean {
    return this.#checks.size === 0
  }

  start(parentKey: RunKey, call: ChildCall): void {
    const parent = this.#parts.runs.get(parentKey)
    if (parent === undefined) return
    const request: StartRequest = {
      id: call.id ?? childRunId(parent.meta.id, call.index),
      workflow: call.workflow,
      args: call.args,
      ...(call.queue !== undefined && { queue: call.queue }),
      ...(call.timeoutMs !== undefined && { timeoutMs: call.timeoutMs ?? Infinity }),
    }
    const refused = (error: Encoded): void => { this.#shell.hear(parent, { type: 'operation-settled', index: call.index, kind: 'child', name: call.workflow, outcome: 'error', value: error }) }
    const orRefuse = (start: () => void): void => {
      try {
        start()
      } catch (error) {
        refused(encodeError(error))
      }
    }
    orRefuse(() => {
      const needsCheck = this.#parts.starts.existing(request) === undefined && this.#parts.starts.workflow(request.workflow).checksArgs
      if (!needsCheck) return this.#startNow(parent, call, request)
      const { incarnation } = parent.progress
      // Meanwhile the actor may have died; its next life asks again, and must not be answered twice. One that is being ended starts no more.
      const isHeard = (): boolean => parent.life.type === 'live' && parent.progress.incarnation === incarnation && parent.progress.ending === undefined
      this.checkArgs(request, args => {
        if (isHeard()) orRefuse(() => { this.#startNow(parent, call, { ...request, args }) })
      }, error => {
        if (isHeard()) refused(error)
      })
    })
  }

  #startNow(parent: RunState, call: ChildCall, request: StartRequest): void {
    const { index, mode, workflow } = call
    const child = this.#parts.starts.existing(request) ?? this.create(request, { parent: { key: parent.meta.key, id: parent.meta.id, index } })
    const { status } = child.progress
    // A resumed parent does its failed operation again: the child that failed in it is resumed, too.
    const isOwn = child.meta.parent?.key === parent.meta.key && child.meta.parent.index === index
    if (isOwn && isFinished(status) && status !== 'succeeded') this.resume(child)
    this.#shell.hear(parent, { type: 'child-started', index, mode, workflow, childId: child.meta.id, childKey: child.meta.key })
  }

  find(parentKey: RunKey, index: number, childId: string): void {
    const parent = this.#parts.runs.get(parentKey)
    if (parent === undefined) return
    const name = `result of ${childId}`
    const child = this.#parts.runs.find(childId)
    if (child === undefined) {
      this.#shell.hear(parent, { type: 'operation-settled', index, kind: 'child', name, outcome: 'error', value: encodeError(new UnknownRunError({ runId: childId })) })
      return
    }
    this.#shell.hear(parent, { type: 'child-started', index, mode: 'await', workflow: name, childId, childKey: child.meta.key })
  }

  create(request: StartRequest, origin: Origin = {}): RunState {
    const { starts, commits, timers } = this.#parts
    const { state, changes, startAtMs } = starts.create(request, origin)
    commits.add(changes)
    const { key } = state.meta
    if (startAtMs === undefined) this.#shell.admission.push(queuedRun(state))
    else commits.afterCommit(() => { timers.arm({ key, slot: TIMER_SLOT.start, dueAtMs: startAtMs }) })
    return state
  }

  /** Puts a run back to work; of a failed one the last failed operation and what came after it is forgotten. */
  resume(state: RunState): void {
    const forget = state.progress.status === 'failed' ? this.#lastFailed(state) : undefined
    this.#shell.hear(state, { type: 'resume-requested', forget })
  }

  #lastFailed(state: RunState): { readonly fromPosition: number, readonly index: number } | undefined {
    const entries = this.#parts.store.readJournal(state.meta.key, 0, Number.MAX_SAFE_INTEGER)
    for (let position = entries.length - 1; position >= 0; position--) {
      const { outcome, index } = readEntryHead(entries[position]!)
      if (outcome !== 'result') return { fromPosition: position, index }
    }
    return undefined
  }

  /** Asks a thread whether a workflow's schema takes these arguments. */
  checkArgs(request: StartRequest, done: (args: Encoded) => void, refused: (error: Encoded) => void): void {
    const requestId = this.#nextCheck++
    this.#checks.set(requestId, { request, done, refused, threadId: undefined })
    this.#ask(requestId)
  }

  #ask(requestId: number): void {
    const check = this.#checks.get(requestId)
    if (check === undefined) return
    const { workflow, args } = check.request
    check.threadId = this.#parts.pool.order({ type: 'check-args', requestId, workflow, args })
    // All threads may be ending at this moment; new ones come.
    if (check.threadId === undefined) this.#shell.alarms.later(10, () => { this.#ask(requestId) })
  }

  /** A thread that was asked may have ended without an answer. */
  threadEnded(threadId: number): void {
    for (const [requestId, check] of this.#checks) if (check.threadId === threadId) this.#ask(requestId)
  }

  argsChecked(requestId: number, answer: { readonly args: Encoded } | { readonly error: Encoded }): void {
    const check = this.#checks.get(requestId)
    if (check === undefined) return
    this.#checks.delete(requestId)
    if ('args' in answer) check.done(answer.args)
    else check.refused(answer.error)
  }
}
