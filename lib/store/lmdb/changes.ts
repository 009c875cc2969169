/**
 * Turns the changes of a commit into rows to put and remove. What happens to one row several times in a commit is
 * written once, as the last of them leaves it; a run that changes twice moves its index entries once, from where the first
 * found them to where the last leaves them. Journal entries go straight to the journal, all of a commit into one row: theirs
 * is the hot path.
 *
 * All reads happen here, before the transaction.
 */
import { Writer } from '../../codec/wire.ts'
import { isFinished, type RunKey } from '../../model/run.ts'
import type { Change, ChangeResult, Outcome, RunMeta, RunProgress } from '../contract.ts'
import { APPLIED, refusalOf, refusedRuns, STARTED } from '../refusal.ts'
import type { WriteBatch } from './batch.ts'
import { writeBounds, writePlace } from './bounds.ts'
import { removeRun } from './deletion.ts'
import type { Journal } from './journal.ts'
import { dedupKey, KeyWriter, labelKey, labelsOf, STATUS_BYTES, type TableName } from './keys.ts'
import { messagePayload, writeMailbox, writeMessageKey } from './mailbox.ts'
import { seedOf, writeMeta, writeOutcome, writeProgress } from './records.ts'
import type { Rows } from './rows.ts'

/** What becomes of a run in one commit. */
interface RunDelta {
  readonly meta: RunMeta
  /** Undefined for a run that is started in this commit: it has no index entries yet. */
  readonly before: RunProgress | undefined
  after: RunProgress
}

/** A row that may be put and removed again in one commit: the three numbers are those of its key, in the order of its table. */
interface SmallRow {
  readonly table: 'waits' | 'timers' | 'awaiters' | 'messages'
  readonly a: number
  readonly b: number
  readonly c: number
  /** The row's payload; empty where the key says all; undefined to remove the row. */
  value: Uint8Array | undefined
}

const NOTHING = new Uint8Array(0)

export class ChangeWriter {
  readonly #rows: Rows
  readonly #journal: Journal
  readonly #batch: WriteBatch
  readonly #record = new Writer(1024)
  readonly #number = new KeyWriter(8)
  readonly #runs = new Map<RunKey, RunDelta>()
  readonly #outcomes = new Map<RunKey, Outcome | undefined>()
  readonly #deleted = new Map<RunKey, Extract<Change, { type: 'run-deleted' }>>()
  readonly #small = new Map<string, SmallRow>()
  /** Who holds a deduplication id as this commit leaves it. */
  readonly #duplicates = new Map<string, { readonly queue: string | undefined, readonly id: string, holder: RunKey | undefined }>()

  constructor(rows: Rows, journal: Journal, batch: WriteBatch) {
    this.#rows = rows
    this.#journal = journal
    this.#batch = batch
  }

  /** Fills the batch, and answers each change. `folds`: with what is due to be folded of the journals. */
  prepare(changes: readonly Change[], folds: boolean): { readonly results: readonly ChangeResult[], readonly lastStarted: number } {
    this.#clear()
    const refused = refusedRuns(changes, id => this.#rows.findRun(id))
    const results: ChangeResult[] = []
    for (const change of changes) {
      const refusal = refused.size === 0 ? undefined : refusalOf(change, refused)
      if (refusal !== undefined) results.push(refusal)
      else {
        if (change.type === 'entry-appended') this.#journal.append(change.key, change.position, change.entry)
        else this.#take(change)
        results.push(change.type === 'run-started' ? STARTED : APPLIED)
      }
    }
    // Before the starts: one of them may have the id of a run that goes.
    for (const { meta, progress } of this.#deleted.values()) this.#writeDeletion(meta, progress)
    let lastStarted = 0
    for (const delta of this.#runs.values()) {
      if (delta.before === undefined) {
        this.#writeStart(delta.meta)
        lastStarted = Math.max(lastStarted, delta.meta.key)
      }
      this.#writeProgress(delta)
    }
    for (const [run, outcome] of this.#outcomes) this.#writeOutcome(run, outcome)
    this.#writeDuplicates()
    for (const row of this.#small.values()) this.#writeSmall(row)
    this.#journal.write(this.#batch, folds)
    return { results, lastStarted }
  }

  #clear(): void {
    this.#batch.clear()
    this.#runs.clear()
    this.#outcomes.clear()
    this.#deleted.clear()
    this.#small.clear()
    this.#journal.begin()
    this.#duplicates.clear()
  }

  #take(change: Exclude<Change, { type: 'entry-appended' }>): void {
    switch (change.type) {
      case 'run-started':
        this.#runs.set(change.meta.key, { meta: change.meta, before: undefined, after: change.progress })
        this.#takeDuplicate(change.meta, change.progress)
        return
      case 'run-changed': {
        this.#takeDuplicate(change.meta, change.after)
        const delta = this.#runs.get(change.meta.key)
        if (delta === undefined) this.#runs.set(change.meta.key, { meta: change.meta, before: change.before, after: change.after })
        else delta.after = change.after
        return
      }
      case 'outcome-recorded': this.#outcomes.set(change.key, change.outcome); return
      case 'outcome-forgotten': this.#outcomes.set(change.key, undefined); return
      case 'entries-forgotten': return this.#journal.forget(change.key, change.fromPosition)
      case 'wait-recorded': return this.#smallRow('waits', change.key, change.index, 0, change.wait)
      case 'wait-removed': return this.#smallRow('waits', change.key, change.index, 0, undefined)
      case 'timer-set': return this.#smallRow('timers', change.dueAtMs, change.key, change.slot, NOTHING)
      case 'timer-cleared': return this.#smallRow('timers', change.dueAtMs, change.key, change.slot, undefined)
      case 'awaiter-added':
        return this.#smallRow('awaiters', change.child, change.parent, change.index, change.event === undefined ? NOTHING : Buffer.from(change.event))
      case 'awaiter-removed': return this.#smallRow('awaiters', change.child, change.parent, change.index, undefined)
      case 'message-stored':
        if (change.idempotencyKey !== undefined) writeMessageKey(this.#batch, change.key, change.idempotencyKey)
        return this.#smallRow('messages', change.key, change.row.sequence, 0, messagePayload(change.row))
      case 'message-removed': return this.#smallRow('messages', change.key, change.sequence, 0, undefined)
      case 'event-set':
      case 'stream-appended':
      case 'stream-closed': return writeMailbox(this.#batch, change)
      case 'start-counted':
      case 'start-uncounted':
      case 'setting-put':
      case 'setting-removed': return writeBounds(this.#batch, change)
      case 'run-deleted':
        this.#deleted.set(change.meta.key, change)
        return this.#takeDuplicate(change.meta, undefined)
    }
  }

  /**
   * The last change of a row wins. A row that is set and cleared within one commit may be there from before, so it is
   * removed all the same: removing what is not there dirties no page.
   */
  #smallRow(table: SmallRow['table'], a: number, b: number, c: number, value: Uint8Array | undefined): void {
    const name = `${table[0]!}${a} ${b} ${c}`
    const row = this.#small.get(name)
    if (row === undefined) this.#small.set(name, { table, a, b, c, value })
    else row.value = value
  }

  #writeSmall({ table, a, b, c, value }: SmallRow): void {
    const { key } = this.#batch
    switch (table) {
      case 'waits': key.u48(a).u32(b); break
      case 'timers': key.f64(a).u48(b).i32(c); break
      case 'awaiters': key.u48(a).u48(b).u32(c); break
      case 'messages': key.u48(a).u48(b); break
    }
    if (value === undefined) this.#batch.remove(table)
    else if (table === 'timers' || (table === 'awaiters' && value.length === 0)) this.#batch.putEmpty(table)
    else this.#batch.put(table, value, seedOf(table, a, table === 'awaiters' ? c : b))
  }

  #writeStart(meta: RunMeta): void {
    const { key, createdAtMs, parent } = meta
    const batch = this.#batch
    batch.key.utf8(meta.id)
    this.#putRun('ids', key)
    batch.key.u48(key)
    this.#record.reset()
    writeMeta(this.#record, meta)
    batch.put('metas', this.#record.view(), seedOf('metas', key))
    if (meta.args.length > 0) {
      batch.key.u48(key)
      batch.put('args', meta.args, seedOf('args', key))
    }
    batch.key.f64(createdAtMs).u48(key)
    batch.putEmpty('created')
    if (parent !== undefined && !this.#deleted.has(parent.key)) {
      batch.key.u48(parent.key).u48(key)
      batch.putEmpty('parents')
    }
    for (const label of labelsOf(meta)) {
      labelKey(batch.key, label).f64(createdAtMs).u48(key)
      batch.putEmpty('labels')
    }
  }

  #writeDeletion(meta: RunMeta, progress: RunProgress): void {
    removeRun(this.#rows.tables, this.#batch, meta, progress)
    this.#journal.delete(meta.key)
  }

  #writeProgress({ meta, before, after }: RunDelta): void {
    const { key } = meta
    const batch = this.#batch
    writePlace(batch, meta, before, after)
    batch.key.u48(key)
    this.#record.reset()
    writeProgress(this.#record, after)
    batch.put('progress', this.#record.view(), seedOf('progress', key))
    if (before?.status !== after.status) {
      if (before !== undefined) {
        this.#statusKey(meta, before)
        batch.remove('status')
      }
      this.#statusKey(meta, after)
      batch.putEmpty('status')
    }
    const wasQueued = before?.status === 'enqueued'
    const isQueued = after.status === 'enqueued'
    const stays = wasQueued && isQueued && before.queuePosition === after.queuePosition
    if (wasQueued && !stays) {
      batch.key.f64(meta.priority).f64(before.queuePosition).u48(key)
      batch.remove('queue')
    }
    if (isQueued && !stays) {
      batch.key.f64(meta.priority).f64(after.queuePosition).u48(key)
      this.#record.reset()
      this.#record.u8((meta.queue === undefined ? 0 : 1) | (meta.queueKey === undefined ? 0 : 2))
      if (meta.queue !== undefined) this.#record.string(meta.queue)
      if (meta.queueKey !== undefined) this.#record.string(meta.queueKey)
      batch.put('queue', this.#record.view(), seedOf('queue', key))
    }
  }

  #statusKey(meta: RunMeta, progress: RunProgress): void {
    this.#batch.key.u8(STATUS_BYTES[progress.status]).f64(meta.createdAtMs).u48(meta.key)
  }

  /**
   * An unfinished run holds its deduplication id if nobody else does; a finished or deleted one lets go of it. In the order of the
   * changes: who lets go and who takes within one commit depends on it.
   */
  #takeDuplicate(meta: RunMeta, after: RunProgress | undefined): void {
    const { key, queue, deduplicationId: id } = meta
    if (id === undefined) return
    const name = JSON.stringify([queue ?? null, id])
    let duplicate = this.#duplicates.get(name)
    if (duplicate === undefined) {
      duplicate = { queue, id, holder: this.#rows.findDuplicate(queue, id) }
      this.#duplicates.set(name, duplicate)
    }
    if (after !== undefined && !isFinished(after.status)) duplicate.holder ??= key
    else if (duplicate.holder === key) duplicate.holder = undefined
  }

  #writeDuplicates(): void {
    for (const { queue, id, holder } of this.#duplicates.values()) {
      dedupKey(this.#batch.key, queue, id)
      if (holder === undefined) this.#batch.remove('dedup')
      else this.#putRun('dedup', holder)
    }
  }

  #writeOutcome(run: RunKey, outcome: Outcome | undefined): void {
    this.#batch.key.u48(run)
    if (outcome === undefined) this.#batch.remove('outcomes')
    else {
      this.#record.reset()
      writeOutcome(this.#record, outcome)
      this.#batch.put('outcomes', this.#record.view(), seedOf('outcomes', run))
    }
  }

  /** The key of these tables is a string, so their seed knows no run. */
  #putRun(table: Extract<TableName, 'ids' | 'dedup'>, run: RunKey): void {
    this.#number.clear().u48(run)
    this.#batch.put(table, this.#number.bytes.subarray(0, 6), seedOf(table, 0))
  }
}
