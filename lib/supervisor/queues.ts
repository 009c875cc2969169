/** Named queues: their bounds, which are durable, and how much of them is taken. */
import type { Encoded } from '../codec/encoded.ts'
import type { Clock } from '../model/clock.ts'
import type { RunKey } from '../model/run.ts'
import type { QueueBounds, QueueReport } from '../protocol/host.ts'
import type { Change, RunMeta, StartRow, Store } from '../store/contract.ts'
import type { Bound, Bounds } from './lanes.ts'

interface Taken {
  total: number
  readonly byKey: Map<string, number>
}

const PLACES_PAGE = 1000

export class Queues implements Bounds {
  readonly #store: Store
  readonly #clock: Clock
  readonly #bounds = new Map<string, QueueBounds>()
  readonly #taken = new Map<string, Taken>()
  /** Starts within the period, oldest first, of queues with a rate. */
  readonly #starts = new Map<string, StartRow[]>()

  constructor(store: Store, clock: Clock) {
    this.#store = store
    this.#clock = clock
  }

  /** What the store knows: bounds, places held by unfinished runs, starts that count. Gives the runs that hold places. */
  load(): ReadonlySet<RunKey> {
    for (const { name, record } of this.#store.settings('queue')) this.#use(name, JSON.parse(Buffer.from(record).toString()) as QueueBounds)
    const holders = new Set<RunKey>()
    for (let after: RunKey | undefined; ;) {
      const page = this.#store.scanPlaces(after, PLACES_PAGE)
      for (const { key, queue, queueKey } of page) {
        holders.add(key)
        this.#count(queue, queueKey, 1)
      }
      if (page.length < PLACES_PAGE) return holders
      after = page.at(-1)!.key
    }
  }

  set(name: string, bounds: QueueBounds): Change {
    this.#use(name, bounds)
    return { type: 'setting-put', kind: 'queue', name, record: Buffer.from(JSON.stringify(bounds)) as Uint8Array as Encoded }
  }

  list(): readonly QueueReport[] {
    const names = new Set([...this.#bounds.keys(), ...this.#taken.keys()])
    return [...names].sort().map(name => ({ name, bounds: this.#bounds.get(name) ?? {}, atWork: this.#taken.get(name)?.total ?? 0 }))
  }

  bound(queue: string, queueKey: string | undefined): Bound {
    const bounds = this.#bounds.get(queue)
    if (bounds === undefined) return 'free'
    if (this.freePlaces(queue) <= 0) return 'queue-full'
    const keyTaken = queueKey === undefined ? 0 : this.#taken.get(queue)?.byKey.get(queueKey) ?? 0
    return keyTaken >= (bounds.keyConcurrency ?? Infinity) ? 'key-full' : 'free'
  }

  freePlaces(queue: string): number {
    const bounds = this.#bounds.get(queue)
    if (bounds === undefined) return Infinity
    const concurrency = Math.min(bounds.concurrency ?? Infinity, bounds.hostConcurrency ?? Infinity)
    const places = concurrency - (this.#taken.get(queue)?.total ?? 0)
    return bounds.rate === undefined ? places : Math.min(places, bounds.rate.limit - this.#recent(queue, bounds.rate.periodMs).length)
  }

  /** When a queue that its rate holds back may start the next run; undefined: its rate does not hold it back. */
  nextStartAtMs(queue: string): number | undefined {
    const rate = this.#bounds.get(queue)?.rate
    if (rate === undefined) return undefined
    // In the order of their times: where the clock was set back, the later start may have the earlier one.
    const recentMs = this.#recent(queue, rate.periodMs).map(({ atMs }) => atMs).sort((a, b) => a - b)
    return recentMs.length < rate.limit ? undefined : recentMs[recentMs.length - rate.limit]! + rate.periodMs
  }

  /** Queues whose rate holds runs back. */
  *limited(): Iterable<string> {
    for (const [name, { rate }] of this.#bounds) if (rate !== undefined) yield name
  }

  /** A run took its place: its start counts against the rate. */
  took(meta: RunMeta): readonly Change[] {
    const { queue, queueKey, key } = meta
    if (queue === undefined) return []
    this.#count(queue, queueKey, 1)
    const rate = this.#bounds.get(queue)?.rate
    if (rate === undefined) return []
    const starts = this.#starts.get(queue) ?? []
    const recent = this.#recent(queue, rate.periodMs)
    const start = { queue, atMs: this.#clock.nowMs(), key }
    this.#starts.set(queue, [...recent, start])
    const old = starts.filter(row => !recent.includes(row)).map((row): Change => ({ type: 'start-uncounted', start: row }))
    return [...old, { type: 'start-counted', start }]
  }

  left(meta: RunMeta): void {
    if (meta.queue !== undefined) this.#count(meta.queue, meta.queueKey, -1)
  }

  /** Why a run of this queue waits, in words; undefined when its queue does not hold it back. */
  whyNot(queue: string, queueKey: string | undefined): string | undefined {
    const bounds = this.#bounds.get(queue)
    const bound = this.bound(queue, queueKey)
    if (bounds === undefined || bound === 'free') return undefined
    if (bound === 'key-full') return `queue "${queue}" has as many runs of key "${queueKey ?? ''}" at work as it may (${bounds.keyConcurrency ?? 0})`
    const nextMs = this.nextStartAtMs(queue)
    if (nextMs !== undefined) return `queue "${queue}" has started ${bounds.rate!.limit} runs within ${bounds.rate!.periodMs / 1000} s; the next may start at ${new Date(nextMs).toISOString()}`
    return `queue "${queue}" has ${this.#taken.get(queue)?.total ?? 0} runs at work, as many as it may`
  }

  #use(name: string, bounds: QueueBounds): void {
    this.#bounds.set(name, bounds)
    if (bounds.rate !== undefined && !this.#starts.has(name)) this.#starts.set(name, [...this.#store.countedStarts(name)])
  }

  #recent(queue: string, periodMs: number): StartRow[] {
    const sinceMs = this.#clock.nowMs() - periodMs
    return (this.#starts.get(queue) ?? []).filter(({ atMs }) => atMs > sinceMs)
  }

  #count(queue: string, queueKey: string | undefined, change: 1 | -1): void {
    const taken = this.#taken.get(queue) ?? { total: 0, byKey: new Map<string, number>() }
    this.#taken.set(queue, taken)
    taken.total += change
    if (queueKey === undefined) return
    const ofKey = (taken.byKey.get(queueKey) ?? 0) + change
    if (ofKey === 0) taken.byKey.delete(queueKey)
    else taken.byKey.set(queueKey, ofKey)
  }
}
