/** What may be done to a store, one small thing after the other, and all that it can be asked afterwards. */
import type { Encoded } from '../../lib/codec/encoded.ts'
import { RUN_STATUSES, type RunKey, type RunStatus } from '../../lib/model/run.ts'
import { type Change, type RunQuery, SETTING_KINDS, type SettingKind, type Store } from '../../lib/store/contract.ts'
import { listAll } from './conformance-listings.ts'
import { metaOf, plain, progressOf, started, type Started, text } from './runs.ts'

type MailMove = 'message' | 'unmessage' | 'event' | 'stream' | 'close-stream' | 'count' | 'uncount'

/** One thing to do; `run` picks among the runs there are, modulo their number. */
export type Move =
  | { readonly do: 'start', readonly id: number, readonly queue: number, readonly once: number, readonly parent: number, readonly createdAtMs: number, readonly priority: number }
  | { readonly do: 'move', readonly run: number, readonly status: RunStatus, readonly position: number, readonly holds: boolean }
  | { readonly do: 'append' | 'finish' | 'resume', readonly run: number }
  | { readonly do: 'forget', readonly run: number, readonly from: number }
  | { readonly do: 'wait' | 'unwait', readonly run: number, readonly index: number }
  | { readonly do: 'timer' | 'untimer', readonly run: number, readonly slot: number, readonly dueAtMs: number }
  | { readonly do: 'await' | 'unawait' | 'await-event', readonly run: number, readonly parent: number, readonly index: number }
  | { readonly do: MailMove, readonly run: number, readonly index: number }
  | { readonly do: 'set' | 'unset', readonly kind: SettingKind, readonly index: number }
  | { readonly do: 'delete', readonly run: number }
  | { readonly do: 'commit' }
  | { readonly do: 'reopen' }
  | { readonly do: 'crash' }

const ID_PARTS = ['a', 'a/b', 'a\0', 'é', '😀']
const NAMES = ['n', 'n\0', 'n/', '\uffff', '😀']

/** Follows what the supervisor would know: the runs that were started, their states, timers, and the lengths of their journals and streams. */
export class Driver {
  readonly runs: Started[] = []
  readonly lengths = new Map<RunKey, number>()
  readonly #streams = new Map<string, number>()
  readonly #timers = new Map<RunKey, Extract<Change, { type: 'timer-set' }>[]>()
  #pending: Change[] = []
  /** Runs that are there for certain: only they become parents. */
  #committed = 0
  #nextKey = 1
  readonly #valueOf: (value: string) => Encoded

  /** `valueOf` makes the values to be stored, from what they say. */
  constructor(valueOf: (value: string) => Encoded = text) {
    this.#valueOf = valueOf
  }

  take(move: Move): void {
    if (move.do === 'start') return this.#start(move)
    if ('kind' in move) return this.#set(move)
    if (move.do === 'commit' || move.do === 'reopen' || move.do === 'crash' || this.runs.length === 0) return
    const at = move.run % this.runs.length
    const run = this.runs[at]!
    const { key } = run
    const length = this.lengths.get(key) ?? 0
    switch (move.do) {
      case 'move': return this.#move(at, move.status, move.position, move.holds)
      case 'delete': return this.#delete(at)
      case 'finish':
        this.#pending.push({ type: 'outcome-recorded', key, outcome: { type: 'result', value: this.#valueOf(`${length}`) } })
        return this.#move(at, 'succeeded', 0)
      case 'resume':
        this.#pending.push({ type: 'outcome-forgotten', key })
        return this.#move(at, 'enqueued', 0)
      case 'append':
        this.#pending.push({ type: 'entry-appended', key, position: length, entry: this.#valueOf(`${key}.${length}`) })
        this.lengths.set(key, length + 1)
        return
      case 'forget':
        this.#pending.push({ type: 'entries-forgotten', key, fromPosition: move.from })
        this.lengths.set(key, Math.min(length, move.from))
        return
      case 'wait': this.#pending.push({ type: 'wait-recorded', key, index: move.index, wait: this.#valueOf(`${this.#pending.length}`) }); return
      case 'unwait': this.#pending.push({ type: 'wait-removed', key, index: move.index }); return
      case 'timer': {
        const timer = { type: 'timer-set', key, slot: move.slot, dueAtMs: move.dueAtMs } as const
        this.#timers.set(key, [...this.#timers.get(key) ?? [], timer])
        this.#pending.push(timer)
        return
      }
      case 'untimer': this.#pending.push({ type: 'timer-cleared', key, slot: move.slot, dueAtMs: move.dueAtMs }); return
      case 'await':
      case 'await-event':
      case 'unawait':
        this.#pending.push({
          type: move.do === 'unawait' ? 'awaiter-removed' : 'awaiter-added', child: key, parent: this.runs[move.parent % this.runs.length]!.key, index: move.index,
          ...(move.do === 'await-event' ? { event: NAMES[move.index]! } : {}),
        })
        return
      case 'message':
      case 'unmessage':
      case 'event':
      case 'stream':
      case 'close-stream':
      case 'count':
      case 'uncount': this.#pending.push(this.#mail(key, move))
    }
  }

  #set({ do: what, kind, index }: Extract<Move, { do: 'set' | 'unset' }>): void {
    const name = NAMES[index]!
    this.#pending.push(what === 'set' ? { type: 'setting-put', kind, name, record: this.#valueOf(`${this.#pending.length}`) } : { type: 'setting-removed', kind, name })
  }

  #mail(key: RunKey, { do: what, index }: Extract<Move, { readonly do: MailMove }>): Change {
    const value = this.#valueOf(`${this.#pending.length}`)
    const name = NAMES[index]!
    switch (what) {
      case 'message': {
        const row = { sequence: index, message: value, ...(index % 2 === 0 ? { topic: name } : {}) }
        return { type: 'message-stored', key, row, ...(index < 3 ? { idempotencyKey: name } : {}) }
      }
      case 'unmessage': return { type: 'message-removed', key, sequence: index }
      case 'event': return { type: 'event-set', key, name, value }
      case 'stream': {
        const stream = `${key} ${name}`
        const position = this.#streams.get(stream) ?? 0
        this.#streams.set(stream, position + 1)
        return { type: 'stream-appended', key, stream: name, position, value }
      }
      case 'close-stream': return { type: 'stream-closed', key, stream: name }
      case 'count':
      case 'uncount': return { type: what === 'count' ? 'start-counted' : 'start-uncounted', start: { queue: name, atMs: index / 2, key } }
    }
  }

  /** The first run from here on that was there before this commit, that nothing of it touches and that has no timer. */
  #delete(from: number): void {
    const places = [...this.runs.slice(0, this.#committed).keys()]
    const at = [...places.slice(from), ...places.slice(0, from)].find(place => {
      const { key } = this.runs[place]!
      return !this.#timers.has(key) && !this.#pending.some(change => touches(change, key))
    })
    if (at === undefined) return this.#clearTimers(this.runs[from]!.key)
    const run = this.runs[at]!
    this.#pending.push({ type: 'run-deleted', meta: run.meta, progress: run.progress })
    this.runs.splice(at, 1)
    this.#committed--
  }

  /** The commit that is due, and what to do with the runs it started once it has been answered. */
  commit(): Change[] {
    const changes = this.#pending
    this.#pending = []
    return changes
  }

  /** Runs whose id was taken are not there; nor is what else their commit said of them. */
  refuse(keys: ReadonlySet<RunKey>): void {
    const kept = this.runs.filter(({ key }) => !keys.has(key))
    this.runs.splice(0, this.runs.length, ...kept)
    this.#committed = kept.length
  }

  #clearTimers(key: RunKey): void {
    for (const { slot, dueAtMs } of this.#timers.get(key) ?? []) this.#pending.push({ type: 'timer-cleared', key, slot, dueAtMs })
    this.#timers.delete(key)
  }

  #start({ id, queue, once, parent, createdAtMs, priority }: Extract<Move, { do: 'start' }>): void {
    const key = this.#nextKey++ as RunKey
    const above = parent < 10 && this.#committed > 0 ? this.runs[parent % this.#committed] : undefined
    const run = {
      key,
      meta: metaOf(key, {
        args: this.#valueOf(`${key}`),
        id: `${ID_PARTS[id % ID_PARTS.length]}${Math.floor(id / ID_PARTS.length)}`,
        createdAtMs: createdAtMs + 0, priority, tags: id % 2 === 0 ? { even: 'yes' } : {}, workflow: `w${id % 3}`,
        ...(queue === 0 ? {} : { queue: `q${queue}` }), ...(once < 2 ? { deduplicationId: `once${once}` } : {}),
        ...(above === undefined ? {} : { parent: { key: above.key, id: above.meta.id, index: 0 } }),
      }),
      progress: progressOf(id % 3 === 0 ? 'delayed' : 'enqueued', { queuePosition: key }),
    }
    this.#pending.push(started(run))
    // Later changes of the same commit may touch it already, whether its id turns out to be taken or not.
    this.runs.push(run)
  }

  #move(at: number, status: RunStatus, queuePosition: number, holds = false): void {
    const { holdsPlace: _, ...free } = this.runs[at]!.progress
    const after = { ...free, status, queuePosition: queuePosition + 0, ...(holds ? { holdsPlace: true as const } : {}) }
    const run = { ...this.runs[at]!, progress: after }
    const change: Change = { type: 'run-changed', meta: run.meta, before: this.runs[at]!.progress, after }
    this.#pending.push(change)
    this.runs[at] = run
  }
}

function touches(change: Change, key: RunKey): boolean {
  if (change.type === 'setting-put' || change.type === 'setting-removed' || change.type === 'start-counted' || change.type === 'start-uncounted') return false
  if (change.type === 'awaiter-added' || change.type === 'awaiter-removed') return change.child === key
  return ('meta' in change ? change.meta.key : change.key) === key
}

const QUERIES: readonly RunQuery[] = [
  { order: 'oldest-first' }, { order: 'newest-first' }, { order: 'newest-first', statuses: ['enqueued', 'failed', 'succeeded'] },
  { order: 'oldest-first', idPrefix: 'a' }, { order: 'newest-first', idPrefix: 'a/' }, { order: 'oldest-first', tags: { even: 'yes' }, workflows: ['w1', 'w2'] },
  { order: 'oldest-first', createdAfterMs: 0, createdBeforeMs: 4 }, { order: 'newest-first', parentId: 'a0' }, { order: 'newest-first', workflows: ['w0', 'w2'] },
  { order: 'newest-first', tags: { even: 'yes' }, statuses: ['enqueued', 'running'] }, { order: 'oldest-first', tags: { even: 'yes' } },
  { order: 'oldest-first', queues: ['q1', 'none'], statuses: ['enqueued'] },
]

/** Everything a store can be asked. */
export async function answers(store: Store, lastKey: number): Promise<unknown> {
  const runs = []
  for (let key = 1 as RunKey; key <= lastKey; key++) {
    runs.push([await store.loadRun(key), await store.readJournal(key, 0, 100), await store.readJournal(key, 1, 2), await store.readOutcome(key), await store.children(key, undefined, 100),
      NAMES.map(name => [store.hasMessageKey(key, name), store.readEvent(key, name), store.readStream(key, name, 0, 100), store.readStream(key, name, 1, 1)])])
  }
  const ids = []
  for (const part of ID_PARTS) for (let i = 0; i < 6; i++) ids.push(await store.findRun(`${part}${i}`))
  const duplicates = []
  for (const queue of [undefined, 'q1']) for (const once of ['once0', 'once1']) duplicates.push(await store.findDuplicate(queue, once))
  const listed = []
  for (const query of QUERIES) listed.push([await listAll(store, query, 4), await store.countRuns(query)])
  const statuses = []
  for (const status of RUN_STATUSES) statuses.push(await store.runsInStatus(status, undefined, 100), await store.countRuns({ statuses: [status], order: 'oldest-first' }))
  const queue = await store.scanQueue(undefined, 100)
  const timers = await store.scanTimers(undefined, 100)
  return plain({
    runs, ids, duplicates, listed, statuses, queue, timers,
    places: [store.scanPlaces(undefined, 100), store.scanPlaces(5 as RunKey, 2)], starts: NAMES.map(name => store.countedStarts(name)),
    settings: SETTING_KINDS.map(kind => store.settings(kind)),
    queueRest: await store.scanQueue(queue[1], 3), timersRest: await store.scanTimers(timers[1], 3),
  })
}
