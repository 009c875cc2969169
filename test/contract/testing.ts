/**
 * What "troupe/testing" promises its users: a copy, kept by hand, that the built package is measured against in
 * promise.ts. Add to it when something is promised; to rename or narrow what stands here breaks users' tests.
 */
import type { Logger, NondeterminismError, Troupe } from './troupe.ts'

export interface TestTroupeOptions {
  readonly workflows: string | URL | readonly (string | URL)[]
  readonly store?: string
  readonly threads?: number
  readonly actorsPerThread?: number
  readonly durability?: 'power-loss' | 'process-crash'
  readonly threadHeapMiB?: number
  readonly threadBuffersMiB?: number
  readonly logger?: Logger
  readonly clock?: TestClock
  readonly replayEveryStep?: boolean
}

export interface TestClockOptions {
  readonly startsAt?: Date
  readonly patienceSeconds?: number
}

export interface CrashPlace {
  readonly run: string
  readonly beforeOperation?: number | 'end'
}

export interface HistoryOptions {
  readonly workflows: string | URL | readonly (string | URL)[]
  readonly runs?: 'unfinished' | 'all'
  readonly patienceSeconds?: number
}

export interface HistoryFinding {
  readonly runId: string
  readonly workflow: string
  readonly problem: string
  readonly error?: NondeterminismError
}

export interface HistoryReport {
  readonly checked: number
  readonly findings: readonly HistoryFinding[]
}

export declare class TestClock {
  constructor(options?: TestClockOptions)
  get now(): Date
  advance(seconds: number): Promise<void>
  advanceTo(instant: Date): Promise<void>
}

/** All that a Troupe does, and: */
export interface TestTroupeExtras {
  readonly clock: TestClock
  crashNow(place: CrashPlace): Promise<void>
  checkHistory(options?: Partial<HistoryOptions>): Promise<HistoryReport>
}

export type OpenTestTroupe = (options: TestTroupeOptions) => Promise<Troupe & TestTroupeExtras>

export declare function checkHistory(folder: string, options: HistoryOptions): Promise<HistoryReport>

export declare class StillAtWorkError extends Error {
  readonly code: string
  readonly runIds: readonly string[]
}
