/**
 * The journals of all runs, in two places:
 *  - table `log`, in order of arrival: what a commit appends, of all runs together, is one record. This is the hot path: a
 *    commit dirties the same few pages however many runs take part in it.
 *  - table `journal`, in order of run: chunks of consecutive entries of one run. Once the log has grown, a commit that goes to LMDB itself folds
 *    the entries of the runs that have been in it longest into such chunks, a little more than was added.
 *
 * What is in the log and not folded yet is in memory, too, so that reads never look into the log; opening reads it once. A
 * chunk says up to which record of the log its run is folded: that is how opening tells what a partly folded record
 * still has to say. The newest record of the log is never removed, so that their numbers go on after it.
 *
 * Forgetting entries, and entries too large to be written twice, fold the whole run at once.
 *
 * A run that is deleted leaves its entries in the log until their records go: opening knows them by their run being gone. They
 * count as part of the log all the same, so that it is folded and gets shorter.
 */
import type { Encoded } from '../../codec/encoded.ts'
import { Reader, Writer } from '../../codec/wire.ts'
import { StoreFormatError } from '../../errors.ts'
import { assertInvariant } from '../../invariant.ts'
import type { RunKey } from '../../model/run.ts'
import type { WriteBatch } from './batch.ts'
import type { Tables } from './engine.ts'
import { KeyWriter, readU32, readU48 } from './keys.ts'
import { payloadOf, seedOf } from './records.ts'

/** Entries of this size go to their chunk at once. */
const LARGE_ENTRY_BYTES = 16_384
/** A chunk is closed once it has this many bytes. */
const CHUNK_BYTES = 65_536
/** What a commit folds at least, once it folds (less where the log is to be shorter than this). */
const LEAST_FOLDED_BYTES = 65_536
/** What an entry costs in memory and in a record beside its own bytes, roughly. */
const ENTRY_OVERHEAD = 16
const LAST_POSITION = 0xffff_ffff

/** The entries of one run that are in the log and in no chunk. */
interface HotRun {
  /** Position of the first. */
  from: number
  entries: Encoded[]
  /** The log record of each. */
  records: number[]
}

type Operation =
  | { readonly type: 'append', readonly run: RunKey, readonly position: number, readonly entry: Encoded }
  | { readonly type: 'forget', readonly run: RunKey, readonly fromPosition: number }

interface Chunk {
  readonly first: number
  /** Up to this record of the log its run is folded. */
  readonly foldedTo: number
  readonly entries: readonly Encoded[]
}

export class Journal {
  readonly #tables: Tables
  readonly #foldAboveBytes: number
  readonly #record = new Writer(4096)
  /** By the age of their first entry: the oldest first. */
  readonly #hot = new Map<RunKey, HotRun>()
  /** Entries of each log record that are in no chunk. */
  readonly #unfolded = new Map<number, number>()
  /** Bytes of deleted runs in each of these records. */
  readonly #dead = new Map<number, number>()
  /** Records of which nothing is unfolded: they go when a newer one is written. */
  #void: number[] = []
  #hotBytes = 0
  #deadBytes = 0
  #nextRecord = 1
  // ---- of the commit under way ----
  #operations: Operation[] = []
  #settled = new Set<RunKey>()
  #deleted = new Set<RunKey>()
  #folded: { readonly run: RunKey, readonly count: number }[] = []
  #removed: number[] = []

  /** Reads what is in the log. */
  constructor(tables: Tables, foldAboveBytes: number) {
    this.#tables = tables
    this.#foldAboveBytes = foldAboveBytes
    this.#recover()
  }

  // ---- reading ---------------------------------------------------------------------------------------------------

  /** The position the next entry gets. */
  length(run: RunKey): number {
    const hot = this.#hot.get(run)
    return hot === undefined ? this.#chunksEnd(run) : hot.from + hot.entries.length
  }

  read(run: RunKey, fromPosition: number, limit: number): Encoded[] {
    const entries: Encoded[] = []
    if (limit <= 0) return entries
    const start = new KeyWriter().u48(run).u32(this.#chunkWith(run, fromPosition))
    const end = new KeyWriter().u48(run + 1).u32(0)
    for (const { key, value } of this.#tables.journal.getRange({ start, end })) {
      const chunk = readChunk(run, key, value)
      for (let i = Math.max(0, fromPosition - chunk.first); i < chunk.entries.length; i++) {
        entries.push(chunk.entries[i]!)
        if (entries.length === limit) return entries
      }
    }
    const hot = this.#hot.get(run)
    if (hot === undefined) return entries
    const skip = Math.max(0, fromPosition - hot.from)
    for (const entry of hot.entries.slice(skip, skip + limit - entries.length)) entries.push(entry)
    return entries
  }

  // ---- a commit --------------------------------------------------------------------------------------------------

  /** A new commit: what an earlier one prepared and did not apply is forgotten. */
  begin(): void {
    this.#operations = []
    this.#settled = new Set()
    this.#deleted = new Set()
    this.#folded = []
    this.#removed = []
  }

  append(run: RunKey, position: number, entry: Encoded): void {
    this.#operations.push({ type: 'append', run, position, entry })
    if (entry.length >= LARGE_ENTRY_BYTES) this.#settled.add(run)
  }

  forget(run: RunKey, fromPosition: number): void {
    this.#operations.push({ type: 'forget', run, fromPosition })
    this.#settled.add(run)
  }

  /** A run goes; nothing else of it is in this commit. */
  delete(run: RunKey): void {
    this.#deleted.add(run)
  }

  /** Adds the rows of this commit to its batch. */
  write(batch: WriteBatch, folds: boolean): void {
    for (const run of this.#deleted) this.#removeChunks(batch, run)
    if (this.#operations.length === 0) return
    const done = new Map<number, number>()
    this.#removed = [...this.#void]
    const addedBytes = this.#writeRecord(batch)
    for (const run of this.#settled) this.#writeSettled(batch, run, done)
    const surplus = this.#hotBytes + this.#deadBytes + addedBytes - this.#foldAboveBytes
    if (folds && surplus > 0) this.#fold(batch, Math.max(2 * addedBytes, surplus + Math.min(LEAST_FOLDED_BYTES, this.#foldAboveBytes)), done)
    for (const [record, count] of done) if (this.#unfolded.get(record) === count) this.#removed.push(record)
    for (const record of this.#removed) {
      batch.key.u48(record)
      batch.remove('log')
    }
  }

  /** The commit is durable: what is in memory follows. */
  applied(): void {
    if (this.#operations.length > 0) this.#follow()
    for (const run of this.#deleted) this.#dropDeleted(run)
    this.begin()
  }

  #follow(): void {
    for (const run of this.#settled) {
      const hot = this.#hot.get(run)
      if (hot !== undefined) this.#dropHot(run, hot, hot.entries.length)
    }
    for (const { run, count } of this.#folded) this.#dropHot(run, this.#hot.get(run)!, count)
    for (const record of this.#removed) {
      this.#unfolded.delete(record)
      this.#forgetDead(record)
    }
    let live = 0
    for (const operation of this.#operations) {
      if (operation.type !== 'append' || this.#settled.has(operation.run)) continue
      this.#keepHot(operation.run, operation.position, operation.entry, this.#nextRecord)
      live++
    }
    this.#void = live === 0 ? [this.#nextRecord] : []
    this.#unfolded.set(this.#nextRecord++, live)
  }

  /** The log's record of this commit; written also when it is empty, so that the record numbers go on after it. */
  #writeRecord(batch: WriteBatch): number {
    const to = this.#record
    to.reset()
    let bytes = 0
    for (const operation of this.#operations) {
      if (operation.type !== 'append' || this.#settled.has(operation.run)) continue
      to.varint(operation.run)
      to.varint(operation.position)
      to.bytes(operation.entry)
      bytes += operation.entry.length + ENTRY_OVERHEAD
    }
    batch.key.u48(this.#nextRecord)
    batch.put('log', to.view(), seedOf('log', this.#nextRecord))
    return bytes
  }

  /** Writes all of a run that is not in chunks yet, as this commit leaves it. */
  #writeSettled(batch: WriteBatch, run: RunKey, done: Map<number, number>): void {
    const hot = this.#hot.get(run)
    let from = hot?.from ?? this.#chunksEnd(run)
    let entries = hot === undefined ? [] : [...hot.entries]
    for (const record of hot?.records ?? []) done.set(record, (done.get(record) ?? 0) + 1)
    for (const operation of this.#operations) {
      if (operation.run !== run) continue
      if (operation.type === 'append') {
        assertInvariant(operation.position === from + entries.length, `entry ${operation.position} of run ${run} was to follow ${from + entries.length - 1}`)
        entries.push(operation.entry)
      } else if (operation.fromPosition >= from) entries.length = Math.min(entries.length, operation.fromPosition - from)
      else {
        entries = this.#truncateChunks(batch, run, operation.fromPosition)
        from = operation.fromPosition - entries.length
      }
    }
    // Also without entries: it says that what the log still has of this run is void.
    this.#writeChunks(batch, run, from, entries, this.#nextRecord)
  }

  /** Removes the chunks from a position on; gives what is left of the one that lies across it. */
  #truncateChunks(batch: WriteBatch, run: RunKey, fromPosition: number): Encoded[] {
    const start = new KeyWriter().u48(run).u32(this.#chunkWith(run, fromPosition))
    const end = new KeyWriter().u48(run + 1).u32(0)
    let left: Encoded[] = []
    for (const { key, value } of this.#tables.journal.getRange({ start, end })) {
      const { first, entries } = readChunk(run, key, value)
      if (first + entries.length <= fromPosition && entries.length > 0) continue
      if (first < fromPosition) left = entries.slice(0, fromPosition - first)
      batch.key.u48(run).u32(first)
      batch.remove('journal')
    }
    return left
  }

  #removeChunks(batch: WriteBatch, run: RunKey): void {
    for (const key of this.#tables.journal.getKeys({ start: new KeyWriter().u48(run), end: new KeyWriter().u48(run + 1) })) {
      batch.key.raw(key)
      batch.removeNext('journal')
    }
  }

  #fold(batch: WriteBatch, targetBytes: number, done: Map<number, number>): void {
    let bytes = 0
    for (const [run, hot] of this.#hot) {
      if (bytes >= targetBytes) return
      if (this.#settled.has(run) || this.#deleted.has(run)) continue
      for (const record of hot.records) done.set(record, (done.get(record) ?? 0) + 1)
      bytes += this.#writeChunks(batch, run, hot.from, hot.entries, hot.records.at(-1)!)
      this.#folded.push({ run, count: hot.entries.length })
    }
  }

  #writeChunks(batch: WriteBatch, run: RunKey, from: number, entries: readonly Encoded[], foldedTo: number): number {
    let bytes = 0
    let next = 0
    do {
      const first = next
      let size = 0
      while (next < entries.length && size < CHUNK_BYTES) size += entries[next++]!.length + ENTRY_OVERHEAD
      const to = this.#record
      to.reset()
      to.varint(foldedTo)
      to.varint(next - first)
      for (let i = first; i < next; i++) to.bytes(entries[i]!)
      batch.key.u48(run).u32(from + first)
      batch.put('journal', to.view(), seedOf('journal', run, from + first))
      bytes += size
    } while (next < entries.length)
    return bytes
  }

  // ---- what is hot -----------------------------------------------------------------------------------------------

  #keepHot(run: RunKey, position: number, entry: Encoded, record: number): void {
    const hot = this.#hot.get(run)
    if (hot === undefined) this.#hot.set(run, { from: position, entries: [entry], records: [record] })
    else {
      hot.entries.push(entry)
      hot.records.push(record)
    }
    this.#hotBytes += entry.length + ENTRY_OVERHEAD
  }

  #dropHot(run: RunKey, hot: HotRun, count: number): void {
    for (let i = 0; i < count; i++) {
      this.#hotBytes -= hot.entries[i]!.length + ENTRY_OVERHEAD
      const record = hot.records[i]!
      this.#unfolded.set(record, this.#unfolded.get(record)! - 1)
    }
    // What it appends later makes it young again.
    this.#hot.delete(run)
    if (count === hot.entries.length) return
    this.#hot.set(run, { from: hot.from + count, entries: hot.entries.slice(count), records: hot.records.slice(count) })
  }

  /** The rest of it in the log is void. A record that has nothing else goes with the next commit that writes one. */
  #dropDeleted(run: RunKey): void {
    const hot = this.#hot.get(run)
    if (hot === undefined) return
    this.#dropHot(run, hot, hot.entries.length)
    hot.entries.forEach((entry, i) => { this.#countDead(hot.records[i]!, entry) })
    for (const record of new Set(hot.records)) {
      if (this.#unfolded.get(record) !== 0) continue
      this.#void.push(record)
      this.#forgetDead(record)
    }
  }

  #countDead(record: number, entry: Encoded): void {
    const bytes = entry.length + ENTRY_OVERHEAD
    this.#dead.set(record, (this.#dead.get(record) ?? 0) + bytes)
    this.#deadBytes += bytes
  }

  #forgetDead(record: number): void {
    this.#deadBytes -= this.#dead.get(record) ?? 0
    this.#dead.delete(record)
  }

  #recover(): void {
    const ends = new Map<RunKey, Chunk | undefined>()
    const gone = new Set<RunKey>()
    const start = new KeyWriter().u48(0)
    const end = new KeyWriter().u48(0xffff_ffff_ffff)
    for (const { key, value } of this.#tables.log.getRange({ start, end })) {
      const record = readU48(key, 0)
      const reader = new Reader(payloadOf(value, 'log', record))
      let live = 0
      while (reader.remaining > 0) {
        const run = reader.varint() as RunKey
        const position = reader.varint()
        const entry = reader.bytes() as Uint8Array as Encoded
        if (!ends.has(run)) {
          ends.set(run, this.#lastChunk(run))
          if (this.#tables.metas.get(new KeyWriter().u48(run)) === undefined) gone.add(run)
        }
        if (gone.has(run)) {
          this.#countDead(record, entry)
          continue
        }
        const chunk = ends.get(run)
        if (chunk !== undefined && record <= chunk.foldedTo) continue
        const hot = this.#hot.get(run)
        const expected = hot === undefined ? (chunk === undefined ? 0 : chunk.first + chunk.entries.length) : hot.from + hot.entries.length
        if (position !== expected) {
          throw new StoreFormatError({ what: `the journal of run ${run}`, problem: `is damaged (entry ${expected} is missing)` })
        }
        this.#keepHot(run, position, entry, record)
        live++
      }
      this.#unfolded.set(record, live)
      if (live === 0) {
        this.#void.push(record)
        this.#forgetDead(record)
      }
      this.#nextRecord = record + 1
    }
  }

  // ---- chunks ----------------------------------------------------------------------------------------------------

  #chunksEnd(run: RunKey): number {
    const chunk = this.#lastChunk(run)
    return chunk === undefined ? 0 : chunk.first + chunk.entries.length
  }

  #lastChunk(run: RunKey): Chunk | undefined {
    return this.#chunkAtOrBefore(run, LAST_POSITION)
  }

  /** The first position of the chunk that has, or would have, this position. */
  #chunkWith(run: RunKey, position: number): number {
    return this.#chunkAtOrBefore(run, position)?.first ?? 0
  }

  #chunkAtOrBefore(run: RunKey, position: number): Chunk | undefined {
    const start = new KeyWriter().u48(run).u32(position)
    const end = new KeyWriter().u48(run).u32(0)
    // In reverse the start is included and the end is not: position 0 is asked for by a key before it.
    end.end -= 1
    for (const { key, value } of this.#tables.journal.getRange({ start, end, reverse: true, limit: 1 })) return readChunk(run, key, value)
    return undefined
  }
}

function readChunk(run: RunKey, key: Uint8Array, value: Uint8Array): Chunk {
  const first = readU32(key, 6)
  const reader = new Reader(payloadOf(value, 'journal', run, first))
  const foldedTo = reader.varint()
  const count = reader.varint()
  const entries: Encoded[] = []
  // lmdb gives a range's values in memory of their own, and whoever keeps or sends an entry copies it.
  for (let i = 0; i < count; i++) entries.push(reader.bytesInPlace() as Encoded)
  return { first, foldedTo, entries }
}
