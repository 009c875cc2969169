/**
 * The store in a folder, on LMDB. It lives on the supervisor's thread alone and commits synchronously there: everything is
 * looked up and encoded first, then written all or none (I6), and commit() returns when it is as durable as the store was opened
 * to be (G8).
 *
 * Most commits go to the commit log, one flush each, and are kept in memory beside LMDB until a commit takes them there in one
 * transaction with its own rows: when there are many, when the log is full, or before a range is read that they may be in.
 * `overlappingSync: false` keeps such a transaction invisible until it is durable (I1).
 */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import type { RootDatabase } from 'lmdb'
import type { Encoded } from '../../codec/encoded.ts'
import { InternalError, StoreUnavailableError } from '../../errors.ts'
import type { RunKey, RunStatus } from '../../model/run.ts'
import type {
  Change, ChangeResult, Outcome, QueuePlace, RunPage, RunQuery, SettingKind, StartRow, Store, StoredRun, StreamPage, TimerRow,
} from '../contract.ts'
import { backUp } from './backup.ts'
import { WriteBatch } from './batch.ts'
import { countedStarts, type HeldPlace, readSettings, scanPlaces } from './bounds.ts'
import { ChangeWriter } from './changes.ts'
import { COMMIT_LOG_FILE, type CommitLog, type LogBase, RECORD_HEAD_BYTES, recordMemory } from './commit-log.ts'
import type { Table, Tables } from './engine.ts'
import { DATA_FILE, readError } from './folder.ts'
import { Journal } from './journal.ts'
import { KeyWriter, TABLES } from './keys.ts'
import { countRuns, listRuns, runsInStatus } from './listing.ts'
import type { LeafCheck } from './leaves.ts'
import type { FolderLock } from './lock.ts'
import { hasMessageKey, readEvent, readStream } from './mailbox.ts'
import { seedOf } from './records.ts'
import type { LogLimits } from './options.ts'
import { PendingRows, tablesWith } from './redo.ts'
import { Rows } from './rows.ts'
import type { Room } from './room.ts'
import type { FreeSpace } from './space.ts'
import { putLogBase, putSchema, SCHEMA } from './state.ts'

/** Keys are handed out from blocks of this size; what is left of a block is skipped when the store is opened again. */
export const KEY_BLOCK = 65_536

export const NEXT_RUN = 'next-run'

/** What is known after lmdb failed to commit. */
export interface StoreFailure {
  readonly cause: unknown
  /** Whether the commit is there all the same; undefined when that cannot be told. Seen by the number of the last transaction. */
  readonly applied: boolean | undefined
}

/** What open.ts has brought together. */
export interface OpenParts {
  readonly folder: string
  readonly root: RootDatabase
  readonly tables: Tables
  readonly lock: FolderLock
  readonly space: FreeSpace
  readonly room: Room
  /** Undefined: all was looked at before it was opened. */
  readonly leaves: LeafCheck | undefined
  /** Undefined where it could not be made: every commit goes to LMDB then. */
  readonly log: CommitLog | undefined
  readonly base: LogBase
  readonly logLimits: LogLimits
  /** The first key that no run has had. */
  readonly nextKey: number
  readonly hotJournalBytes: number
  readonly minFreeBytes: number
  readonly worries: readonly string[]
}

/** Rows that wait for LMDB at most before a commit takes them there. */
const MOST_PENDING_ROWS = 8_192
/** A larger commit is not worth being written twice. */
const MOST_LOGGED_BYTES = 2 ** 18
/** With fewer commits in it when a read wants LMDB to have them, the log does not pay. */
const FEW_COMMITS = 4

export class LmdbStore implements Store {
  readonly #parts: OpenParts
  readonly #tables: Tables
  readonly #pending = new PendingRows()
  readonly #rows: Rows
  readonly #journal: Journal
  readonly #batch = new WriteBatch()
  readonly #changes: ChangeWriter
  /** By their numbers, as the batch names them. */
  readonly #byNumber: readonly Table[]
  /** For what is written to LMDB without a commit. */
  readonly #stateBatch = new WriteBatch()
  #base: LogBase
  /** What LMDB's schema record says: whether the commit log has to be read when the store is opened. */
  #schema: number = SCHEMA.whole
  #commitsWithoutLog = 0
  #nextKey: number
  /** Keys below this are known to the file as given out. */
  #reservedBelow: number
  /** The number of the transaction that was begun last. */
  #transaction = 0
  #failure: StoreFailure | undefined
  readonly #backups = new Set<Promise<void>>()
  #closed = false

  constructor(parts: OpenParts) {
    this.#parts = parts
    this.#base = parts.base
    this.#tables = tablesWith(this.#pending, parts.tables, () => { this.#settleForRead() })
    this.#journal = new Journal(this.#tables, parts.hotJournalBytes)
    this.#rows = new Rows(this.#tables, this.#journal)
    this.#changes = new ChangeWriter(this.#rows, this.#journal, this.#batch)
    this.#byNumber = TABLES.map(name => parts.tables[name])
    this.#nextKey = parts.nextKey
    this.#reservedBelow = parts.nextKey
  }

  /**
   * The first failure of a commit inside lmdb. From then on the store answers reads but refuses commits, because lmdb is not
   * to be trusted with another one: close it and open it again.
   */
  get failure(): StoreFailure | undefined {
    return this.#failure
  }

  get isBroken(): boolean {
    return this.#failure !== undefined
  }

  get worries(): readonly string[] {
    return this.#parts.worries
  }

  newRunKey(): RunKey {
    return this.#nextKey++ as RunKey
  }

  /**
   * Synchronous. When it returns, all of it is durable; when it throws, nothing was applied, except after a failure inside
   * lmdb of which `failure.applied` is not false.
   */
  commit(changes: readonly Change[]): readonly ChangeResult[] {
    if (this.#failure !== undefined) throw this.#unavailable('an earlier commit failed and it has not been opened anew since', this.#failure.cause)
    const toLmdb = this.#isDueForLmdb()
    const { results, lastStarted } = this.#read(() => this.#changes.prepare(changes, toLmdb))
    const batch = this.#batch
    if (batch.size === 0) return results
    // Together with the run itself: a key is reserved by the commit that first needs it.
    const reserves = lastStarted >= this.#reservedBelow
    if (reserves) putNextRun(batch, lastStarted + KEY_BLOCK)
    if (this.#parts.space.check(batch.size, batch.bytes, batch.neighbours) && !this.#parts.lock.isHeld()) {
      throw this.#unavailable('its folder, or the socket in it that locks it, was taken away')
    }
    this.#makeRoom()
    const { log } = this.#parts
    const bytes = batch.copiedBytes
    if (log === undefined || this.#isDueForLmdb() || bytes > MOST_LOGGED_BYTES || !log.hasRoom(bytes)) this.#writeToLmdb(batch, this.#backups.size === 0)
    else this.#writeToLog(log, batch, bytes)
    this.#journal.applied()
    this.#rows.followIds(changes, results)
    if (reserves) this.#reservedBelow = lastStarted + KEY_BLOCK
    return results
  }

  lookOn(forMs: number): boolean {
    if (this.#closed || this.#failure !== undefined) return false
    try {
      return this.#parts.leaves?.some(forMs) ?? false
    } catch (cause) {
      // What it has written since lies beside the damage: nothing more is to be added.
      this.#failure = { cause, applied: false }
      throw readError(this.#parts.folder, cause)
    }
  }

  findRun(id: string): RunKey | undefined {
    return this.#read(() => this.#rows.findRun(id))
  }

  findDuplicate(queue: string | undefined, deduplicationId: string): RunKey | undefined {
    return this.#read(() => this.#rows.findDuplicate(queue, deduplicationId))
  }

  loadRun(key: RunKey): StoredRun | undefined {
    return this.#read(() => this.#rows.load(key))
  }

  readJournal(key: RunKey, fromPosition: number, limit: number): readonly Encoded[] {
    return this.#read(() => this.#journal.read(key, fromPosition, limit))
  }

  readOutcome(key: RunKey): Outcome | undefined {
    return this.#read(() => this.#rows.outcome(key))
  }

  listRuns(query: RunQuery, page: { readonly after?: string, readonly limit: number, readonly values: boolean }): RunPage {
    return this.#read(() => listRuns(this.#rows, query, page))
  }

  countRuns(query: RunQuery): number {
    return this.#read(() => countRuns(this.#rows, query))
  }

  runsInStatus(status: RunStatus, after: RunKey | undefined, limit: number): readonly RunKey[] {
    return this.#read(() => runsInStatus(this.#rows, status, after, limit))
  }

  scanQueue(after: QueuePlace | undefined, limit: number): readonly QueuePlace[] {
    return this.#read(() => this.#rows.queue(after, limit))
  }

  scanTimers(after: TimerRow | undefined, limit: number): readonly TimerRow[] {
    return this.#read(() => this.#rows.timers(after, limit))
  }

  children(parent: RunKey, after: RunKey | undefined, limit: number): readonly RunKey[] {
    return this.#read(() => this.#rows.children(parent, after, limit))
  }

  hasMessageKey(key: RunKey, idempotencyKey: string): boolean {
    return this.#read(() => hasMessageKey(this.#tables, key, idempotencyKey))
  }

  readEvent(key: RunKey, name: string): Encoded | undefined {
    return this.#read(() => readEvent(this.#tables, key, name))
  }

  readStream(key: RunKey, stream: string, fromPosition: number, limit: number): StreamPage {
    return this.#read(() => readStream(this.#tables, key, stream, fromPosition, limit))
  }

  scanPlaces(after: RunKey | undefined, limit: number): readonly HeldPlace[] {
    return this.#read(() => scanPlaces(this.#tables, after, limit))
  }

  countedStarts(queue: string): readonly StartRow[] {
    return this.#read(() => countedStarts(this.#tables, queue))
  }

  settings(kind: SettingKind): readonly { readonly name: string, readonly record: Encoded }[] {
    return this.#read(() => readSettings(this.#tables, kind))
  }

  async backup(folder: string): Promise<void> {
    this.#assertOpen()
    if (this.#failure !== undefined) throw this.#unavailable('a commit failed and it has not been opened anew since', this.#failure.cause)
    // LMDB alone is copied: it has to have everything, and gets what comes meanwhile without the log.
    this.#settle()
    const backup = backUp(this.#parts.root, this.#parts.folder, folder, this.#parts.minFreeBytes)
    this.#backups.add(backup)
    try {
      await backup
    } finally {
      this.#backups.delete(backup)
    }
  }

  sizeBytes(): number {
    this.#assertOpen()
    const sizeOf = (name: string): number => statSync(join(this.#parts.folder, name), { throwIfNoEntry: false })?.size ?? 0
    return sizeOf(DATA_FILE) + sizeOf(COMMIT_LOG_FILE)
  }

  /** Idempotent. The folder can be opened again when the promise has resolved. Waits for backups: LMDB reads on for them. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await Promise.allSettled(this.#backups)
    try {
      if (this.#failure === undefined) this.#settle()
    } catch {
      // Nothing is lost: the log has it, and is read when the store is opened again.
    }
    try {
      this.#parts.log?.close()
      await this.#parts.root.close()
    } finally {
      this.#parts.room.close()
      this.#parts.leaves?.close()
      await this.#parts.lock.release()
    }
  }

  // ---- where commits go ------------------------------------------------------------------------------------------

  #isDueForLmdb(): boolean {
    return this.#schema === SCHEMA.whole || this.#backups.size > 0 || this.#commitsWithoutLog > 0 ||
      this.#pending.bytes >= this.#parts.logLimits.pendingBytes || this.#pending.size >= MOST_PENDING_ROWS
  }

  #writeToLog(log: CommitLog, batch: WriteBatch, bytes: number): void {
    const memory = recordMemory(bytes)
    const end = RECORD_HEAD_BYTES + bytes
    batch.copyTo(memory, RECORD_HEAD_BYTES)
    try {
      log.append(memory, end)
    } catch (cause) {
      throw this.#failed(cause, undefined)
    }
    this.#pending.add(memory, RECORD_HEAD_BYTES, end)
  }

  /** Writes what is pending, then these rows, in one transaction. `logged`: whether commits may go to the log after it. */
  #writeToLmdb(batch: WriteBatch, logged: boolean): void {
    const { root, log, room } = this.#parts
    const schema = logged && log !== undefined ? SCHEMA.logged : SCHEMA.whole
    const base = { ...this.#base, number: this.#base.number + 1 }
    if (schema !== this.#schema) putSchema(batch, schema)
    putLogBase(batch, base)
    try {
      room.probe()
    } catch (cause) {
      throw this.#failed(cause, false)
    }
    try {
      root.transactionSync(() => {
        this.#transaction = root.getWriteTxnId()
        this.#pending.write(this.#byNumber)
        batch.write(this.#byNumber)
      })
    } catch (cause) {
      throw this.#failed(cause, this.#wasApplied())
    }
    room.written()
    this.#schema = schema
    this.#base = base
    this.#pending.clear()
    log?.begin(base)
    if (this.#commitsWithoutLog > 0) this.#commitsWithoutLog--
  }

  /** LMDB has everything after this, and the log nothing that it lacks. */
  #settle(): void {
    if (this.#schema === SCHEMA.whole) return
    this.#stateBatch.clear()
    this.#writeToLmdb(this.#stateBatch, false)
  }

  #settleForRead(): void {
    if (this.#failure !== undefined) throw this.#unavailable('an earlier commit failed and it has not been opened anew since', this.#failure.cause)
    const commits = this.#pending.commits
    this.#stateBatch.clear()
    this.#writeToLmdb(this.#stateBatch, true)
    if (commits < FEW_COMMITS) this.#commitsWithoutLog = this.#parts.logLimits.commitsWithout
  }

  #failed(cause: unknown, applied: boolean | undefined): StoreUnavailableError {
    this.#failure = { cause, applied }
    this.#rows.forgetIds()
    return this.#unavailable(`a commit failed (${(cause as Error).message})`, cause)
  }

  /** lmdb's own words for damage become ours. */
  #read<T>(read: () => T): T {
    this.#assertOpen()
    try {
      return read()
    } catch (error) {
      throw readError(this.#parts.folder, error)
    }
  }

  /** A disk that fails before lmdb was asked fails like one that fails in it: the store stops. */
  #makeRoom(): void {
    const [batch, pending] = [this.#batch, this.#pending]
    try {
      // What goes to the log is to find its room in LMDB later.
      this.#parts.room.ensure({ rows: batch.size + pending.size, bytes: batch.bytes + pending.bytes, neighbours: batch.neighbours })
    } catch (cause) {
      if (cause instanceof StoreUnavailableError) throw cause
      this.#failure = { cause, applied: false }
      throw this.#unavailable(`its file cannot be written to (${(cause as Error).message})`, cause)
    }
  }

  #wasApplied(): boolean | undefined {
    try {
      const { lastTxnId } = this.#parts.root.getStats() as { readonly lastTxnId?: number }
      return lastTxnId === undefined ? undefined : lastTxnId >= this.#transaction
    } catch {
      return undefined
    }
  }

  #unavailable(problem: string, cause?: unknown): StoreUnavailableError {
    return new StoreUnavailableError({ store: this.#parts.folder, problem, cause })
  }

  #assertOpen(): void {
    if (this.#closed) throw new InternalError({ problem: `store "${this.#parts.folder}" was used after close()` })
  }
}

export function putNextRun(batch: WriteBatch, nextRun: number): void {
  const number = new KeyWriter(8).u48(nextRun)
  batch.key.utf8(NEXT_RUN)
  batch.put('meta', number.bytes.subarray(0, number.end), seedOf('meta', 0))
}
