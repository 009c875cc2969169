/** What the host's proxy and the supervisor say to each other. Values are bytes on the way; everything else is cloned. */
import type { Encoded } from '../codec/encoded.ts'
import type { FinishedStatus, RunStatus } from '../model/run.ts'
import type { ListedRun, Outcome, RunPage, RunQuery } from './records.ts'

export interface SupervisorOptions {
  /** A folder. */
  readonly store: string
  /** File URLs of the workflow modules. */
  readonly modules: readonly string[]
  readonly threads: number
  readonly actorsPerThread: number
  readonly durability: 'power-loss' | 'process-crash'
  readonly threadHeapMiB?: number
  readonly threadBuffersMiB?: number
}

export interface StartRequest {
  readonly id: string
  /** It was made by chance for this request, which is asked for the first time: nobody can have it yet. */
  readonly idIsNew?: true
  readonly workflow: string
  readonly args: Encoded
  readonly queue?: string
  readonly priority?: number
  readonly delayMs?: number
  readonly timeoutMs?: number
  readonly deduplicationId?: string
  readonly queueKey?: string
  readonly tags?: Readonly<Record<string, string>>
}

/** Each request has one reply; every one may be asked again after the supervisor's thread was replaced. */
export type HostRequest =
  | { readonly type: 'start-runs', readonly runs: readonly StartRequest[] }
  | { readonly type: 'find-run', readonly id: string }
  | { readonly type: 'await-outcome', readonly id: string }
  | { readonly type: 'read-run', readonly id: string }
  | { readonly type: 'read-steps', readonly id: string, readonly fromPosition: number }
  | { readonly type: 'list-runs', readonly query: RunQuery, readonly after: string | undefined, readonly limit: number, readonly values: boolean }
  | { readonly type: 'count-runs', readonly query: RunQuery }
  | { readonly type: 'cancel-run', readonly id: string, readonly graceMs: number, readonly children: boolean }
  | { readonly type: 'resume-run', readonly id: string }
  | { readonly type: 'send-message', readonly id: string, readonly message: Encoded, readonly topic: string | undefined, readonly idempotencyKey: string | undefined }
  | { readonly type: 'await-event', readonly id: string, readonly key: string }
  | { readonly type: 'read-stream', readonly id: string, readonly stream: string, readonly from: number }
  | { readonly type: 'fork-run', readonly id: string, readonly beforeStep: number, readonly newId: string }
  | { readonly type: 'set-queue', readonly name: string, readonly bounds: QueueBounds }
  | { readonly type: 'list-queues' }
  | { readonly type: 'set-schedule', readonly schedule: ScheduleRequest }
  | { readonly type: 'remove-schedule', readonly name: string }
  | { readonly type: 'list-schedules' }
  | { readonly type: 'prune-runs', readonly finishedBeforeMs: number, readonly statuses: readonly FinishedStatus[] }
  | { readonly type: 'backup-store', readonly folder: string }
  | { readonly type: 'read-stats' }
  | { readonly type: 'close-supervisor', readonly mode: 'drain' | 'abandon', readonly timeoutMs: number }

/** What it asks for may have been done, and the answer lost: an id that was new need not be so any more. */
export function toAskAgain<Request extends HostRequest>(request: Request): Request {
  if (request.type !== 'start-runs') return request
  return {
    ...request,
    runs: request.runs.map(run => {
      const { idIsNew: _, ...known } = run
      return known
    }),
  }
}

/** Bounds of a named queue; an absent one is no bound. */
export interface QueueBounds {
  readonly concurrency?: number
  readonly hostConcurrency?: number
  readonly keyConcurrency?: number
  readonly rate?: { readonly limit: number, readonly periodMs: number }
}

export interface QueueReport {
  readonly name: string
  readonly bounds: QueueBounds
  /** Runs from their first spawn to their outcome. */
  readonly atWork: number
}

export interface ScheduleRequest {
  readonly name: string
  readonly workflow: string
  readonly args: Encoded
  readonly cron?: string
  readonly everyMs?: number
  readonly timezone?: string
  readonly missed: 'skip' | 'last' | 'all'
  readonly queue?: string
}

export interface ScheduleReport extends ScheduleRequest {
  readonly nextAtMs: number | undefined
}

export interface StepsPage {
  readonly entries: readonly Encoded[]
  /** Where the next page begins; absent at the end of the journal, which is where the following are given. */
  readonly next?: number
  readonly waits: readonly { readonly index: number, readonly wait: Encoded }[]
  readonly running: readonly { readonly index: number, readonly name: string, readonly attempt: number, readonly startedAtMs: number }[]
}

export interface ThreadStats {
  readonly threadId: number
  readonly actors: number
  /** 0 to 1. */
  readonly utilization: number
  /** What it held when it was measured last, which is some times a second while anybody is at work: in its heap, */
  readonly heapBytes: number
  /** and outside of it, in ArrayBuffers and the like. */
  readonly bufferBytes: number
}

export interface SupervisorStats {
  readonly runs: Readonly<Record<RunStatus, number>>
  readonly threads: readonly ThreadStats[]
  readonly steps: { readonly succeeded: number, readonly failed: number, readonly retries: number }
  readonly respawns: number
  /**
   * `waiting`: changes decided and not durable yet. `refusals`: how often in a row the store has refused them (disk full), 0 when it takes
   * commits; `refusedBecause` says why it does not.
   */
  readonly commits: {
    readonly count: number, readonly entries: number, readonly lastMs: number, readonly waiting: number
    readonly refusals: number, readonly refusedBecause?: string
  }
  readonly eventLoopDelayMs: { readonly p50: number, readonly p99: number, readonly max: number }
  readonly storeBytes: number
}

/** The reply to each request. */
export interface HostReplies {
  /** Absent: each has the id that it was to have. */
  'start-runs': { readonly ids?: readonly string[] }
  'find-run': { readonly id: string, readonly workflow: string }
  'await-outcome': Outcome
  'read-run': ListedRun
  'read-steps': StepsPage
  'list-runs': RunPage
  'count-runs': number
  'cancel-run': undefined
  'resume-run': undefined
  'send-message': undefined
  /** Without a value: the run finished and did not set it. */
  'await-event': { readonly value: Encoded | undefined }
  'read-stream': { readonly values: readonly Encoded[], readonly ended: boolean }
  'fork-run': { readonly id: string }
  'set-queue': undefined
  'list-queues': readonly QueueReport[]
  'set-schedule': undefined
  'remove-schedule': undefined
  'list-schedules': readonly ScheduleReport[]
  'prune-runs': { readonly runs: number }
  'backup-store': undefined
  'read-stats': SupervisorStats
  'close-supervisor': undefined
}

export type HostMessage =
  | { readonly type: 'request', readonly requestId: number, readonly request: HostRequest }
  /** The first of very many runs that a request to start runs is going to name. */
  | { readonly type: 'start-part', readonly requestId: number, readonly runs: readonly StartRequest[] }
  /** Nobody waits for the answer to this request any more. */
  | { readonly type: 'forget-request', readonly requestId: number }

export type SupervisorMessage =
  /** Its last word: it cannot go on. Another one may open the store anew, but not where the store itself has failed: that is for the host to decide. */
  | { readonly type: 'supervisor-failed', readonly error: Encoded, readonly isStoreBroken: boolean }
  /** Its last word: its store is closed, and it lives on only because a thread of its is in native code that does not return. */
  | { readonly type: 'threads-left' }
  | { readonly type: 'opened', readonly workflows: readonly string[] }
  | { readonly type: 'open-failed', readonly error: Encoded }
  | { readonly type: 'reply', readonly requestId: number, readonly value: HostReplies[keyof HostReplies] }
  | { readonly type: 'refusal', readonly requestId: number, readonly error: Encoded }
  | { readonly type: 'log', readonly level: 'debug' | 'info' | 'warn' | 'error', readonly fields: object, readonly message: string }

/** Places in the control array that host and supervisor share. */
export const CONTROL = { stop: 0, state: 1 } as const
/** 'ending': the store is closed, and the threads are being ended; 'stuck': some of them could not be. */
export const CONTROL_STATE = { boot: 0, open: 1, closed: 2, ending: 3, stuck: 4 } as const
export const CONTROL_BYTES = 8
