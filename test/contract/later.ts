/**
 * LATER: promised, and not demanded yet. Whoever delivers one of these moves it to workflow.ts or troupe.ts, where promise.ts
 * measures it. When this file is empty, it goes.
 */
import type { RunHandle, RunStatus } from './troupe.ts'

// ---- "troupe/workflow" --------------------------------------------------------------------------------------------
export declare function receive<T = unknown>(options?: { readonly topic?: string, readonly timeoutSeconds?: number }): Promise<T | undefined>
export declare function send(runId: string, message: unknown, options?: { readonly topic?: string }): Promise<void>
export declare function setEvent(key: string, value: unknown): Promise<void>
export declare function getEvent<T = unknown>(runId: string, key: string, options?: { readonly timeoutSeconds?: number }): Promise<T | undefined>
export declare function writeStream(key: string, value: unknown): Promise<void>
export declare function closeStream(key: string): Promise<void>
export declare function patched(name: string): Promise<boolean>

// ---- "troupe" -----------------------------------------------------------------------------------------------------
export interface QueueOptions {
  readonly concurrency?: number
  readonly hostConcurrency?: number
  readonly keyConcurrency?: number
  readonly rateLimit?: { readonly limit: number, readonly periodSeconds: number }
}

export interface ScheduleOptions {
  readonly cron?: string
  readonly everySeconds?: number
  readonly timezone?: string
  readonly missed?: 'skip' | 'last' | 'all'
  readonly queue?: string
}

/** Members of RunHandle. */
export interface LaterRunHandle<R> {
  send(message: unknown, options?: { readonly topic?: string, readonly idempotencyKey?: string }): Promise<void>
  getEvent<T = unknown>(key: string, options?: { readonly timeoutSeconds?: number }): Promise<T | undefined>
  readStream<T = unknown>(key: string, options?: { readonly from?: number, readonly signal?: AbortSignal }): AsyncIterable<T>
  fork(options: { readonly beforeStep: number, readonly id?: string }): Promise<RunHandle<R>>
}

/** Members of Troupe. */
export interface LaterTroupe {
  setQueue(name: string, options: QueueOptions): Promise<void>
  setSchedule<A extends unknown[]>(name: string, workflow: ((...args: A) => unknown) | string, args: A, options: ScheduleOptions): Promise<void>
  removeSchedule(name: string): Promise<void>
  prune(options: { readonly finishedBefore: Date, readonly status?: readonly RunStatus[] }): Promise<{ readonly runs: number }>
  backup(folder: string): Promise<void>
}
