/** A step's call inside a run: its attempts, their time limits, and what the step's policy says when one fails. */
import { decodeError, encodeError } from '../codec/error.ts'
import type { AttemptRecord, EntryOutcome } from '../codec/entry.ts'
import { viewOfEntry } from '../codec/entry.ts'
import type { Encoded } from '../codec/encoded.ts'
import { decodeValue, viewOfValue } from '../codec/value.ts'
import { NonRetryableError, RetryAfterError, StepTimeoutError, UnserializableValueError } from '../errors.ts'
import { retryDelayMs } from '../model/retry.ts'
import type { Alarm, Clock } from '../model/clock.ts'
import type { RunKey } from '../model/run.ts'
import type { ToSupervisor } from '../protocol/actor.ts'
import { MOVED_FROM_BYTES } from '../protocol/batch.ts'
import type { FlightRecorder } from '../protocol/flight-recorder.ts'
import { currentScope } from '../workflow/context.ts'
import type { CurrentStep, Scope, StepDefinition } from '../workflow/context.ts'
import type { QueuedAttempt } from './attempt-queue.ts'
import type { Operation, OperationOutcome } from './operation.ts'

/** What a step's call needs of the actor it belongs to. */
export interface StepHost {
  readonly scope: Scope
  readonly clock: Clock
  /** False once the run is ending: failures are then no outcomes any more. */
  readonly recordsFailures: boolean
  /** False once the actor has ended: nothing is reported any more. */
  readonly alive: boolean
  report(body: ToSupervisor): void
  readonly key: RunKey
  readonly incarnation: number
  /** Runs the code of an attempt in a turn of its own, when its beginning is known outside. */
  runSoon(attempt: QueuedAttempt): void
  attemptOver(attempt: QueuedAttempt): void
  /** From here until leave() the thread is this operation's code's, without a pause. */
  enter(index: number): void
  leave(): void
  /** Something of it runs in this thread, or no longer does. */
  busy(change: 1 | -1): void
}

type Verdict =
  | { readonly type: 'retry', readonly delayMs: number }
  | { readonly type: 'final', readonly error: unknown }
  | { readonly type: 'exhausted' }

const EMPTY = new Uint8Array(0) as Uint8Array as Encoded

export class StepCall implements QueuedAttempt {
  isTold = false
  heldMs = 0
  slot: number | undefined
  readonly #host: StepHost
  readonly #operation: Operation
  readonly #definition: StepDefinition
  readonly #call: () => unknown
  #attempts: readonly AttemptRecord[]
  /** The first attempt's start: the entry's. */
  #startedAtMs: number | undefined
  /** Undefined between attempts: a late result of an attempt that is over finds itself not current. */
  #current: Attempt | undefined

  constructor(host: StepHost, operation: Operation, definition: StepDefinition, call: () => unknown) {
    this.#host = host
    this.#operation = operation
    this.#definition = definition
    this.#call = call
    this.#attempts = []
    // A word about an attempt that has been made meanwhile is a late one.
    operation.onAttemptDue = attempt => { if (attempt === this.#attempts.length + 1) this.begin() }
    operation.onEnd = error => { this.#abandon(error) }
  }

  /** Goes on from what is recorded of an earlier life: the attempts that failed. */
  resume(startedAtMs: number, attempts: readonly AttemptRecord[]): void {
    this.#startedAtMs = startedAtMs
    this.#attempts = attempts
  }

  begin(): void {
    const attempt = this.#attempts.length + 1
    const startedAtMs = this.#host.clock.nowMs()
    this.#startedAtMs ??= startedAtMs
    this.#operation.waiting = false
    this.#host.busy(1)
    this.#current = new Attempt(this.#operation.index, attempt, startedAtMs, this.#definition)
    this.isTold = false
    this.#host.runSoon(this)
  }

  get name(): string {
    return this.#definition.name
  }

  get timeoutMs(): number | undefined {
    return this.#definition.timeoutMs
  }

  tell(): void {
    if (this.#current === undefined) return
    const { index, attempt, startedAtMs } = this.#current
    this.#host.report({ type: 'step-started', index, name: this.name, attempt, startedAtMs, timeoutMs: this.timeoutMs })
  }

  record(recorder: FlightRecorder, nameId: number): number {
    const { index, attempt, startedAtMs } = this.#current!
    return recorder.began(this.#host.key, this.#host.incarnation, index, attempt, startedAtMs, nameId)
  }

  run(): void {
    this.#run(this.#current!)
  }

  /** Asks the policy about an attempt whose thread died before it could be asked. */
  judgeLast(): void {
    const last = this.#attempts.at(-1)!
    this.#host.busy(1)
    void this.#judge(last.error === undefined ? undefined : decodeError(last.error), last.attempt).then(verdict => {
      if (!this.#isHeard()) return
      if (verdict.type === 'retry') {
        this.#operation.waiting = true
        this.#host.report({ type: 'attempt-judged', index: this.#operation.index, delayMs: verdict.delayMs })
      } else this.#fail(verdict, last.finishedAtMs)
      this.#host.busy(-1)
    })
  }

  #run(attempt: Attempt): void {
    if (!this.#isHeard()) { // the run ended between the call and its turn
      this.#over(attempt)
      this.#host.busy(-1)
      return
    }
    const { timeoutMs } = this.#definition
    if (timeoutMs !== undefined) {
      attempt.alarm = this.#host.clock.schedule(timeoutMs, () => { this.#timeOut(attempt, timeoutMs) })
    }
    let result: unknown
    this.#host.enter(attempt.index)
    try {
      const { run, operations, owner } = this.#host.scope
      result = currentScope.run({ run, operations, owner: owner!, step: attempt }, this.#call)
    } catch (error) {
      this.#failed(attempt, error)
      return
    } finally {
      this.#host.leave()
    }
    if (!isThenable(result)) this.#succeeded(attempt, result)
    // A late rejection is handled here, too, so that it never becomes an unhandledRejection.
    else Promise.resolve(result).then(value => { this.#succeeded(attempt, value) }, (error: unknown) => { this.#failed(attempt, error) })
  }

  #timeOut(attempt: Attempt, timeoutMs: number): void {
    if (this.#current !== attempt) return
    const error = new StepTimeoutError({ stepName: this.#definition.name, timeoutSeconds: timeoutMs / 1000, attempt: attempt.attempt })
    this.#abort(attempt, error)
    this.#failed(attempt, error)
  }

  #succeeded(attempt: Attempt, result: unknown): void {
    if (this.#current !== attempt) return
    let value: Encoded
    try {
      const { name } = this.#definition
      value = viewOfValue(result, () => ({ what: `the result of step "${name}" of workflow "${this.#host.scope.run.workflow}"`, root: 'result' }))
    } catch (error) {
      this.#failed(attempt, error)
      return
    }
    this.#over(attempt)
    const finishedAtMs = this.#host.clock.nowMs()
    const attempts = this.#attempts.length === 0 ? this.#attempts
      : [...this.#attempts, { attempt: attempt.attempt, startedAtMs: attempt.startedAtMs, finishedAtMs }]
    // Also when the run is ending: what is done is done, and a resumed run must not do it again (G1).
    const entry = this.#write({ outcome: 'result', value, attempts }, finishedAtMs)
    // What the workflow sees is what replay will show it. A large one is moved, and comes back with the word that it is recorded.
    if (entry.byteLength < MOVED_FROM_BYTES) this.#operation.proposed = { outcome: 'result', decoded: decodeValue(value) }
    this.#report('result', entry)
    this.#host.busy(-1)
  }

  #failed(attempt: Attempt, error: unknown): void {
    if (this.#current !== attempt) return
    this.#over(attempt)
    const finishedAtMs = this.#host.clock.nowMs()
    void this.#judge(error, attempt.attempt).then(verdict => {
      if (this.#isHeard()) this.#settleFailure(attempt, error, verdict, finishedAtMs)
      this.#host.busy(-1)
    })
  }

  #settleFailure(attempt: Attempt, error: unknown, verdict: Verdict, finishedAtMs: number): void {
    const record = { attempt: attempt.attempt, startedAtMs: attempt.startedAtMs, finishedAtMs, error: encodeError(error) }
    this.#attempts = [...this.#attempts, record]
    if (verdict.type !== 'retry') {
      this.#fail(verdict, finishedAtMs)
      return
    }
    this.#operation.waiting = true
    this.#host.report({ type: 'attempt-failed', index: this.#operation.index, name: this.#definition.name, ...record, delayMs: verdict.delayMs })
  }

  #fail(verdict: Exclude<Verdict, { type: 'retry' }>, finishedAtMs: number): void {
    this.#complete(verdict.type === 'exhausted'
      ? { outcome: 'exhausted', value: EMPTY, attempts: this.#attempts }
      : { outcome: 'error', value: encodeError(verdict.error), attempts: this.#attempts }, finishedAtMs)
  }

  #complete(outcome: OperationOutcome, finishedAtMs: number): void {
    this.#operation.proposed = outcome
    this.#report(outcome.outcome, this.#write(outcome, finishedAtMs))
  }

  #write({ outcome, value, attempts }: OperationOutcome, finishedAtMs: number): Encoded {
    const { index, kind, name } = this.#operation
    return viewOfEntry({ index, kind, name, startedAtMs: this.#startedAtMs ?? finishedAtMs, finishedAtMs, outcome, value, attempts })
  }

  #report(outcome: EntryOutcome, entry: Encoded): void {
    const { index, kind } = this.#operation
    this.#host.report({ type: 'operation-completed', index, kind, outcome, entry })
  }

  /** The step's policy on a failed attempt. What shouldRetry throws is the outcome. */
  async #judge(error: unknown, attempt: number): Promise<Verdict> {
    const { retry, shouldRetry } = this.#definition
    if (!retry.retriesAllowed || error instanceof NonRetryableError || error instanceof UnserializableValueError) return { type: 'final', error }
    if (shouldRetry !== undefined) {
      try {
        if (!await currentScope.run(undefined, () => shouldRetry(error, attempt))) return { type: 'final', error }
      } catch (thrown) {
        return { type: 'final', error: thrown }
      }
    }
    const delayMs = retryDelayMs(retry, attempt, this.#host.clock.random())
    if (delayMs === undefined) return { type: 'exhausted' }
    return { type: 'retry', delayMs: error instanceof RetryAfterError ? error.afterSeconds * 1000 : delayMs }
  }

  /** The run is ending: whatever runs is told so, and its failure will be no outcome. */
  #abandon(error: unknown): void {
    if (this.#current !== undefined) this.#abort(this.#current, error)
  }

  /** Listeners of the signal are the step's code, too. */
  #abort(attempt: Attempt, error: unknown): void {
    currentScope.run({ ...this.#host.scope, step: attempt }, () => { attempt.abort(error) })
  }

  /** Whether what the policy said still matters. */
  #isHeard(): boolean {
    return this.#host.alive && this.#host.recordsFailures
  }

  #over(attempt: Attempt): void {
    attempt.alarm?.cancel()
    this.#host.attemptOver(this)
    this.#current = undefined
  }
}

/** One attempt, as the code that runs in it sees it. */
class Attempt implements CurrentStep {
  readonly index: number
  readonly name: string
  readonly attempt: number
  readonly maxAttempts: number
  readonly startedAtMs: number
  alarm: Alarm | undefined
  #controller: AbortController | undefined

  constructor(index: number, attempt: number, startedAtMs: number, definition: StepDefinition) {
    this.index = index
    this.attempt = attempt
    this.startedAtMs = startedAtMs
    this.name = definition.name
    this.maxAttempts = definition.retry.retriesAllowed ? definition.retry.maxAttempts : 1
  }

  /** Made when it is first asked for: most steps never do. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    return this.#controller.signal
  }

  abort(reason: unknown): void {
    this.#controller ??= new AbortController()
    this.#controller.abort(reason)
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (typeof value === 'object' || typeof value === 'function') && value !== null && typeof (value as { then?: unknown }).then === 'function'
}
