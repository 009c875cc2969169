/**
 * What "troupe/workflow" promises its users: a copy, kept by hand, that the built package is measured against in
 * promise.ts. Add to it when something is promised; to rename or narrow what stands here breaks users' code.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec'

export interface StepOptions {
  readonly name?: string
  readonly retriesAllowed?: boolean
  readonly maxAttempts?: number
  readonly intervalSeconds?: number
  readonly backoffRate?: number
  readonly maxIntervalSeconds?: number
  readonly jitter?: number
  readonly shouldRetry?: (error: unknown, attempt: number) => boolean | Promise<boolean>
  readonly timeoutSeconds?: number
}

export type Step<A extends unknown[], R> = ((...args: A) => Promise<Awaited<R>>) & { readonly stepName: string }

export declare function step<A extends unknown[], R>(fn: (...args: A) => R, options?: StepOptions): Step<A, R>
export declare function step(options?: StepOptions): <This, A extends unknown[], R>(
  method: (this: This, ...args: A) => Promise<R>, context: ClassMethodDecoratorContext) => (this: This, ...args: A) => Promise<R>
export declare function runStep<R>(fn: () => R, options?: StepOptions): Promise<Awaited<R>>

export interface WorkflowOptions<A extends unknown[] = unknown[]> {
  readonly name?: string
  readonly maxRespawns?: number
  readonly respawnWindowSeconds?: number
  readonly timeoutSeconds?: number
  readonly queue?: string
  readonly isolated?: boolean
  readonly args?: StandardSchemaV1<unknown, A>
}

export type Workflow<A extends unknown[], R> = ((...args: A) => Promise<Awaited<R>>) & { readonly workflowName: string }
export declare function workflow<A extends unknown[], R>(fn: (...args: A) => R, options?: WorkflowOptions<A>): Workflow<A, R>
export declare function workflow(options?: WorkflowOptions): <This, A extends unknown[], R>(
  method: (this: This, ...args: A) => Promise<R>, context: ClassMethodDecoratorContext) => (this: This, ...args: A) => Promise<R>

export declare function currentRun(): { readonly id: string, readonly workflow: string, readonly incarnation: number } | undefined
export declare function currentStep(): { readonly index: number, readonly name: string, readonly attempt: number, readonly maxAttempts: number, readonly signal: AbortSignal } | undefined

export declare function sleep(seconds: number): Promise<void>
export declare function now(): Promise<number>
export declare function random(): Promise<number>
export declare function randomUUID(): Promise<string>
export declare function startChild<A extends unknown[], R>(workflow: (...args: A) => R, args: A, options?: { readonly id?: string, readonly queue?: string, readonly timeoutSeconds?: number | null }): Promise<{ readonly id: string, result(): Promise<Awaited<R>> }>

export declare function receive<T = unknown>(options?: { readonly topic?: string, readonly timeoutSeconds?: number }): Promise<T | undefined>
export declare function send(runId: string, message: unknown, options?: { readonly topic?: string }): Promise<void>
export declare function setEvent(key: string, value: unknown): Promise<void>
export declare function getEvent<T = unknown>(runId: string, key: string, options?: { readonly timeoutSeconds?: number }): Promise<T | undefined>
export declare function writeStream(key: string, value: unknown): Promise<void>
export declare function closeStream(key: string): Promise<void>
export declare function patched(name: string): Promise<boolean>

export declare function registerError(...classes: (new (...args: never[]) => Error)[]): void
export declare class NonRetryableError extends Error {}
export declare class RetryAfterError extends Error { constructor(message: string, options: { readonly afterSeconds: number, readonly cause?: unknown }) }
