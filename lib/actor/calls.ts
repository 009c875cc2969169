/** What the body of a workflow calls: each durable operation takes its index at once, and is done if the journal does not have it. */
import { viewOfEntry } from '../codec/entry.ts'
import type { EntryKind } from '../codec/entry.ts'
import { encodeValue } from '../codec/value.ts'
import type { Encoded } from '../codec/encoded.ts'
import type { Wait } from '../codec/wait.ts'
import { eventName } from '../protocol/actor.ts'
import type { ToSupervisor } from '../protocol/actor.ts'
import type { ChildRequest, Operations, StepDefinition } from '../workflow/context.ts'
import type { Operation } from './operation.ts'
import { captureArgs } from './step-args.ts'
import { StepCall } from './step-call.ts'
import type { StepHost } from './step-call.ts'

/** A call that was held against the journal. */
export type OpenedCall =
  /** Its outcome is recorded, or it is not to be done: the promise says the rest. */
  | { readonly state: 'recorded', readonly operation: Operation }
  /** To be done; with `wait`, an earlier life has begun it. */
  | { readonly state: 'called', readonly operation: Operation, readonly wait: Wait | undefined }

/** What the calls need of their actor. */
export interface CallHost extends StepHost {
  /** Takes the next index. */
  open(kind: EntryKind, name: string): OpenedCall
  report(body: ToSupervisor): void
  /** Takes back a call that cannot be made; the same call is refused again on replay. */
  refuse(operation: Operation, error: unknown): void
  /** Whether the next attempt of a step was said to be due before the step was called. */
  takeDue(index: number): boolean
  /** What is recorded of the next operation: something of it, only of later ones, or nothing from there on. */
  recordedNext(): { readonly kind: EntryKind, readonly name: string } | 'later' | 'nothing'
}

export class Calls implements Operations {
  readonly #host: CallHost

  constructor(host: CallHost) {
    this.#host = host
  }

  step(definition: StepDefinition, args: readonly unknown[], call: (args: readonly unknown[]) => unknown): Promise<unknown> {
    const opened = this.#host.open('step', definition.name)
    if (opened.state === 'recorded') return opened.operation.promise
    const { operation } = opened
    const copyArgs = captureArgs(args, definition, this.#workflow)
    const stepCall = new StepCall(this.#host, operation, definition, () => call(copyArgs()))
    const wait = opened.wait?.type === 'retry' ? opened.wait : undefined
    if (wait === undefined) stepCall.begin()
    else {
      stepCall.resume(wait.startedAtMs, wait.attempts)
      if (wait.dueAtMs === undefined) stepCall.judgeLast()
      else if (this.#host.takeDue(operation.index)) stepCall.begin()
      else operation.waiting = true
    }
    return operation.promise
  }

  sleep(durationMs: number): Promise<void> {
    return this.#ask('sleep', 'sleep', index => ({ type: 'sleep-called', index, durationMs })) as Promise<void>
  }

  value(name: string, produce: () => unknown): Promise<unknown> {
    const opened = this.#host.open('value', name)
    if (opened.state === 'called') this.#complete(opened.operation, encodeValue(produce(), () => ({ what: `the value of ${name}()`, root: name })))
    return opened.operation.promise
  }

  callChild(request: ChildRequest): Promise<unknown> {
    return this.#child('call', request)
  }

  startChild(request: ChildRequest): Promise<string> {
    return this.#child('start', request) as Promise<string>
  }

  awaitChild(childId: string): Promise<unknown> {
    return this.#ask('child', `result of ${childId}`, index => ({ type: 'child-awaited', index, childId }))
  }

  send(runId: string, message: unknown, topic: string | undefined): Promise<void> {
    return this.#ask('send', topic ?? 'send', index => ({
      type: 'message-sent', index, runId, topic, message: this.#encode(message, 'a message sent', 'message'),
    })) as Promise<void>
  }

  receive(topic: string | undefined, timeoutMs: number | undefined): Promise<unknown> {
    return this.#ask('receive', topic ?? 'receive', index => ({ type: 'receive-called', index, topic, timeoutMs }))
  }

  setEvent(name: string, value: unknown): Promise<void> {
    return this.#ask('event', name, index => ({
      type: 'event-published', index, name, value: this.#encode(value, `event "${name}"`, 'value'),
    })) as Promise<void>
  }

  getEvent(runId: string, name: string, timeoutMs: number | undefined): Promise<unknown> {
    return this.#ask('event', eventName(runId, name), index => ({ type: 'event-awaited', index, runId, name, timeoutMs }))
  }

  writeStream(stream: string, value: unknown): Promise<void> {
    return this.#ask('stream', stream, index => ({
      type: 'stream-written', index, stream, value: this.#encode(value, `a value of stream "${stream}"`, 'value'),
    })) as Promise<void>
  }

  closeStream(stream: string): Promise<void> {
    return this.#ask('stream', `end of ${stream}`, index => ({ type: 'stream-ended', index, stream })) as Promise<void>
  }

  patched(name: string): Promise<boolean> {
    const next = this.#host.recordedNext()
    // Recorded before the change: there was no patch at this place, and none is taken into account.
    if (next !== 'nothing' && (next === 'later' || next.kind !== 'patch' || next.name !== name)) return Promise.resolve(false)
    const opened = this.#host.open('patch', name)
    if (opened.state === 'called') this.#complete(opened.operation, encodeValue(true, { what: 'a patch', root: name }))
    return opened.operation.promise as Promise<boolean>
  }

  get #workflow(): string {
    return this.#host.scope.run.workflow
  }

  #child(mode: 'call' | 'start', request: ChildRequest): Promise<unknown> {
    const { workflow, id, queue, timeoutMs } = request
    return this.#ask('child', workflow, index => ({
      type: 'child-called', index, mode, workflow, id, queue, timeoutMs,
      args: encodeValue(request.args, () => ({ what: `the arguments of child workflow "${workflow}"`, root: 'args' })),
    }))
  }

  #encode(value: unknown, what: string, root: string): Encoded {
    return encodeValue(value, () => ({ what: `${what} by workflow "${this.#workflow}"`, root }))
  }

  /** An operation that the supervisor completes; it is asked, unless an earlier life has asked already. */
  #ask(kind: EntryKind, name: string, request: (index: number) => ToSupervisor): Promise<unknown> {
    const opened = this.#host.open(kind, name)
    const { operation } = opened
    if (opened.state === 'recorded') return operation.promise
    try {
      if (opened.wait === undefined) this.#host.report(request(operation.index))
      operation.waiting = true
    } catch (error) {
      this.#host.refuse(operation, error)
    }
    return operation.promise
  }

  /** An operation whose outcome is known here and now, and counts once it is recorded. */
  #complete(operation: Operation, value: Encoded): void {
    const { index, kind, name } = operation
    const atMs = this.#host.clock.nowMs()
    const outcome = { outcome: 'result', value, attempts: [] } as const
    operation.proposed = outcome
    const entry = viewOfEntry({ index, kind, name, startedAtMs: atMs, finishedAtMs: atMs, ...outcome })
    this.#host.report({ type: 'operation-completed', index, kind, outcome: 'result', entry })
  }
}
