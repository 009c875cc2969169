/**
 * A store in memory: for tests, for simulations, and as the plainest statement of what a store does. Synchronous, and
 * gone with the process.
 */
import type { Encoded } from '../../codec/encoded.ts'
import { InternalError, InvalidOptionError } from '../../errors.ts'
import { isFinished, type RunKey, type RunStatus } from '../../model/run.ts'
import type {
  AwaiterRow, Change, ChangeResult, ListedRun, Outcome, QueuePlace, RunMeta, RunPage, RunProgress, RunQuery, SettingKind, StartRow, Store,
  StoredRun, StreamPage, TimerRow,
} from '../contract.ts'
import {
  compareCreation, type CreationPlace, decodeCursor, encodeCursor, filterOf, MAX_ROWS_A_PAGE,
} from '../query.ts'
import { APPLIED, refusalOf, refusedRuns, STARTED } from '../refusal.ts'
import { Mailbox, NOBODY_WROTE } from './mailbox.ts'
import { SortedRows } from './sorted.ts'

interface Row {
  readonly meta: RunMeta
  progress: RunProgress
  outcome: Outcome | undefined
  readonly journal: Encoded[]
  readonly waits: Map<number, Encoded>
  readonly awaiters: SortedRows<AwaiterRow>
  readonly children: SortedRows<RunKey>
  readonly mailbox: Mailbox
}

interface HeldPlace {
  readonly key: RunKey
  readonly queue: string
  readonly queueKey?: string
}

const NO_ARGS = new Uint8Array(0) as Encoded

export function createMemoryStore(): Store {
  return new MemoryStore()
}

class MemoryStore implements Store {
  #lastKey = 0
  #closed = false
  readonly #ids = new Map<string, RunKey>()
  readonly #rows = new Map<RunKey, Row>()
  readonly #timers = new SortedRows<TimerRow>((a, b) => a.dueAtMs - b.dueAtMs || a.key - b.key || a.slot - b.slot)
  readonly #queue = new SortedRows<QueuePlace>((a, b) => a.priority - b.priority || a.position - b.position || a.key - b.key)
  readonly #created = new SortedRows<CreationPlace>(compareCreation)
  readonly #duplicates = new Map<string, RunKey>()
  readonly #places = new SortedRows<HeldPlace>((a, b) => a.key - b.key)
  /** By queue. */
  readonly #starts = new Map<string, SortedRows<StartRow>>()
  readonly #settings: { readonly [kind in SettingKind]: Map<string, Encoded> } = { queue: new Map(), schedule: new Map() }

  /** It has nothing that could break. */
  readonly isBroken = false

  newRunKey(): RunKey {
    return ++this.#lastKey as RunKey
  }

  commit(changes: readonly Change[]): readonly ChangeResult[] {
    this.#assertOpen()
    const refused = refusedRuns(changes, id => this.#ids.get(id))
    return changes.map(change => {
      const refusal = refused.size === 0 ? undefined : refusalOf(change, refused)
      if (refusal !== undefined) return refusal
      this.#apply(change)
      return change.type === 'run-started' ? STARTED : APPLIED
    })
  }

  findRun(id: string): RunKey | undefined {
    return this.#ids.get(id)
  }

  findDuplicate(queue: string | undefined, deduplicationId: string): RunKey | undefined {
    return this.#duplicates.get(duplicateName(queue, deduplicationId))
  }

  loadRun(key: RunKey): StoredRun | undefined {
    this.#assertOpen()
    const row = this.#rows.get(key)
    return row && {
      meta: row.meta,
      progress: row.progress,
      journalLength: row.journal.length,
      waits: [...row.waits].sort(([a], [b]) => a - b).map(([index, wait]) => ({ index, wait })),
      awaiters: [...row.awaiters.rowsAfter(undefined)],
      messages: row.mailbox.messages(),
    }
  }

  readJournal(key: RunKey, fromPosition: number, limit: number): readonly Encoded[] {
    return this.#rows.get(key)?.journal.slice(fromPosition, fromPosition + limit) ?? []
  }

  readOutcome(key: RunKey): Outcome | undefined {
    return this.#rows.get(key)?.outcome
  }

  listRuns(query: RunQuery, page: { readonly after?: string, readonly limit: number, readonly values: boolean }): RunPage {
    this.#assertOpen()
    const filter = this.#filterOf(query)
    const from = page.after === undefined ? undefined : decodeCursor(page.after)
    const places = query.order === 'oldest-first' ? this.#created.rowsAfter(from) : this.#created.rowsBefore(from)
    const runs: ListedRun[] = []
    let last = from
    let looked = 0
    for (const place of places) {
      const row = this.#row(place.key)
      const matches = filter.matchesMeta(row.meta) && filter.matchesProgress(row.progress)
      if ((matches && runs.length === page.limit) || looked === MAX_ROWS_A_PAGE) return { runs, next: encodeCursor(last!) }
      if (matches) runs.push(listed(row, page.values))
      last = place
      looked++
    }
    return { runs }
  }

  countRuns(query: RunQuery): number {
    const filter = this.#filterOf(query)
    let count = 0
    for (const row of this.#rows.values()) {
      if (filter.matchesMeta(row.meta) && filter.matchesProgress(row.progress)) count++
    }
    return count
  }

  runsInStatus(status: RunStatus, after: RunKey | undefined, limit: number): readonly RunKey[] {
    const from = after === undefined ? undefined : this.#row(after).meta
    return take(this.#created.rowsAfter(from), limit, place => this.#row(place.key).progress.status === status).map(place => place.key)
  }

  scanQueue(after: QueuePlace | undefined, limit: number): readonly QueuePlace[] {
    return take(this.#queue.rowsAfter(after), limit)
  }

  scanTimers(after: TimerRow | undefined, limit: number): readonly TimerRow[] {
    return take(this.#timers.rowsAfter(after), limit)
  }

  children(parent: RunKey, after: RunKey | undefined, limit: number): readonly RunKey[] {
    const row = this.#rows.get(parent)
    return row === undefined ? [] : take(row.children.rowsAfter(after), limit)
  }

  hasMessageKey(key: RunKey, idempotencyKey: string): boolean {
    return this.#rows.get(key)?.mailbox.hasKey(idempotencyKey) ?? false
  }

  readEvent(key: RunKey, name: string): Encoded | undefined {
    return this.#rows.get(key)?.mailbox.event(name)
  }

  readStream(key: RunKey, stream: string, fromPosition: number, limit: number): StreamPage {
    return this.#rows.get(key)?.mailbox.stream(stream, fromPosition, limit) ?? NOBODY_WROTE
  }

  scanPlaces(after: RunKey | undefined, limit: number): readonly HeldPlace[] {
    return take(this.#places.rowsAfter(after === undefined ? undefined : { key: after, queue: '' }), limit)
  }

  countedStarts(queue: string): readonly StartRow[] {
    return [...this.#starts.get(queue)?.rowsAfter(undefined) ?? []]
  }

  settings(kind: SettingKind): readonly { readonly name: string, readonly record: Encoded }[] {
    return [...this.#settings[kind]].map(([name, record]) => ({ name, record })).sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)))
  }

  /** There is nothing on a disk that could be copied. */
  async backup(folder: string): Promise<void> {
    throw new InvalidOptionError({ option: 'store', rule: 'be a store in a folder to be backed up', received: 'a store in memory', doing: `Backing up to "${folder}"` })
  }

  sizeBytes(): number {
    return 0
  }

  close(): void {
    this.#closed = true
  }

  #apply(change: Change): void {
    switch (change.type) {
      case 'run-started': return this.#start(change.meta, change.progress)
      case 'run-changed': return this.#move(this.#row(change.meta.key), change.after)
      case 'outcome-recorded': this.#row(change.key).outcome = change.outcome; return
      case 'outcome-forgotten': this.#row(change.key).outcome = undefined; return
      case 'entry-appended': return append(this.#row(change.key), change.position, change.entry)
      case 'entries-forgotten': this.#row(change.key).journal.splice(change.fromPosition); return
      case 'wait-recorded': this.#row(change.key).waits.set(change.index, change.wait); return
      case 'wait-removed': this.#row(change.key).waits.delete(change.index); return
      case 'timer-set': return this.#timers.put({ dueAtMs: change.dueAtMs + 0, key: change.key, slot: change.slot })
      case 'timer-cleared': return this.#timers.remove(change)
      case 'awaiter-added':
        return this.#row(change.child).awaiters.put({
          parent: change.parent, index: change.index, ...(change.event === undefined ? {} : { event: change.event }),
        })
      case 'awaiter-removed': return this.#row(change.child).awaiters.remove(change)
      case 'message-stored':
      case 'message-removed':
      case 'event-set':
      case 'stream-appended':
      case 'stream-closed': return this.#row(change.key).mailbox.apply(change)
      case 'start-counted': return this.#startsOf(change.start.queue).put(change.start)
      case 'start-uncounted': return this.#startsOf(change.start.queue).remove(change.start)
      case 'setting-put': this.#settings[change.kind].set(change.name, change.record); return
      case 'setting-removed': this.#settings[change.kind].delete(change.name); return
      case 'run-deleted': return this.#delete(this.#row(change.meta.key))
    }
  }

  #start(meta: RunMeta, progress: RunProgress): void {
    const row: Row = {
      meta, progress, outcome: undefined, journal: [], waits: new Map(),
      awaiters: new SortedRows<AwaiterRow>((a, b) => a.parent - b.parent || a.index - b.index),
      children: new SortedRows<RunKey>((a, b) => a - b),
      mailbox: new Mailbox(),
    }
    this.#lastKey = Math.max(this.#lastKey, meta.key)
    this.#ids.set(meta.id, meta.key)
    this.#rows.set(meta.key, row)
    this.#created.put({ createdAtMs: meta.createdAtMs, key: meta.key })
    if (meta.parent !== undefined) this.#rows.get(meta.parent.key)?.children.put(meta.key)
    this.#index(row)
  }

  #move(row: Row, after: RunProgress): void {
    this.#queue.remove(placeOf(row))
    row.progress = after
    this.#index(row)
  }

  #delete({ meta, progress }: Row): void {
    const { key, parent } = meta
    this.#queue.remove(placeOf({ meta, progress }))
    this.#places.remove({ key, queue: '' })
    this.#release(meta)
    if (parent !== undefined) this.#rows.get(parent.key)?.children.remove(key)
    this.#created.remove(meta)
    this.#ids.delete(meta.id)
    this.#rows.delete(key)
  }

  /** The queue, the places held in it and the deduplication ids follow the state. */
  #index(row: Row): void {
    const { key, queue, queueKey, deduplicationId } = row.meta
    if (queue !== undefined) {
      if (row.progress.holdsPlace === true) this.#places.put({ key, queue, ...(queueKey === undefined ? {} : { queueKey }) })
      else this.#places.remove({ key, queue })
    }
    if (row.progress.status === 'enqueued') this.#queue.put(placeOf(row))
    if (deduplicationId === undefined) return
    const name = duplicateName(queue, deduplicationId)
    if (isFinished(row.progress.status)) this.#release(row.meta)
    else if (!this.#duplicates.has(name)) this.#duplicates.set(name, key)
  }

  #release({ key, queue, deduplicationId }: RunMeta): void {
    if (deduplicationId === undefined) return
    const name = duplicateName(queue, deduplicationId)
    if (this.#duplicates.get(name) === key) this.#duplicates.delete(name)
  }

  #startsOf(queue: string): SortedRows<StartRow> {
    let starts = this.#starts.get(queue)
    if (starts === undefined) this.#starts.set(queue, starts = new SortedRows((a, b) => a.atMs - b.atMs || a.key - b.key))
    return starts
  }

  #filterOf(query: RunQuery): ReturnType<typeof filterOf> {
    return filterOf(query, query.parentId === undefined ? undefined : this.#ids.get(query.parentId))
  }

  #row(key: RunKey): Row {
    const row = this.#rows.get(key)
    if (row === undefined) throw new InternalError({ problem: `there is no run ${key} in the store` })
    return row
  }

  #assertOpen(): void {
    if (this.#closed) throw new InternalError({ problem: 'the memory store was used after close()' })
  }
}

function append(row: Row, position: number, entry: Encoded): void {
  if (position > row.journal.length) {
    throw new InternalError({ problem: `entry ${position} of run ${row.meta.key} was to be appended to a journal of ${row.journal.length}` })
  }
  row.journal[position] = entry.slice() as Encoded // the supervisor may move the entry's own memory to a thread
}

function placeOf({ meta, progress }: Pick<Row, 'meta' | 'progress'>): QueuePlace {
  return {
    ...(meta.queue === undefined ? {} : { queue: meta.queue }),
    ...(meta.queueKey === undefined ? {} : { queueKey: meta.queueKey }),
    priority: meta.priority, position: progress.queuePosition, key: meta.key,
  }
}

function listed(row: Row, values: boolean): ListedRun {
  if (!values) return { meta: { ...row.meta, args: NO_ARGS }, progress: row.progress }
  return { meta: row.meta, progress: row.progress, ...(row.outcome === undefined ? {} : { outcome: row.outcome }) }
}

function duplicateName(queue: string | undefined, deduplicationId: string): string {
  return JSON.stringify([queue ?? null, deduplicationId])
}

function take<Row>(rows: Iterable<Row>, limit: number, matches: (row: Row) => boolean = () => true): Row[] {
  const taken: Row[] = []
  for (const row of rows) {
    if (taken.length >= limit) break
    if (matches(row)) taken.push(row)
  }
  return taken
}
