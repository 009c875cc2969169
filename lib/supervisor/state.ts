/** What the supervisor holds in memory of a run that has something to do. All but `life` and `running` is the store's. */
import type { Outcome, RunMeta, RunProgress, StoredRun } from '../store/contract.ts'
import type { AwaiterRow, MessageRow } from '../store/contract.ts'
import type { Encoded } from '../codec/encoded.ts'
import { decodeWait } from '../codec/wait.ts'
import type { Wait } from '../codec/wait.ts'
import type { ToActor } from '../protocol/actor.ts'

/** Where a run's actor is. */
export type Life =
  /** It has none, and needs none now: the run is finished, or waits for a timer, a child, a message. */
  | { readonly type: 'absent' }
  /** In the queue for a thread. */
  | { readonly type: 'queued' }
  | LiveActor

export interface LiveActor {
  readonly type: 'live'
  readonly threadId: number
  /**
   * 'spawning' until its first word, 'passivating' from the order to let go until its answer: meanwhile what is to be told
   * is held back. 'waiting': nothing of it runs, it may be let go.
   */
  readonly mode: 'spawning' | 'active' | 'waiting' | 'passivating'
  /** Words sent to it in this life; what it says about waiting counts only if it has heard them all. */
  readonly told: number
  readonly held: readonly ToActor[]
  /** Calls for children that are not answered yet (a thread looks at their arguments): nothing is recorded that would wake it. */
  readonly asking: number
  /** What it said about waiting meanwhile: so many words heard. It counts once all is answered. */
  readonly waitsAfter: number | undefined
}

export interface RunningStep {
  readonly name: string
  readonly attempt: number
  readonly startedAtMs: number
  readonly timeoutMs?: number | undefined
}

export interface RunState {
  readonly meta: RunMeta
  progress: RunProgress
  journalLength: number
  readonly waits: Map<number, Wait>
  awaiters: readonly AwaiterRow[]
  outcome: Outcome | undefined
  life: Life
  /** Attempts under way in its actor, by operation, in the order in which they began. */
  readonly running: Map<number, RunningStep>
  /** Its mailbox, in order of arrival. */
  messages: readonly MessageRow[]
  /** Idempotency keys of messages that came while it was in memory; earlier ones are the store's to know. */
  readonly messageKeys: Set<string>
  /** Events set while it was in memory; earlier ones are the store's to know. */
  readonly events: Map<string, Encoded>
  /** Streams that were looked at. */
  readonly streams: Map<string, StreamHead>
}

export interface StreamHead {
  readonly length: number
  readonly closed: boolean
}

export const ABSENT: Life = { type: 'absent' }
export const QUEUED: Life = { type: 'queued' }

export function newState(meta: RunMeta, progress: RunProgress): RunState {
  return {
    meta, progress, journalLength: 0, waits: new Map(), awaiters: [], outcome: undefined, life: ABSENT, running: new Map(),
    messages: [], messageKeys: new Set(), events: new Map(), streams: new Map(),
  }
}

export function stateFromStore(stored: StoredRun): RunState {
  return {
    ...newState(stored.meta, stored.progress),
    journalLength: stored.journalLength,
    waits: new Map(stored.waits.map(({ index, wait }) => [index, decodeWait(wait)])),
    awaiters: stored.awaiters,
    messages: stored.messages,
    life: stored.progress.status === 'enqueued' ? QUEUED : ABSENT,
  }
}
