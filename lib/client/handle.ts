import { decodeError } from '../codec/error.ts'
import { decodeValue, encodeValue } from '../codec/value.ts'
import { RunNotFinishedError } from '../errors.ts'
import { checkName, checkNumber, checkOptions, optionalMs, optionalName, optionalNumber, refuse } from '../options.ts'
import type { StepsPage } from '../protocol/host.ts'
import { newRunId, systemClock } from '../system.ts'
import { runInfo, stepInfos } from './info.ts'
import type { RunInfo, StepInfo } from './info.ts'
import { resolveCancelOptions } from './options.ts'
import type { SupervisorProxy } from './proxy.ts'

export interface ResultOptions {
  /** RunNotFinishedError after this many seconds. Default: no bound. */
  readonly timeoutSeconds?: number
  /** Stops waiting with the signal's reason; the run goes on. */
  readonly signal?: AbortSignal
}

export interface CancelOptions {
  /** How long its actor may take to stop by itself before its thread is ended. Default 5. */
  readonly graceSeconds?: number
  /** Its unfinished children, too. Default false. */
  readonly children?: boolean
}

/** One run, seen from the host. It holds no resources and may be kept or dropped. */
export class RunHandle<R> {
  readonly id: string
  readonly #proxy: SupervisorProxy

  /** Made by start(), startMany() and get(). */
  constructor(proxy: SupervisorProxy, id: string) {
    this.#proxy = proxy
    this.id = id
  }

  /**
   * Resolves or rejects with the run's outcome: what its workflow returned or threw.
   * @throws RunNotFinishedError after timeoutSeconds
   * @throws RunCancelledError, RunTimeoutError, RunQuarantinedError, NondeterminismError when that was its outcome
   * @throws TroupeClosedError when the Troupe is closed meanwhile
   */
  async result(options?: ResultOptions): Promise<R> {
    const given = checkOptions('result()', options, ['timeoutSeconds', 'signal'])
    const timeoutMs = optionalMs('timeoutSeconds', given['timeoutSeconds'])
    const signal = given['signal']
    if (signal !== undefined && !(signal instanceof AbortSignal)) refuse('signal', 'be an AbortSignal', signal)
    signal?.throwIfAborted()
    const { requestId, reply } = this.#proxy.askFor<'await-outcome'>({ type: 'await-outcome', id: this.id })
    const outcome = await (timeoutMs === undefined && signal === undefined ? reply : this.#bounded(requestId, reply, timeoutMs, signal))
    if (outcome.type === 'error') throw decodeError(outcome.value)
    return decodeValue(outcome.value) as R
  }

  async info(): Promise<RunInfo> {
    return runInfo(await this.#proxy.ask<'read-run'>({ type: 'read-run', id: this.id }))
  }

  /** Its durable operations in order of index, with every attempt made. */
  async steps(): Promise<readonly StepInfo[]> {
    const pages: StepsPage[] = []
    for (let from: number | undefined = 0; from !== undefined; from = pages.at(-1)!.next) {
      pages.push(await this.#proxy.ask<'read-steps'>({ type: 'read-steps', id: this.id, fromPosition: from }))
    }
    return stepInfos(pages)
  }

  /**
   * Ends it at its next operation; after graceSeconds its thread is ended. Resolves once the request is durable; result()
   * rejects with RunCancelledError once it has ended. A run that is finished stays as it is.
   */
  async cancel(options?: CancelOptions): Promise<void> {
    const { graceMs, children } = resolveCancelOptions(options)
    await this.#proxy.ask<'cancel-run'>({ type: 'cancel-run', id: this.id, graceMs, children })
  }

  /**
   * Puts a failed, cancelled or quarantined run back to work from its last checkpoint, with fresh attempts and respawns. Of a
   * failed run the last failed operation, and what came after it, is forgotten and done again. A run that is at work or has
   * succeeded stays as it is.
   */
  async resume(): Promise<void> {
    await this.#proxy.ask<'resume-run'>({ type: 'resume-run', id: this.id })
  }

  /**
   * Sends it a message; resolves once that is durable. A second one under the same idempotency key changes nothing.
   * @throws MailboxFullError, UnserializableValueError
   */
  async send(message: unknown, options?: { readonly topic?: string, readonly idempotencyKey?: string }): Promise<void> {
    const given = checkOptions('send()', options, ['topic', 'idempotencyKey'])
    const topic = optionalName('topic', given['topic'])
    const idempotencyKey = optionalName('idempotencyKey', given['idempotencyKey'])
    const encoded = encodeValue(message, () => ({ what: `a message to run "${this.id}"`, root: 'message' }))
    await this.#proxy.ask<'send-message'>({ type: 'send-message', id: this.id, message: encoded, topic, idempotencyKey })
  }

  /** The value the run has set, or sets within timeoutSeconds; undefined when it did not, or finished without. */
  async getEvent<T = unknown>(key: string, options?: { readonly timeoutSeconds?: number }): Promise<T | undefined> {
    const given = checkOptions('getEvent()', options, ['timeoutSeconds'])
    const timeoutMs = optionalMs('timeoutSeconds', given['timeoutSeconds'])
    const { requestId, reply } = this.#proxy.askFor<'await-event'>({ type: 'await-event', id: this.id, key: checkName('key', key) })
    // What is set already is told however short the time: the answer to the later request comes after it.
    if (timeoutMs !== undefined) await Promise.race([reply, this.#proxy.ask<'find-run'>({ type: 'find-run', id: this.id })])
    const answer = timeoutMs === undefined ? await reply
      : await this.#bounded(requestId, reply, timeoutMs, undefined, settle => { settle({ value: undefined }) })
    return answer.value === undefined ? undefined : decodeValue(answer.value) as T
  }

  /**
   * Follows a stream live, from a position on (from 0; default 0), and ends when the stream is closed or the run has ended.
   * @throws the signal's reason when it aborts
   */
  async *readStream<T = unknown>(key: string, options?: { readonly from?: number, readonly signal?: AbortSignal }): AsyncGenerator<T, void, undefined> {
    const given = checkOptions('readStream()', options, ['from', 'signal'])
    const stream = checkName('key', key)
    const signal = given['signal']
    if (signal !== undefined && !(signal instanceof AbortSignal)) refuse('signal', 'be an AbortSignal', signal)
    let from = optionalNumber('from', given['from'], { min: 0, whole: true }) ?? 0
    for (;;) {
      signal?.throwIfAborted()
      const { requestId, reply } = this.#proxy.askFor<'read-stream'>({ type: 'read-stream', id: this.id, stream, from })
      const page = await (signal === undefined ? reply : this.#bounded(requestId, reply, undefined, signal))
      for (const value of page.values) {
        signal?.throwIfAborted()
        yield decodeValue(value) as T
      }
      from += page.values.length
      if (page.ended) return
    }
  }

  /**
   * A new run with the outcomes of this one's first `beforeStep` operations already recorded: it goes on from there.
   * Events, streams and messages of this run are not copied.
   * @throws RunIdTakenError
   */
  async fork(options: { readonly beforeStep: number, readonly id?: string }): Promise<RunHandle<R>> {
    const given = checkOptions('fork()', options, ['beforeStep', 'id'])
    const beforeStep = checkNumber('beforeStep', given['beforeStep'], { min: 0, whole: true })
    const newId = optionalName('id', given['id']) ?? newRunId()
    const { id } = await this.#proxy.ask<'fork-run'>({ type: 'fork-run', id: this.id, beforeStep, newId })
    return new RunHandle<R>(this.#proxy, id)
  }

  /** `late` says what happens when the time is up; by default RunNotFinishedError. */
  #bounded<T>(
    requestId: number, reply: Promise<T>, timeoutMs: number | undefined, signal: AbortSignal | undefined,
    late?: (settle: (value: T) => void) => void): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const alarm = timeoutMs === undefined ? undefined : systemClock.schedule(timeoutMs, () => {
        stop(() => {
          if (late === undefined) reject(new RunNotFinishedError({ runId: this.id, timeoutSeconds: timeoutMs / 1000 }))
          else late(resolve)
        })
        this.#proxy.forget(requestId)
      })
      const aborted = (): void => {
        stop(() => { reject(signal!.reason as Error) })
        this.#proxy.forget(requestId)
      }
      const stop = (settle: () => void): void => {
        alarm?.cancel()
        signal?.removeEventListener('abort', aborted)
        settle()
      }
      signal?.addEventListener('abort', aborted, { once: true })
      reply.then(value => { stop(() => { resolve(value) }) }, (error: unknown) => { stop(() => { reject(error) }) })
    })
  }
}
