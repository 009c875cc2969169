/** What is kept of a run, as the store keeps it, the supervisor thinks of it and the host is told. Values are bytes (I4). */
import type { Encoded } from '../codec/encoded.ts'
import type { RunKey, RunStatus } from '../model/run.ts'

/** What is fixed when a run is started. */
export interface RunMeta {
  readonly key: RunKey
  /** Unique in the store; at most MAX_NAME_BYTES of UTF-8. */
  readonly id: string
  readonly workflow: string
  readonly args: Encoded
  readonly createdAtMs: number
  readonly queue?: string
  /** Lower first. */
  readonly priority: number
  readonly queueKey?: string
  readonly deduplicationId?: string
  readonly parent?: { readonly key: RunKey, readonly id: string, readonly index: number }
  readonly forkedFrom?: string
  readonly tags: Readonly<Record<string, string>>
  /** Bound on the whole run from its first spawn. */
  readonly timeoutMs?: number
  /** Of the module that defined its workflow when it was started: a digest of the file. */
  readonly version?: string
}

/** What changes while it lives. Small, because it is written anew with each change of state. */
export interface RunProgress {
  readonly status: RunStatus
  /** Lives of the actor so far; 0 before the first spawn. */
  readonly incarnation: number
  /** All crashes of a thread or process the actor was in, whoever was to blame. */
  readonly crashes: number
  /** Crashes that count against the respawn policy since the last checkpoint. */
  readonly crashesAtMs: readonly number[]
  /** Deaths of the process in a row while it ran, without a checkpoint between them. */
  readonly processDeaths: number
  /** It was on a thread that died among neighbours: it goes on alone on a thread until it is past the place. */
  readonly suspect: boolean
  /** Its place among runs of the same priority, ascending; meaningful while 'enqueued'. */
  readonly queuePosition: number
  readonly updatedAtMs: number
  readonly startedAtMs?: number
  readonly finishedAtMs?: number
  readonly deadlineAtMs?: number
  /** When a delayed run is to be enqueued. */
  readonly startAtMs?: number
  /** When a crashed run that is held back is to be enqueued again. */
  readonly respawnAtMs?: number
  /** It is at work for its queue: from its first spawn until its outcome it takes up a place of the queue's bounds. */
  readonly holdsPlace?: true
  /** What last happened to its thread or process, and what was to follow, in words. */
  readonly trouble?: { readonly atMs: number, readonly text: string }
  /** Ending was asked for: by cancel(), or by the run's deadline. Its actor, if it has one, is being told. */
  readonly ending?: { readonly reason: 'cancelled' | 'timed-out', readonly atMs: number, readonly graceMs: number }
}

export interface Outcome {
  readonly type: 'result' | 'error'
  readonly value: Encoded
}

export interface ListedRun {
  /** Why it is not at work, in words. */
  readonly waitsFor?: string
  readonly meta: RunMeta
  readonly progress: RunProgress
  readonly outcome?: Outcome
}

/** All given conditions must hold. */
export interface RunQuery {
  readonly ids?: readonly string[]
  readonly idPrefix?: string
  readonly workflows?: readonly string[]
  readonly statuses?: readonly RunStatus[]
  readonly queues?: readonly string[]
  readonly parentId?: string
  readonly tags?: Readonly<Record<string, string>>
  /** Strictly after. */
  readonly createdAfterMs?: number
  /** Strictly before. */
  readonly createdBeforeMs?: number
  readonly order: 'newest-first' | 'oldest-first'
}

export interface RunPage {
  readonly runs: readonly ListedRun[]
  /** Give it back to go on where this page ended; absent at the end. Opaque, and right while runs come and go. */
  readonly next?: string
}
