/** Durable operations, for the body of a workflow. Inside a step and outside a run they are their ordinary counterparts. */
import { setTimeout as delay } from 'node:timers/promises'
import { OutsideRunError } from '../errors.ts'
import { checkName, checkOptions, optionalMs, optionalName, optionalTimeoutMs, refuse, secondsToMs } from '../options.ts'
import { monotonicMs, randomUUID as systemUUID, systemClock } from '../system.ts'
import { currentScope, recordingScope } from './context.ts'
import type { ChildRequest, Operations } from './context.ts'

/**
 * Waits without holding a thread; the wake time is fixed by the first call and survives restarts.
 * @param seconds >= 0; fractions work
 * @throws InvalidOptionError for NaN, Infinity and negative numbers
 */
export function sleep(seconds: number): Promise<void> {
  return rejecting(() => {
    const durationMs = secondsToMs('seconds', seconds)
    const scope = recordingScope()
    return scope === undefined ? plainSleep(durationMs) : scope.operations.sleep(durationMs)
  })
}

/** The clock, recorded: the same value on every replay. Milliseconds since the epoch. */
export function now(): Promise<number> {
  return recorded('now', () => systemClock.nowMs())
}

/** A number in [0, 1), recorded. */
export function random(): Promise<number> {
  return recorded('random', () => systemClock.random())
}

/** A UUIDv4, recorded. */
export function randomUUID(): Promise<string> {
  return recorded('randomUUID', () => systemUUID())
}

export interface StartChildOptions {
  /** Default: `<parent id>/<operation index>`. */
  readonly id?: string
  readonly queue?: string
  /** Bound on the child's whole run, in seconds; null: none, whatever its workflow says. */
  readonly timeoutSeconds?: number | null
}

export interface ChildHandle<R> {
  readonly id: string
  /** Resolves or rejects with the child's outcome. */
  result(): Promise<R>
}

/**
 * Starts a child without waiting for it; resolves once its start is recorded.
 * @throws OutsideRunError outside the body of a workflow
 * @throws RunIdTakenError when the id belongs to a run of another workflow
 */
export function startChild<A extends unknown[], R>(
  workflow: (...args: A) => R, args: A, options?: StartChildOptions): Promise<ChildHandle<Awaited<R>>> {
  return rejecting(() => {
    const scope = recordingScope()
    if (scope === undefined) throw new OutsideRunError({ operation: 'startChild()' })
    const { operations } = scope
    return handled(operations.startChild(childRequest(workflow, args, options)).then(
      childId => ({ id: childId, result: () => operations.awaitChild(childId) as Promise<Awaited<R>> })))
  })
}

function childRequest(workflow: unknown, args: unknown, options: unknown): ChildRequest {
  const name = (workflow as { readonly workflowName?: unknown } | undefined)?.workflowName
  if (typeof name !== 'string') refuse('workflow', 'be what workflow() returned', workflow)
  if (!Array.isArray(args)) refuse('args', 'be the array of arguments', args)
  const given = checkOptions('startChild()', options, ['id', 'queue', 'timeoutSeconds'])
  const id = optionalName('id', given['id'])
  const queue = optionalName('queue', given['queue'])
  const timeoutMs = given['timeoutSeconds'] === null ? null : optionalTimeoutMs('timeoutSeconds', given['timeoutSeconds'])
  return {
    workflow: name,
    args,
    ...(id !== undefined && { id }),
    ...(queue !== undefined && { queue }),
    ...(timeoutMs !== undefined && { timeoutMs }),
  }
}

/**
 * Takes the oldest message on `topic` (without one: of those sent without); resolves with undefined when none came in time.
 * @throws OutsideRunError outside the body of a workflow
 */
export function receive<T = unknown>(options?: { readonly topic?: string, readonly timeoutSeconds?: number }): Promise<T | undefined> {
  return inRun('receive()', operations => {
    const given = checkOptions('receive()', options, ['topic', 'timeoutSeconds'])
    return operations.receive(optionalName('topic', given['topic']), optionalMs('timeoutSeconds', given['timeoutSeconds'])) as Promise<T | undefined>
  })
}

/**
 * Sends a message to a run. From the body of a workflow it is delivered exactly once.
 * @throws UnknownRunError, MailboxFullError, UnserializableValueError, OutsideRunError
 */
export function send(runId: string, message: unknown, options?: { readonly topic?: string }): Promise<void> {
  return inRun('send()', operations => {
    const given = checkOptions('send()', options, ['topic'])
    return operations.send(checkName('runId', runId), message, optionalName('topic', given['topic']))
  })
}

/** Publishes a value under the run's id, for getEvent here and on the host. Set again, the last value counts. */
export function setEvent(key: string, value: unknown): Promise<void> {
  return inRun('setEvent()', operations => operations.setEvent(checkName('key', key), value))
}

/**
 * The value a run has published, or publishes within timeoutSeconds; undefined when it did not, or finished without.
 * @throws UnknownRunError, OutsideRunError
 */
export function getEvent<T = unknown>(runId: string, key: string, options?: { readonly timeoutSeconds?: number }): Promise<T | undefined> {
  return inRun('getEvent()', operations => {
    const given = checkOptions('getEvent()', options, ['timeoutSeconds'])
    return operations.getEvent(checkName('runId', runId), checkName('key', key), optionalMs('timeoutSeconds', given['timeoutSeconds'])) as Promise<T | undefined>
  })
}

/** Appends to a stream that handle.readStream(key) follows live. A stream that was closed takes no more: StreamClosedError. */
export function writeStream(key: string, value: unknown): Promise<void> {
  return inRun('writeStream()', operations => operations.writeStream(checkName('key', key), value))
}

/** Ends a stream; its readers end once they have read all of it. */
export function closeStream(key: string): Promise<void> {
  return inRun('closeStream()', operations => operations.closeStream(checkName('key', key)))
}

/** True for runs that first reach this point after the change was deployed, false for those recorded before it. */
export function patched(name: string): Promise<boolean> {
  return inRun('patched()', operations => operations.patched(checkName('name', name)))
}

function inRun<T>(operation: string, call: (operations: Operations) => Promise<T>): Promise<T> {
  return rejecting(() => {
    const scope = recordingScope()
    if (scope === undefined) throw new OutsideRunError({ operation })
    return call(scope.operations)
  })
}

function recorded<T>(name: string, produce: () => T): Promise<T> {
  const scope = recordingScope()
  return scope === undefined ? Promise.resolve(produce()) : scope.operations.value(name, produce) as Promise<T>
}

async function plainSleep(durationMs: number): Promise<void> {
  const signal = currentScope.getStore()?.step?.signal
  const dueAtMs = monotonicMs() + durationMs
  for (let leftMs = durationMs; leftMs > 0; leftMs = dueAtMs - monotonicMs()) {
    await delay(Math.min(Math.ceil(leftMs), 2 ** 31 - 1), undefined, signal === undefined ? {} : { signal })
  }
}

/** What is wrong with the arguments comes as a rejection, never as a throw: these functions return promises. */
function rejecting<T>(call: () => Promise<T>): Promise<T> {
  try {
    return call()
  } catch (error) {
    return Promise.reject(error)
  }
}

/** A durable operation that nobody awaits must not end the thread when it fails. */
function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {})
  return promise
}
