/**
 * Turns the changes of a commit into rows to put and remove. What happens to one row several times in a commit is
 * written once, as the last of them leaves it; a run that changes twice moves its index entries once, from where the first
 * found them to where the last leaves them. Journal entries go straight through: theirs is the hot path, and no two of
 * a commit share a row unless some were forgotten, which keeps its order.
 *
 * All reads happen here, before the transaction.
 */
import { Writer } from '../../codec/wire.ts'
import { isFinished, type RunKey } from '../../model/run.ts'
import type { Change, ChangeResult, Outcome, RunMeta, RunProgress } from '../contract.ts'
import { APPLIED, refusalOf, refusedRuns, STARTED } from '../refusal.ts'
import type { WriteBatch } from './batch.ts'
import { appendEntry, forgetEntries, journalLength } from './journal.ts'
import { dedupKey, KeyWriter, STATUS_BYTES, type TableName } from './keys.ts'
import { seedOf, writeMeta, writeOutcome, writeProgress } from './records.ts'
import type { Rows } from './rows.ts'

/** What becomes of a run in one commit. */
interface RunDelta {
  readonly meta: RunMeta
  /** Undefined for a run that is started in this commit: it has no index entries yet. */
  readonly before: RunProgress | undefined
  after: RunProgress
}

/** A row of `waits`, `timers` or `awaiters`: the three numbers are those of its key, in the order of its table. */
interface SmallRow {
  readonly table: 'waits' | 'timers' | 'awaiters'
  readonly a: number
  readonly b: number
  readonly c: number
  /** The wait's bytes; empty for the others; undefined to remove the row. */
  value: Uint8Array | undefined
}

/** A row of `dedup`. */
interface DuplicateRow {
  readonly queue: string | undefined
  readonly deduplicationId: string
  readonly holderBefore: RunKey | undefined
  holder: RunKey | undefined
}

const NOTHING = new Uint8Array(0)

export class ChangeWriter {
  readonly #rows: Rows
  readonly #batch: WriteBatch
  readonly #record = new Writer(1024)
  readonly #number = new KeyWriter(8)
  readonly #runs = new Map<RunKey, RunDelta>()
  readonly #outcomes = new Map<RunKey, Outcome | undefined>()
  readonly #small = new Map<string, SmallRow>()
  /** Lengths of the journals as this commit leaves them, of runs that forget entries. */
  readonly #lengths = new Map<RunKey, number>()
  /** Who holds the deduplication ids that this commit touches. */
  readonly #duplicates = new Map<string, DuplicateRow>()

  constructor(rows: Rows, batch: WriteBatch) {
    this.#rows = rows
    this.#batch = batch
  }

  /** Fills the batch, and answers each change. */
  prepare(changes: readonly Change[]): { readonly results: readonly ChangeResult[], readonly lastStarted: number } {
    this.#clear()
    const refused = refusedRuns(changes, id => this.#rows.findRun(id))
    const results: ChangeResult[] = []
    const forgets = changes.some(change => change.type === 'entries-forgotten')
    for (const change of changes) {
      const refusal = refused.size === 0 ? undefined : refusalOf(change, refused)
      if (refusal !== undefined) results.push(refusal)
      else {
        if (change.type !== 'entry-appended') this.#take(change)
        else {
          appendEntry(this.#batch, change.key, change.position, change.entry)
          if (forgets) this.#lengths.set(change.key, change.position + 1)
        }
        results.push(change.type === 'run-started' ? STARTED : APPLIED)
      }
    }
    let lastStarted = 0
    for (const delta of this.#runs.values()) {
      if (delta.before === undefined) {
        this.#writeStart(delta.meta)
        lastStarted = Math.max(lastStarted, delta.meta.key)
      }
      this.#writeProgress(delta)
    }
    for (const [run, outcome] of this.#outcomes) this.#writeOutcome(run, outcome)
    for (const row of this.#small.values()) this.#writeSmall(row)
    for (const row of this.#duplicates.values()) this.#writeDuplicate(row)
    return { results, lastStarted }
  }

  #clear(): void {
    this.#batch.clear()
    this.#runs.clear()
    this.#outcomes.clear()
    this.#small.clear()
    this.#lengths.clear()
    this.#duplicates.clear()
  }

  #take(change: Exclude<Change, { type: 'entry-appended' }>): void {
    switch (change.type) {
      case 'run-started':
        this.#runs.set(change.meta.key, { meta: change.meta, before: undefined, after: change.progress })
        return this.#takeDuplicate(change.meta, change.progress)
      case 'run-changed': {
        const delta = this.#runs.get(change.meta.key)
        if (delta === undefined) this.#runs.set(change.meta.key, { meta: change.meta, before: change.before, after: change.after })
        else delta.after = change.after
        return this.#takeDuplicate(change.meta, change.after)
      }
      case 'outcome-recorded': this.#outcomes.set(change.key, change.outcome); return
      case 'outcome-forgotten': this.#outcomes.set(change.key, undefined); return
      case 'entries-forgotten': {
        const length = this.#lengths.get(change.key) ?? journalLength(this.#rows.tables.journal, change.key)
        forgetEntries(this.#batch, change.key, change.fromPosition, length)
        this.#lengths.set(change.key, Math.min(length, change.fromPosition))
        return
      }
      case 'wait-recorded': return this.#smallRow('waits', change.key, change.index, 0, change.wait)
      case 'wait-removed': return this.#smallRow('waits', change.key, change.index, 0, undefined)
      case 'timer-set': return this.#smallRow('timers', change.dueAtMs, change.key, change.slot, NOTHING)
      case 'timer-cleared': return this.#smallRow('timers', change.dueAtMs, change.key, change.slot, undefined)
      case 'awaiter-added': return this.#smallRow('awaiters', change.child, change.parent, change.index, NOTHING)
      case 'awaiter-removed': return this.#smallRow('awaiters', change.child, change.parent, change.index, undefined)
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
    }
    if (value === undefined) this.#batch.remove(table)
    else if (table === 'waits') this.#batch.put(table, value, seedOf(table, a, b))
    else this.#batch.putEmpty(table)
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
    if (parent !== undefined) {
      batch.key.u48(parent.key).u48(key)
      batch.putEmpty('parents')
    }
  }

  #writeProgress({ meta, before, after }: RunDelta): void {
    const { key } = meta
    const batch = this.#batch
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
      this.#record.u8(meta.queue === undefined ? 0 : 1)
      if (meta.queue !== undefined) this.#record.string(meta.queue)
      batch.put('queue', this.#record.view(), seedOf('queue', key))
    }
  }

  #statusKey(meta: RunMeta, progress: RunProgress): void {
    this.#batch.key.u8(STATUS_BYTES[progress.status]).f64(meta.createdAtMs).u48(meta.key)
  }

  /**
   * An unfinished run holds its deduplication id if nobody else does; a finished one lets go of it. Change by change, not as
   * the commit leaves the runs: who comes while the id is held does not get it, even if it is let go of later in the commit.
   */
  #takeDuplicate({ key, queue, deduplicationId }: RunMeta, progress: RunProgress): void {
    if (deduplicationId === undefined) return
    const name = JSON.stringify([queue ?? null, deduplicationId])
    let row = this.#duplicates.get(name)
    if (row === undefined) {
      const holder = this.#rows.findDuplicate(queue, deduplicationId)
      row = { queue, deduplicationId, holderBefore: holder, holder }
      this.#duplicates.set(name, row)
    }
    if (!isFinished(progress.status)) row.holder ??= key
    else if (row.holder === key) row.holder = undefined
  }

  #writeDuplicate({ queue, deduplicationId, holderBefore, holder }: DuplicateRow): void {
    if (holder === holderBefore) return
    dedupKey(this.#batch.key, queue, deduplicationId)
    if (holder === undefined) this.#batch.remove('dedup')
    else this.#putRun('dedup', holder)
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
