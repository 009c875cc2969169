/**
 * Who gets a thread next. Runs wait in the lanes of their queues; each goes to the thread with the fewest actors at work, of those that offer a place (places.ts). A run that must be alone (isolated, or a suspect after a crash among neighbours) gets an empty thread,
 * and one is kept free for it if there is none.
 */
import { CAREFUL_AFTER_DEATHS } from '../model/respawn.ts'
import type { RunKey } from '../model/run.ts'
import { Lanes } from './lanes.ts'
import type { Bounds, QueuedRun } from './lanes.ts'
import type { RunState } from './state.ts'

export interface ThreadLoad {
  readonly threadId: number
  readonly actors: number
  /** Of the actors, those that merely wait. Default 0. */
  readonly waiting?: number
  /** Actors that do not merely wait which it would have now. Default: any number. */
  readonly places?: number
}

interface Load {
  actors: number
  working: number
  readonly places: number
}

export interface AdmissionHost {
  threads(): Iterable<ThreadLoad>
  /** The run, if it is still in the queue and its workflow is known; loads it if need be. */
  queuedRun(key: RunKey): RunState | undefined
  mustBeAlone(state: RunState): boolean
  /** It must be alone, and not now. */
  isHeldBack(state: RunState): boolean
  admit(state: RunState, threadId: number): void
  /** Lets actors that merely wait go, so that their places become free. */
  makeRoom(places: number, threadId: number | undefined): void
  /** Runs wait, and threads that are busy might take them later: admission is to be tried again soon. */
  awaitPlaces(): void
}

export class Admission {
  readonly #host: AdmissionHost
  readonly #actorsPerThread: number
  readonly #bounds: Bounds
  readonly #lanes: Lanes
  /** Runs that must be alone, taken from the queue in order, for which there was no empty thread yet. */
  #alone: { readonly key: RunKey, readonly deaths: number }[] = []
  /** Threads that take nobody else: the run that is alone there, or undefined while it is being emptied. */
  readonly #reserved = new Map<number, RunKey | undefined>()
  #open = true

  constructor(host: AdmissionHost, bounds: Bounds, actorsPerThread: number) {
    this.#host = host
    this.#bounds = bounds
    this.#lanes = new Lanes(bounds)
    this.#actorsPerThread = actorsPerThread
  }

  get waiting(): number {
    return this.#lanes.size + this.#alone.length
  }

  push(run: QueuedRun): void {
    this.#lanes.push(run)
  }

  /** A place of this queue (and key, if one is given) is free, or its bounds are others. */
  placeFree(queue: string, queueKey: string | undefined): void {
    this.#lanes.takeBack(queue, queueKey)
  }

  /** Nobody is admitted any more. */
  close(): void {
    this.#open = false
  }

  /** The thread is gone, or the run that was alone on it is, or may have company now. */
  release(threadId: number): void {
    this.#reserved.delete(threadId)
  }

  /** The thread on which this run is to stay alone, if it is. */
  isReservedFor(threadId: number, key: RunKey): boolean {
    return this.#reserved.get(threadId) === key
  }

  /** Admits whom there is room for. */
  run(): void {
    if (!this.#open || this.waiting === 0) return
    const load = new Map<number, Load>()
    for (const { threadId, actors, waiting = 0, places = Infinity } of this.#host.threads()) {
      load.set(threadId, { actors, working: actors - waiting, places: Math.min(places, this.#actorsPerThread) })
    }
    this.#admitAlone(load, 'careless')
    for (;;) {
      const threadId = this.#leastLoaded(load)
      if (threadId === undefined) break
      const state = this.#next()
      if (state === undefined) break
      if (this.#host.mustBeAlone(state)) {
        this.#lineUpAlone(state)
        // Of the careful ones all have to be known before one is chosen.
        this.#admitAlone(load, 'careless')
      } else {
        const thread = load.get(threadId)!
        thread.actors++
        thread.working++
        this.#host.admit(state, threadId)
      }
    }
    this.#admitAlone(load, 'all')
    const admissible = this.#lanes.admissible()
    if (admissible > 0) this.#makeRoom(load, admissible)
  }

  /** Where it is places that are missing, actors that wait are let go; where it is time, that would free none. */
  #makeRoom(load: ReadonlyMap<number, Load>, admissible: number): void {
    const open = [...load].filter(([threadId]) => !this.#reserved.has(threadId))
    const full = open.filter(([, { actors }]) => actors >= this.#actorsPerThread)
    if (full.length === open.length) return this.#host.makeRoom(admissible, undefined)
    for (const [threadId, { working, places }] of full) if (working < places) this.#host.makeRoom(admissible, threadId)
    this.#host.awaitPlaces()
  }

  #next(): RunState | undefined {
    for (let next = this.#lanes.pop(); next !== undefined; next = this.#lanes.pop()) {
      const state = this.#host.queuedRun(next.key)
      // One that was cancelled and resumed in line has no place any more, and is in line anew.
      if (state !== undefined && (next.holdsPlace !== true || state.progress.holdsPlace === true)) return state
    }
    return undefined
  }

  /** The one with the fewest actors at work, then with the fewest at all, of those that have a place: so runs that compute spread evenly. */
  #leastLoaded(load: ReadonlyMap<number, Load>): number | undefined {
    let best: number | undefined
    let [leastWorking, leastActors] = [Infinity, Infinity]
    for (const [threadId, { actors, working, places }] of load) {
      if (actors >= this.#actorsPerThread || working >= places || this.#reserved.has(threadId)) continue
      if (working > leastWorking || (working === leastWorking && actors >= leastActors)) continue
      leastWorking = working
      leastActors = actors
      best = threadId
    }
    return best
  }

  #admitAlone(load: ReadonlyMap<number, Load>, whom: 'careless' | 'all'): void {
    while (this.#alone.length > 0) {
      if (whom === 'careless' && this.#alone[0]!.deaths > 0) return
      const state = this.#host.queuedRun(this.#alone[0]!.key)
      if (state === undefined) {
        this.#alone.shift()
        continue
      }
      if (!this.#mayStart(state)) {
        // Others of its queue took the places meanwhile: it waits in line again.
        this.#alone.shift()
        this.push(queuedRun(state))
        continue
      }
      if (this.#host.isHeldBack(state)) break
      const threadId = this.#emptyThread(load)
      if (threadId === undefined) return this.#reserveOne(load)
      this.#alone.shift()
      Object.assign(load.get(threadId)!, { actors: 1, working: 1 })
      this.#reserved.set(threadId, state.meta.key)
      this.#host.admit(state, threadId)
    }
    // Nobody is left who needs one now: threads that were being emptied are open again.
    for (const [threadId, key] of this.#reserved) if (key === undefined) this.#reserved.delete(threadId)
  }

  /** Those whose process died with them at work stand behind the others, and the more often it did the farther. */
  #lineUpAlone(state: RunState): void {
    const deaths = carefulness(state)
    const behind = this.#alone.findIndex(other => other.deaths > deaths)
    this.#alone.splice(behind < 0 ? this.#alone.length : behind, 0, { key: state.meta.key, deaths })
  }

  #mayStart({ meta, progress }: RunState): boolean {
    return meta.queue === undefined || progress.holdsPlace === true || this.#bounds.bound(meta.queue, meta.queueKey) === 'free'
  }

  #emptyThread(load: ReadonlyMap<number, Load>): number | undefined {
    for (const [threadId, { actors }] of load) {
      if (actors === 0 && this.#reserved.get(threadId) === undefined) return threadId
    }
    return undefined
  }

  /** Takes a thread out of service until it is empty: one at a time, and never the last one that others may use, if there are several. */
  #reserveOne(load: ReadonlyMap<number, Load>): void {
    let best: number | undefined
    for (const [threadId, { actors }] of load) {
      if (this.#reserved.has(threadId)) {
        if (this.#reserved.get(threadId) === undefined) return this.#host.makeRoom(actors, threadId)
      } else if (best === undefined || actors < load.get(best)!.actors) best = threadId
    }
    if (best === undefined || (load.size > 1 && this.#reserved.size >= load.size - 1)) {
      // Those who have a thread to themselves may merely wait, even for the one that is to follow: then they make room.
      for (const threadId of this.#reserved.keys()) this.#host.makeRoom(1, threadId)
      return
    }
    this.#reserved.set(best, undefined)
    this.#host.makeRoom(load.get(best)!.actors, best)
  }
}

/** Deaths of the process that make a run careful; 0: it is not. */
export function carefulness({ progress }: Pick<RunState, 'progress'>): number {
  return progress.processDeaths >= CAREFUL_AFTER_DEATHS ? progress.processDeaths : 0
}

/** Its place in line. */
export function queuedRun({ meta, progress }: RunState): QueuedRun {
  const { queue, queueKey, priority, key } = meta
  return { priority, position: progress.queuePosition, key, queue, queueKey, holdsPlace: progress.holdsPlace }
}
