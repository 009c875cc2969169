/** Reading rows: keys in, decoded and checked records out. */
import type { Encoded } from '../../codec/encoded.ts'
import { Reader } from '../../codec/wire.ts'
import { StoreFormatError } from '../../errors.ts'
import type { RunKey } from '../../model/run.ts'
import type { AwaiterRow, Change, ChangeResult, Outcome, QueuePlace, RunMeta, RunProgress, StoredRun, TimerRow } from '../contract.ts'
import { isStorable } from '../names.ts'
import type { KeyRange, Tables } from './engine.ts'
import type { Journal } from './journal.ts'
import { dedupKey, KeyWriter, readF64, readI32, readU32, readU48, type TableName } from './keys.ts'
import { readMessages } from './mailbox.ts'
import { KEY_ROW_BYTES, payloadOf, readMeta, readOutcome, readProgress } from './records.ts'

/** Ids that are remembered at most: of very many that are started at once it costs more to remember all than to ask again. */
const MOST_KNOWN_IDS = 4096
const NO_ARGS = new Uint8Array(0) as Encoded

export class Rows {
  readonly tables: Tables
  readonly journal: Journal
  readonly #key = new KeyWriter(1100)
  /** What was found out of ids lately: each start asks for its id twice, and who waits for its outcome asks once more. */
  readonly #ids = new Map<string, RunKey | undefined>()

  constructor(tables: Tables, journal: Journal) {
    this.tables = tables
    this.journal = journal
  }

  findRun(id: string): RunKey | undefined {
    if (!isStorable(id)) return undefined
    const known = this.#ids.get(id)
    if (known !== undefined || this.#ids.has(id)) return known
    const record = this.tables.ids.get(this.#key.clear().utf8(id))
    const run = record && this.runOf(record, 'ids')
    this.#remember(id, run)
    return run
  }

  /** A commit was applied: who has an id now. */
  followIds(changes: readonly Change[], results: readonly ChangeResult[]): void {
    if (this.#ids.size >= MOST_KNOWN_IDS) this.#ids.clear()
    for (const [i, change] of changes.entries()) {
      if (change.type === 'run-deleted') this.#ids.delete(change.meta.id)
      else if (change.type === 'run-started' && results[i]!.type === 'started') this.#remember(change.meta.id, change.meta.key)
    }
  }

  forgetIds(): void {
    this.#ids.clear()
  }

  #remember(id: string, run: RunKey | undefined): void {
    if (this.#ids.size < MOST_KNOWN_IDS || this.#ids.has(id)) this.#ids.set(id, run)
  }

  findDuplicate(queue: string | undefined, deduplicationId: string): RunKey | undefined {
    if (!isStorable(deduplicationId) || (queue !== undefined && !isStorable(queue))) return undefined
    const record = this.tables.dedup.get(dedupKey(this.#key.clear(), queue, deduplicationId))
    return record && this.runOf(record, 'dedup')
  }

  runOf(record: Uint8Array, table: 'ids' | 'dedup'): RunKey {
    return readU48(payloadOf(record, table, 0), 0) as RunKey
  }

  meta(run: RunKey, args: Encoded): RunMeta {
    return readMeta(this.#must('metas', run), run, args)
  }

  args(run: RunKey): Encoded {
    return (this.#payload('args', run) ?? NO_ARGS) as Encoded
  }

  progress(run: RunKey): RunProgress {
    return readProgress(this.#must('progress', run), run)
  }

  outcome(run: RunKey): Outcome | undefined {
    const payload = this.#payload('outcomes', run)
    return payload && readOutcome(payload)
  }

  load(run: RunKey): StoredRun | undefined {
    if (this.#payload('metas', run) === undefined) return undefined
    return {
      meta: this.meta(run, this.args(run)),
      progress: this.progress(run),
      journalLength: this.journal.length(run),
      waits: this.#waits(run),
      awaiters: this.#awaiters(run),
      messages: readMessages(this.tables, run),
    }
  }

  queue(after: QueuePlace | undefined, limit: number): QueuePlace[] {
    const start = after === undefined
      ? new KeyWriter().u8(0)
      : new KeyWriter().f64(after.priority).f64(after.position).u48(after.key)
    const end = new KeyWriter().f64(Infinity).f64(Infinity).u48(0xffff_ffff_ffff).u8(0)
    const places: QueuePlace[] = []
    if (limit <= 0) return places
    for (const { key, value } of this.tables.queue.getRange({ start, end, limit, exclusiveStart: after !== undefined })) {
      const run = readU48(key, 16) as RunKey
      const payload = new Reader(payloadOf(value, 'queue', run))
      const has = payload.u8()
      places.push({
        ...((has & 1) === 0 ? {} : { queue: payload.string() }),
        ...((has & 2) === 0 ? {} : { queueKey: payload.string() }),
        priority: readF64(key, 0), position: readF64(key, 8), key: run,
      })
    }
    return places
  }

  timers(after: TimerRow | undefined, limit: number): TimerRow[] {
    const start = after === undefined ? new KeyWriter().u8(0) : new KeyWriter().f64(after.dueAtMs).u48(after.key).i32(after.slot)
    const end = new KeyWriter().f64(Infinity).u48(0xffff_ffff_ffff).u32(0xffff_ffff).u8(0)
    const timers: TimerRow[] = []
    for (const key of this.keys('timers', { start, end, limit, exclusiveStart: after !== undefined })) {
      timers.push({ dueAtMs: readF64(key, 0), key: readU48(key, 8) as RunKey, slot: readI32(key, 14) })
    }
    return timers
  }

  children(parent: RunKey, after: RunKey | undefined, limit: number): RunKey[] {
    const start = new KeyWriter().u48(parent).u48(after === undefined ? 0 : after + 1)
    const end = new KeyWriter().u48(parent + 1)
    const children: RunKey[] = []
    for (const key of this.keys('parents', { start, end, limit })) children.push(readU48(key, 6) as RunKey)
    return children
  }

  /** The keys of a range. Whoever stops early must return() the generator, as for-of does. */
  * keys(table: TableName, range: KeyRange): Generator<Uint8Array> {
    if (range.limit !== undefined && range.limit <= 0) return
    yield * this.tables[table].getKeys({ ...range })
  }

  #waits(run: RunKey): StoredRun['waits'] {
    const start = new KeyWriter().u48(run)
    const end = new KeyWriter().u48(run + 1)
    const waits: { index: number, wait: Encoded }[] = []
    for (const { key, value } of this.tables.waits.getRange({ start, end })) {
      const index = readU32(key, 6)
      waits.push({ index, wait: payloadOf(value, 'waits', run, index) as Encoded })
    }
    return waits
  }

  #awaiters(run: RunKey): AwaiterRow[] {
    const start = new KeyWriter().u48(run)
    const end = new KeyWriter().u48(run + 1)
    const awaiters: AwaiterRow[] = []
    for (const { key, value } of this.tables.awaiters.getRange({ start, end })) {
      const index = readU32(key, 12)
      const event = value.length === KEY_ROW_BYTES ? {} : { event: Buffer.from(payloadOf(value, 'awaiters', run, index)).toString() }
      awaiters.push({ parent: readU48(key, 6) as RunKey, index, ...event })
    }
    return awaiters
  }

  #payload(table: 'metas' | 'args' | 'progress' | 'outcomes', run: RunKey): Uint8Array | undefined {
    const record = this.tables[table].get(this.#key.clear().u48(run))
    return record && payloadOf(record, table, run)
  }

  #must(table: 'metas' | 'progress', run: RunKey): Uint8Array {
    const payload = this.#payload(table, run)
    if (payload === undefined) throw new StoreFormatError({ what: `run ${run} in table "${table}"`, problem: 'is missing' })
    return payload
  }
}
