/**
 * Runs that wait for a thread, a lane for each queue. The lanes take turns, so that a flooded queue does not starve the others;
 * within a lane it is priority, then first come first served. A run that its queue's bounds hold back does not hold back others:
 * one whose key is full is set aside until a place of that key is free. Of those who were set aside only the first comes back for
 * a free place, and the next when that one is gone: however many wait for one key, a place costs the same.
 */
import type { RunKey } from '../model/run.ts'
import { Heap } from './heap.ts'

export interface QueuedRun {
  readonly priority: number
  readonly position: number
  readonly key: RunKey
  readonly queue?: string | undefined
  readonly queueKey?: string | undefined
  /** It has its place of the queue's bounds already: it ran before, and goes on. */
  readonly holdsPlace?: boolean | undefined
}

/** What a queue's bounds say to one more run. */
export type Bound = 'free' | 'queue-full' | 'key-full'

export interface Bounds {
  bound(queue: string, queueKey: string | undefined): Bound
  /** How many more of its runs a queue would take now. */
  freePlaces(queue: string): number
}

interface Lane {
  readonly queue: string | undefined
  readonly holders: Heap<QueuedRun>
  readonly fresh: Heap<QueuedRun>
  readonly setAside: Map<string, Heap<QueuedRun>>
}

export class Lanes {
  readonly #bounds: Bounds
  readonly #lanes: Lane[] = []
  readonly #byQueue = new Map<string | undefined, Lane>()
  #turn = 0
  #size = 0

  constructor(bounds: Bounds) {
    this.#bounds = bounds
  }

  /** All that wait, held back or not. */
  get size(): number {
    return this.#size
  }

  push(run: QueuedRun): void {
    const lane = this.#laneOf(run.queue)
    if (run.holdsPlace === true) lane.holders.push(run)
    else lane.fresh.push(run)
    this.#size++
  }

  /** The next run that may start now; undefined when there is none. */
  pop(): QueuedRun | undefined {
    for (let i = 0; i < this.#lanes.length; i++) {
      const at = (this.#turn + i) % this.#lanes.length
      const run = this.#popFrom(this.#lanes[at]!)
      if (run === undefined) continue
      this.#turn = (at + 1) % this.#lanes.length
      this.#size--
      return run
    }
    return undefined
  }

  /** How many could start now, if there were threads for them. */
  admissible(): number {
    let count = 0
    for (const { queue, holders, fresh } of this.#lanes) {
      count += holders.size + (queue === undefined ? fresh.size : Math.min(fresh.size, this.#bounds.freePlaces(queue)))
    }
    return count
  }

  /** A place of a key is free, or the bounds are others now (no key): who was set aside is in line again. */
  takeBack(queue: string, queueKey: string | undefined): void {
    const lane = this.#byQueue.get(queue)
    if (lane === undefined) return
    for (const key of queueKey === undefined ? [...lane.setAside.keys()] : [queueKey]) takeBackFirst(lane, key)
  }

  #popFrom(lane: Lane): QueuedRun | undefined {
    const holder = lane.holders.pop()
    if (holder !== undefined) return holder
    for (;;) {
      const first = lane.fresh.peek()
      if (first === undefined) return undefined
      const bound = lane.queue === undefined ? 'free' : this.#bounds.bound(lane.queue, first.queueKey)
      if (bound === 'queue-full') return undefined
      lane.fresh.pop()
      if (bound === 'free') {
        // Its key may have room for more, and it may turn out to be finished already: the next one follows it.
        if (first.queueKey !== undefined) takeBackFirst(lane, first.queueKey)
        return first
      }
      const aside = lane.setAside.get(first.queueKey!) ?? new Heap(isBefore)
      aside.push(first)
      lane.setAside.set(first.queueKey!, aside)
    }
  }

  #laneOf(queue: string | undefined): Lane {
    const known = this.#byQueue.get(queue)
    if (known !== undefined) return known
    const lane: Lane = { queue, holders: new Heap(isBefore), fresh: new Heap(isBefore), setAside: new Map() }
    this.#byQueue.set(queue, lane)
    this.#lanes.push(lane)
    return lane
  }
}

function takeBackFirst(lane: Lane, queueKey: string): void {
  const aside = lane.setAside.get(queueKey)
  if (aside === undefined) return
  lane.fresh.push(aside.pop()!)
  if (aside.size === 0) lane.setAside.delete(queueKey)
}

function isBefore(a: QueuedRun, b: QueuedRun): boolean {
  return a.priority !== b.priority ? a.priority < b.priority : a.position !== b.position ? a.position < b.position : a.key < b.key
}
