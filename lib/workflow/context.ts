/**
 * What the code of a workflow is surrounded by while it runs. The actor supplies it; the functions an author calls find it
 * here. This is all that connects the two (I5).
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { ResolvedRetryPolicy } from '../model/retry.ts'

export interface StepDefinition {
  readonly name: string
  readonly retry: ResolvedRetryPolicy
  readonly shouldRetry?: (error: unknown, attempt: number) => boolean | Promise<boolean>
  /** Bound on one attempt. */
  readonly timeoutMs?: number
}

export interface ChildRequest {
  readonly workflow: string
  readonly args: readonly unknown[]
  readonly id?: string
  readonly queue?: string
  /** null: no bound, whatever the workflow's own default. */
  readonly timeoutMs?: number | null
}

/** The durable operations of one run. Each takes its index synchronously, before any await. */
export interface Operations {
  step(definition: StepDefinition, args: readonly unknown[], call: (args: readonly unknown[]) => unknown): Promise<unknown>
  sleep(durationMs: number): Promise<void>
  value(name: string, produce: () => unknown): Promise<unknown>
  callChild(request: ChildRequest): Promise<unknown>
  startChild(request: ChildRequest): Promise<string>
  awaitChild(childId: string): Promise<unknown>
  send(runId: string, message: unknown, topic: string | undefined): Promise<void>
  /** undefined: none came in time. */
  receive(topic: string | undefined, timeoutMs: number | undefined): Promise<unknown>
  setEvent(name: string, value: unknown): Promise<void>
  /** undefined: it was not set in time. */
  getEvent(runId: string, name: string, timeoutMs: number | undefined): Promise<unknown>
  writeStream(stream: string, value: unknown): Promise<void>
  closeStream(stream: string): Promise<void>
  patched(name: string): Promise<boolean>
}

export interface CurrentRun {
  readonly id: string
  readonly workflow: string
  readonly incarnation: number
}

export interface CurrentStep {
  readonly index: number
  readonly name: string
  readonly attempt: number
  readonly maxAttempts: number
  readonly signal: AbortSignal
}

export interface Scope {
  readonly run: CurrentRun
  readonly operations: Operations
  /** The actor, for the thread it lives in. */
  readonly owner?: object
  readonly step?: CurrentStep
}

export const currentScope = new AsyncLocalStorage<Scope | undefined>()

/** The scope in which durable operations are recorded: inside a run, outside its steps. */
export function recordingScope(): Scope | undefined {
  const scope = currentScope.getStore()
  return scope?.step === undefined ? scope : undefined
}

/** What the code that is running belongs to; undefined outside a run. */
export function currentRun(): CurrentRun | undefined {
  return currentScope.getStore()?.run
}

/** The step that is running; undefined outside a step. */
export function currentStep(): CurrentStep | undefined {
  return currentScope.getStore()?.step
}
