/**
 * What the supervisor asks of a store. Bytes in, bytes out: a store never decodes a user's value (I4).
 *
 * All writes go through one door, commit(): a list of typed changes of many runs, applied all or none (I6). What a commit
 * wrote is visible to reads once commit() has returned, and is as durable then as the store was opened to be (G8).
 *
 * Everything is synchronous: the supervisor has a thread of its own and nothing better to do than to wait for its disk, and
 * that is the quickest for a run alone. A store behind a network does its I/O on a thread of its own and waits for it.
 */
import type { Encoded } from '../codec/encoded.ts'
import type { RunKey, RunStatus } from '../model/run.ts'
import type { ListedRun, Outcome, RunMeta, RunPage, RunProgress, RunQuery } from '../protocol/records.ts'

export type { ListedRun, Outcome, RunMeta, RunPage, RunProgress, RunQuery }

/** Slots of timers that belong to the run itself; an operation's timer has the operation's index (>= 0) as its slot. */
export const TIMER_SLOT = { start: -1, deadline: -2, respawn: -3 } as const

export interface TimerRow {
  readonly dueAtMs: number
  readonly key: RunKey
  readonly slot: number
}

/** A run that waits at one of its operations for another run: for its outcome, or for an event of it. */
export interface AwaiterRow {
  readonly parent: RunKey
  readonly index: number
  readonly event?: string
}

export interface MessageRow {
  /** Ascending in order of arrival; free to be used again once the mailbox was empty. */
  readonly sequence: number
  readonly topic?: string
  readonly message: Encoded
}

/** A start that counts against its queue's rate. It is the queue's: it stays until it is uncounted, also when the run is deleted. */
export interface StartRow {
  readonly queue: string
  readonly atMs: number
  readonly key: RunKey
}

/** Things that belong to no run, by name: their records are the supervisor's own. */
export const SETTING_KINDS = ['queue', 'schedule'] as const
export type SettingKind = typeof SETTING_KINDS[number]

export type Change =
  /** `idIsNew`: no run can have it, so it need not be looked up. */
  | { readonly type: 'run-started', readonly meta: RunMeta, readonly progress: RunProgress, readonly idIsNew?: true }
  /** `before` is what the last change left: indexes are moved from its values to those of `after` without a read. */
  | { readonly type: 'run-changed', readonly meta: RunMeta, readonly before: RunProgress, readonly after: RunProgress }
  | { readonly type: 'outcome-recorded', readonly key: RunKey, readonly outcome: Outcome }
  | { readonly type: 'outcome-forgotten', readonly key: RunKey }
  /** Positions of a run's journal are 0, 1, 2, ... in order of commit. */
  | { readonly type: 'entry-appended', readonly key: RunKey, readonly position: number, readonly entry: Encoded }
  /** Forgets the entries from this position on. */
  | { readonly type: 'entries-forgotten', readonly key: RunKey, readonly fromPosition: number }
  /** What an incomplete operation needs to go on; written again it replaces the former. */
  | { readonly type: 'wait-recorded', readonly key: RunKey, readonly index: number, readonly wait: Encoded }
  | { readonly type: 'wait-removed', readonly key: RunKey, readonly index: number }
  | { readonly type: 'timer-set', readonly key: RunKey, readonly slot: number, readonly dueAtMs: number }
  | { readonly type: 'timer-cleared', readonly key: RunKey, readonly slot: number, readonly dueAtMs: number }
  /** `parent` is told at operation `index` when `child` finishes, or sets that event. */
  | { readonly type: 'awaiter-added', readonly child: RunKey, readonly parent: RunKey, readonly index: number, readonly event?: string }
  | { readonly type: 'awaiter-removed', readonly child: RunKey, readonly parent: RunKey, readonly index: number }
  /** With an idempotency key, the key is remembered as long as the run. */
  | { readonly type: 'message-stored', readonly key: RunKey, readonly row: MessageRow, readonly idempotencyKey?: string }
  | { readonly type: 'message-removed', readonly key: RunKey, readonly sequence: number }
  /** The last value set under a name is the one that is kept. */
  | { readonly type: 'event-set', readonly key: RunKey, readonly name: string, readonly value: Encoded }
  /** Positions of a stream are 0, 1, 2, ... */
  | { readonly type: 'stream-appended', readonly key: RunKey, readonly stream: string, readonly position: number, readonly value: Encoded }
  | { readonly type: 'stream-closed', readonly key: RunKey, readonly stream: string }
  | { readonly type: 'start-counted', readonly start: StartRow }
  | { readonly type: 'start-uncounted', readonly start: StartRow }
  | { readonly type: 'setting-put', readonly kind: SettingKind, readonly name: string, readonly record: Encoded }
  | { readonly type: 'setting-removed', readonly kind: SettingKind, readonly name: string }
  /**
   * All of a finished run goes, and what others keep of it (the row under its parent), but for counted starts. Its timers were
   * cleared when it finished. Rows of other runs that name it as the awaiting one stay with those runs. Nothing else of it is
   * in the same commit; its id is free for the changes that follow.
   */
  | { readonly type: 'run-deleted', readonly meta: RunMeta, readonly progress: RunProgress }

/**
 * The answer to one change. 'already-started': a run with this id exists (under `key`), and nothing of the run that was to
 * be started was written: the store leaves out all changes of this commit that bear the refused run's key, and gives each of them this
 * answer.
 */
export type ChangeResult =
  | { readonly type: 'applied' }
  | { readonly type: 'started' }
  | { readonly type: 'already-started', readonly key: RunKey }

/** Everything needed to put a run to work again, but for its journal. */
export interface StoredRun {
  readonly meta: RunMeta
  readonly progress: RunProgress
  /** The position the next entry gets. */
  readonly journalLength: number
  readonly waits: readonly { readonly index: number, readonly wait: Encoded }[]
  readonly awaiters: readonly AwaiterRow[]
  /** In order of arrival. */
  readonly messages: readonly MessageRow[]
}

export interface StreamPage {
  readonly values: readonly Encoded[]
  /** Values in all so far. */
  readonly length: number
  readonly closed: boolean
}

export interface Store {
  /** A key no run of this store has had. */
  newRunKey(): RunKey
  /**
   * Applies all changes or none, and answers each in order.
   * @throws StoreUnavailableError nothing was applied; the same changes may be committed again.
   */
  commit(changes: readonly Change[]): readonly ChangeResult[]
  findRun(id: string): RunKey | undefined
  /** The unfinished run that holds a deduplication id in a queue (undefined: the runs that joined none). */
  findDuplicate(queue: string | undefined, deduplicationId: string): RunKey | undefined
  loadRun(key: RunKey): StoredRun | undefined
  /** Entries in order from a position on, at most `limit`. */
  readJournal(key: RunKey, fromPosition: number, limit: number): readonly Encoded[]
  readOutcome(key: RunKey): Outcome | undefined
  /** One page in order of creation (createdAt, then key). `values: false` leaves args empty and outcomes out. */
  listRuns(query: RunQuery, page: { readonly after?: string, readonly limit: number, readonly values: boolean }): RunPage
  countRuns(query: RunQuery): number
  /** Keys of the runs in a state, in order of creation, after a run (in whatever state that is now), at most `limit`. */
  runsInStatus(status: RunStatus, after: RunKey | undefined, limit: number): readonly RunKey[]
  /** Enqueued runs in the order they are to be admitted: priority, then position, then key. */
  scanQueue(after: QueuePlace | undefined, limit: number): readonly QueuePlace[]
  /** Timers in order of due time, then key, then slot, after a row, at most `limit`. */
  scanTimers(after: TimerRow | undefined, limit: number): readonly TimerRow[]
  children(parent: RunKey, after: RunKey | undefined, limit: number): readonly RunKey[]
  /** Whether the run was sent a message under this idempotency key. */
  hasMessageKey(key: RunKey, idempotencyKey: string): boolean
  readEvent(key: RunKey, name: string): Encoded | undefined
  /** Values of a stream from a position on, at most `limit`; of a stream that nobody wrote: none, open. */
  readStream(key: RunKey, stream: string, fromPosition: number, limit: number): StreamPage
  /** Runs that hold a place in a named queue (progress.holdsPlace), in order of their keys, after a key, at most `limit`. */
  scanPlaces(after: RunKey | undefined, limit: number): readonly { readonly key: RunKey, readonly queue: string, readonly queueKey?: string }[]
  /** Starts counted against the rate of a queue, oldest first. */
  countedStarts(queue: string): readonly StartRow[]
  /** In order of their names, by code point. */
  settings(kind: SettingKind): readonly { readonly name: string, readonly record: Encoded }[]
  /**
   * Copies a consistent image of the store, with everything acknowledged before the call, into a folder (made if absent) while
   * work goes on. When it rejects, the folder is as it was. close() waits for it.
   * Rejects with InvalidOptionError: the folder is not empty, or no folder; or this store has nothing that can be copied.
   * Rejects with StoreUnavailableError: no permission, no room, or the disk failed.
   */
  backup(folder: string): Promise<void>
  /** Bytes it takes up now. */
  sizeBytes(): number
  /** True after a commit failed in a way that leaves it unfit for another one: it must be closed and opened anew. */
  readonly isBroken: boolean
  /**
   * Looks for damage in some more of what was too much to be looked at when it was opened, for about so long. False: nothing is left.
   * @throws StoreFormatError it is damaged, and broken from now on
   */
  lookOn?(forMs: number): boolean
  /** What should not be so with the place where it is kept, in words. */
  readonly worries?: readonly string[]
  close(): void | Promise<void>
}

export interface QueuePlace {
  readonly queue?: string
  readonly queueKey?: string
  readonly priority: number
  readonly position: number
  readonly key: RunKey
}
