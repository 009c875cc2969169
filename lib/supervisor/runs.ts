/** The runs in memory: those that have something to do, and what was decided about them but is not durable yet. */
import { isFinished } from '../model/run.ts'
import type { RunKey } from '../model/run.ts'
import type { Store } from '../store/contract.ts'
import { stateFromStore } from './state.ts'
import type { RunState } from './state.ts'

/** Queued runs that stay in memory with all they need; further ones are read again when their turn comes. */
const MOST_QUEUED_IN_MEMORY = 10_000

export class Runs {
  readonly #store: Store
  readonly #loaded: () => void
  readonly #states = new Map<RunKey, RunState>()
  /** Ids and deduplication ids of runs that were started and are not durable yet. */
  readonly #startedIds = new Map<string, RunKey>()
  readonly #startedDuplicates = new Map<string, RunKey>()
  readonly #touched = new Set<RunState>()
  readonly #deleted = new Set<RunKey>()

  /** `loaded`: a run was read from the store; settle() is to be called in a later turn, also if nothing is decided about it. */
  constructor(store: Store, loaded: () => void) {
    this.#store = store
    this.#loaded = loaded
  }

  /** undefined: there is no such run. */
  get(key: RunKey): RunState | undefined {
    const known = this.#states.get(key)
    if (known !== undefined) return known
    // The store has it until the commit.
    if (this.#deleted.has(key)) return undefined
    const stored = this.#store.loadRun(key)
    if (stored === undefined) return undefined
    const state = stateFromStore(stored)
    this.#states.set(key, state)
    this.#touched.add(state)
    this.#loaded()
    return state
  }

  /** Only if it is in memory: actors' words concern no others. */
  loaded(key: RunKey): RunState | undefined {
    return this.#states.get(key)
  }

  find(id: string): RunState | undefined {
    const key = this.#startedIds.get(id) ?? this.#store.findRun(id)
    return key === undefined ? undefined : this.get(key)
  }

  findDuplicate(queue: string | undefined, deduplicationId: string): RunState | undefined {
    const key = this.#startedDuplicates.get(duplicateKey(queue, deduplicationId)) ?? this.#store.findDuplicate(queue, deduplicationId)
    const state = key === undefined ? undefined : this.get(key)
    // The store knows it as unfinished until the commit that finishes it.
    return state === undefined || isFinished(state.progress.status) ? undefined : state
  }

  add(state: RunState): void {
    const { key, id, queue, deduplicationId } = state.meta
    this.#states.set(key, state)
    this.#startedIds.set(id, key)
    if (deduplicationId !== undefined) this.#startedDuplicates.set(duplicateKey(queue, deduplicationId), key)
    this.#touched.add(state)
  }

  /** It is being deleted: nothing can be known of it any more. */
  forget(state: RunState): void {
    this.#states.delete(state.meta.key)
    this.#touched.delete(state)
    this.#deleted.add(state.meta.key)
  }

  touch(state: RunState): void {
    this.#touched.add(state)
  }

  *live(): Iterable<RunState> {
    for (const state of this.#states.values()) if (state.life.type === 'live') yield state
  }

  /** All decisions are durable: what the store can give back is let go. */
  settle(): void {
    this.#deleted.clear()
    this.#startedIds.clear()
    this.#startedDuplicates.clear()
    for (const state of this.#touched) {
      const keep = state.life.type === 'live' || (state.life.type === 'queued' && this.#states.size < MOST_QUEUED_IN_MEMORY)
      if (!keep) this.#states.delete(state.meta.key)
    }
    this.#touched.clear()
  }
}

function duplicateKey(queue: string | undefined, deduplicationId: string): string {
  return JSON.stringify([queue ?? null, deduplicationId])
}

