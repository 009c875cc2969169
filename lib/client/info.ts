/** What a user reads of runs and steps, decoded from what the store keeps. */
import type { EntryKind } from '../codec/entry.ts'
import { decodeEntry } from '../codec/entry.ts'
import type { AttemptRecord, JournalEntry } from '../codec/entry.ts'
import { decodeError } from '../codec/error.ts'
import { decodeValue } from '../codec/value.ts'
import { decodeWait } from '../codec/wait.ts'
import type { Wait } from '../codec/wait.ts'
import { StepRetriesExhaustedError } from '../errors.ts'
import type { RunStatus } from '../model/run.ts'
import type { StepsPage } from '../protocol/host.ts'
import type { ListedRun } from '../protocol/records.ts'

export interface RunInfo {
  readonly id: string
  readonly workflow: string
  readonly status: RunStatus
  /** Empty in a listing without values. */
  readonly args: readonly unknown[]
  readonly result?: unknown
  readonly error?: Error
  readonly createdAt: Date
  readonly startedAt?: Date
  readonly updatedAt: Date
  readonly finishedAt?: Date
  /** Counts the actor's lives: 1 at the first spawn, one more at each respawn or re-activation. */
  readonly incarnation: number
  /** Crashes of the thread or process that this run's actor was in. */
  readonly crashes: number
  readonly queue?: string
  readonly priority?: number
  readonly parentId?: string
  readonly forkedFrom?: string
  readonly tags: Readonly<Record<string, string>>
  /** Why it is not at work, in words for people: a full queue, a timer, a message. */
  readonly waitsFor?: string
  /** What last happened to its thread or its process, and what was to follow, in words for people. */
  readonly lastTrouble?: { readonly at: Date, readonly text: string }
}

export interface StepInfo {
  readonly index: number
  readonly name: string
  readonly kind: EntryKind
  readonly status: 'running' | 'retrying' | 'succeeded' | 'failed'
  readonly result?: unknown
  readonly error?: Error
  readonly startedAt: Date
  readonly finishedAt?: Date
  /** Every attempt made, failed ones with their error; survives crashes. */
  readonly attempts: readonly AttemptInfo[]
  /** When the next attempt is due, while status is 'retrying'. */
  readonly nextAttemptAt?: Date
  readonly childId?: string
}

export interface AttemptInfo {
  readonly attempt: number
  readonly startedAt: Date
  readonly finishedAt?: Date
  readonly error?: Error
}

export function runInfo(run: ListedRun): RunInfo {
  const { meta, progress, outcome } = run
  const { startedAtMs, finishedAtMs, trouble } = progress
  return {
    id: meta.id,
    workflow: meta.workflow,
    status: progress.status,
    args: meta.args.length === 0 ? [] : decodeValue(meta.args) as unknown[],
    createdAt: new Date(meta.createdAtMs),
    updatedAt: new Date(progress.updatedAtMs),
    incarnation: progress.incarnation,
    crashes: progress.crashes,
    priority: meta.priority,
    tags: meta.tags,
    ...(run.waitsFor !== undefined && { waitsFor: run.waitsFor }),
    ...(trouble !== undefined && { lastTrouble: { at: new Date(trouble.atMs), text: trouble.text } }),
    ...(outcome?.type === 'result' && { result: decodeValue(outcome.value) }),
    ...(outcome?.type === 'error' && { error: decodeError(outcome.value) as Error }),
    ...(startedAtMs !== undefined && { startedAt: new Date(startedAtMs) }),
    ...(finishedAtMs !== undefined && { finishedAt: new Date(finishedAtMs) }),
    ...(meta.queue !== undefined && { queue: meta.queue }),
    ...(meta.parent !== undefined && { parentId: meta.parent.id }),
    ...(meta.forkedFrom !== undefined && { forkedFrom: meta.forkedFrom }),
  }
}

/** The operations of a run in order of index: those recorded, those that wait, those under way. */
export function stepInfos(pages: readonly StepsPage[]): readonly StepInfo[] {
  const steps = new Map<number, StepInfo>()
  for (const { waits, running } of pages) {
    for (const { index, wait } of waits) steps.set(index, waitingStep(index, decodeWait(wait)))
    for (const { index, name, attempt, startedAtMs } of running) {
      const startedAt = new Date(startedAtMs)
      const { nextAttemptAt: _, ...earlier } = steps.get(index) ?? { index, name, kind: 'step', startedAt, attempts: [] }
      steps.set(index, { ...earlier, status: 'running', attempts: [...earlier.attempts, { attempt, startedAt }] })
    }
  }
  for (const { entries } of pages) {
    for (const bytes of entries) {
      const entry = decodeEntry(bytes)
      steps.set(entry.index, recordedStep(entry))
    }
  }
  return [...steps.values()].sort((a, b) => a.index - b.index)
}

function recordedStep(entry: JournalEntry): StepInfo {
  const { index, name, kind, outcome, value, childId } = entry
  const startedAt = new Date(entry.startedAtMs)
  const finishedAt = new Date(entry.finishedAtMs)
  const attempts = entry.attempts.map(attemptInfo)
  const single = kind === 'step' ? [{ attempt: 1, startedAt, finishedAt }] : []
  return {
    index, name, kind, startedAt, finishedAt,
    status: outcome === 'result' ? 'succeeded' : 'failed',
    attempts: attempts.length === 0 ? single : attempts,
    ...(outcome === 'result' && value.length > 0 && { result: decodeValue(value) }),
    ...(outcome === 'error' && { error: decodeError(value) as Error }),
    ...(outcome === 'exhausted' && {
      error: new StepRetriesExhaustedError({ stepName: name, attempts: attempts.length, errors: attempts.map(({ error }) => error) }),
    }),
    ...(childId !== undefined && { childId }),
  }
}

function waitingStep(index: number, wait: Wait): StepInfo {
  const { name } = wait
  const startedAt = new Date(wait.startedAtMs)
  if (wait.type === 'sleep') return { index, name, kind: 'sleep', status: 'running', startedAt, attempts: [] }
  if (wait.type === 'receive' || wait.type === 'event') return { index, name, kind: wait.type, status: 'running', startedAt, attempts: [] }
  if (wait.type === 'child') return { index, name, kind: 'child', status: 'running', startedAt, attempts: [], childId: wait.childId }
  return {
    index, name, kind: 'step', status: 'retrying', startedAt,
    attempts: wait.attempts.map(attemptInfo),
    ...(wait.dueAtMs !== undefined && { nextAttemptAt: new Date(wait.dueAtMs) }),
  }
}

function attemptInfo(record: AttemptRecord): AttemptInfo {
  const { attempt, startedAtMs, finishedAtMs, error } = record
  return {
    attempt,
    startedAt: new Date(startedAtMs),
    finishedAt: new Date(finishedAtMs),
    ...(error !== undefined && { error: decodeError(error) as Error }),
  }
}
