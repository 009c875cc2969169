/**
 * What "troupe" promises its users: a copy, kept by hand, that the built package is measured against in
 * promise.ts. Add to it when something is promised; to rename or narrow what stands here breaks users' code.
 */
export interface Logger {
  debug(fields: object, message?: string): void
  info(fields: object, message?: string): void
  warn(fields: object, message?: string): void
  error(fields: object, message?: string): void
}

export interface TroupeOptions {
  readonly store: string
  readonly workflows: string | URL | readonly (string | URL)[]
  readonly threads?: number
  readonly actorsPerThread?: number
  readonly durability?: 'power-loss' | 'process-crash'
  readonly threadHeapMiB?: number
  readonly logger?: Logger
}

export type RunStatus =
  | 'enqueued' | 'delayed' | 'running' | 'waiting'
  | 'succeeded' | 'failed' | 'cancelled' | 'quarantined'

export interface RunInfo {
  readonly id: string
  readonly workflow: string
  readonly status: RunStatus
  readonly args: readonly unknown[]
  readonly result?: unknown
  readonly error?: Error
  readonly createdAt: Date
  readonly startedAt?: Date
  readonly updatedAt: Date
  readonly finishedAt?: Date
  readonly incarnation: number
  readonly crashes: number
  readonly queue?: string
  readonly priority?: number
  readonly parentId?: string
  readonly forkedFrom?: string
  readonly tags: Readonly<Record<string, string>>
}

export interface StepInfo {
  readonly index: number
  readonly name: string
  readonly kind: 'step' | 'sleep' | 'receive' | 'send' | 'event' | 'stream' | 'child' | 'value' | 'patch'
  readonly status: 'running' | 'retrying' | 'succeeded' | 'failed'
  readonly result?: unknown
  readonly error?: Error
  readonly startedAt: Date
  readonly finishedAt?: Date
  readonly attempts: readonly { readonly attempt: number, readonly startedAt: Date, readonly finishedAt?: Date, readonly error?: Error }[]
  readonly nextAttemptAt?: Date
  readonly childId?: string
}

export interface StartOptions {
  readonly id?: string
  readonly queue?: string
  readonly priority?: number
  readonly delaySeconds?: number
  readonly timeoutSeconds?: number
  readonly deduplicationId?: string
  readonly queueKey?: string
  readonly tags?: Readonly<Record<string, string>>
}

export interface RunHandle<R> {
  readonly id: string
  result(options?: { readonly timeoutSeconds?: number, readonly signal?: AbortSignal }): Promise<R>
  info(): Promise<RunInfo>
  steps(): Promise<readonly StepInfo[]>
  cancel(options?: { readonly graceSeconds?: number, readonly children?: boolean }): Promise<void>
  resume(): Promise<void>
  send(message: unknown, options?: { readonly topic?: string, readonly idempotencyKey?: string }): Promise<void>
  getEvent<T = unknown>(key: string, options?: { readonly timeoutSeconds?: number }): Promise<T | undefined>
  readStream<T = unknown>(key: string, options?: { readonly from?: number, readonly signal?: AbortSignal }): AsyncIterable<T>
  fork(options: { readonly beforeStep: number, readonly id?: string }): Promise<RunHandle<R>>
}

export interface RunFilter {
  readonly ids?: readonly string[]
  readonly idPrefix?: string
  readonly workflow?: string | readonly string[]
  readonly status?: RunStatus | readonly RunStatus[]
  readonly queue?: string | readonly string[]
  readonly parentId?: string
  readonly tags?: Readonly<Record<string, string>>
  readonly createdAfter?: Date
  readonly createdBefore?: Date
  readonly order?: 'newest-first' | 'oldest-first'
  readonly limit?: number
  readonly values?: boolean
}

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

export interface TroupeStats {
  readonly runs: Readonly<Record<RunStatus, number>>
  readonly threads: readonly { readonly threadId: number, readonly actors: number, readonly utilization: number, readonly heapBytes: number }[]
  readonly steps: { readonly succeeded: number, readonly failed: number, readonly retries: number }
  readonly respawns: number
  readonly commits: { readonly count: number, readonly entries: number, readonly lastMs: number, readonly waiting: number }
  readonly eventLoopDelayMs: { readonly p50: number, readonly p99: number, readonly max: number }
  readonly storeBytes: number
}

export declare class Troupe implements AsyncDisposable {
  static open(options: TroupeOptions): Promise<Troupe>
  start<A extends unknown[], R>(workflow: ((...args: A) => R) | string, args: A, options?: StartOptions): Promise<RunHandle<Awaited<R>>>
  startMany<A extends unknown[], R>(workflow: ((...args: A) => R) | string, runs: readonly { readonly args: A, readonly options?: StartOptions }[]): Promise<RunHandle<Awaited<R>>[]>
  get<R = unknown>(id: string): Promise<RunHandle<R>>
  list(filter?: RunFilter): AsyncIterable<RunInfo>
  count(filter?: RunFilter): Promise<number>
  setQueue(name: string, options: QueueOptions): Promise<void>
  setSchedule<A extends unknown[]>(name: string, workflow: ((...args: A) => unknown) | string, args: A, options: ScheduleOptions): Promise<void>
  removeSchedule(name: string): Promise<void>
  prune(options: { readonly finishedBefore: Date, readonly status?: readonly RunStatus[] }): Promise<{ readonly runs: number }>
  backup(folder: string): Promise<void>
  stats(): Promise<TroupeStats>
  close(options?: { readonly mode?: 'drain' | 'abandon', readonly timeoutSeconds?: number }): Promise<void>
  unref(): this
  [Symbol.asyncDispose](): Promise<void>
}

export declare class TroupeError extends Error { readonly code: string }
export declare class StepRetriesExhaustedError extends TroupeError { readonly stepName: string; readonly attempts: number; readonly errors: readonly Error[] }
export declare class StepTimeoutError extends TroupeError { readonly stepName: string; readonly timeoutSeconds: number }
export declare class StepCrashedError extends TroupeError { readonly stepName: string }
export declare class RunCancelledError extends TroupeError { readonly runId: string }
export declare class RunTimeoutError extends TroupeError { readonly runId: string; readonly timeoutSeconds: number }
export declare class RunQuarantinedError extends TroupeError { readonly runId: string; readonly crashes: number }
export declare class RunNotFinishedError extends TroupeError { readonly runId: string }
export declare class UnknownRunError extends TroupeError { readonly runId: string }
export declare class UnknownWorkflowError extends TroupeError { readonly workflow: string }
export declare class RunIdTakenError extends TroupeError { readonly runId: string }
export declare class UnserializableValueError extends TroupeError { readonly path: string }
export declare class NondeterminismError extends TroupeError { readonly runId: string; readonly index: number; readonly recorded: string; readonly called: string }
export declare class InvalidOptionError extends TroupeError { readonly option: string }
export declare class WorkflowModuleError extends TroupeError {}
export declare class StoreInUseError extends TroupeError {}
export declare class StoreFormatError extends TroupeError {}
export declare class StoreUnavailableError extends TroupeError {}
export declare class TroupeClosedError extends TroupeError {}
