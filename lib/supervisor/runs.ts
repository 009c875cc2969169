/** The runs in memory: those that have something to do, and what was decided about them but is not durable yet. */
import { isFinished } from '../model/run.ts'
import type { RunKey } from '../model/run.ts'
import type { Store } from '../store/contract.ts'
import { stateFromStore } from './state.ts'
import type { RunState } from './state.ts'

/** Queued runs that stay in memory with all they need; further ones are read again when their turn comes. */
const MOST_QUEUED_IN_MEMORY = 10_000
/**
 * Runs that wait without an actor while messages gather in their mailboxes: so many, with so many bytes of messages in all, stay in
 * memory, or each further message would read the whole mailbox again.
 */
const MOST_WITH_MAIL = 1000
const MOST_MAIL_BYTES = 16 * 1024 * 1024

export class Runs {
  readonly #store: Store
  readonly #loaded: () => void
  readonly #states = new Map<RunKey, RunState>()
  /** Ids and deduplication ids of runs that were started and are not durable yet. */
  readonly #startedIds = new Map<string, RunKey>()
  readonly #startedDuplicates = new Map<string, RunKey>()
  readonly #startedChildren = new Map<RunKey, RunKey[]>()
  readonly #touched = new Set<RunState>()
  /** Those that stay for their mail's sake, the longest untouched first, with the bytes of it. */
  readonly #withMail = new Map<RunState, number>()
  #mailBytes = 0
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
    return this.unfinished(this.#startedDuplicates.get(duplicateKey(queue, deduplicationId)) ?? this.#store.findDuplicate(queue, deduplicationId))
  }

  /** The same among those that are not durable yet; the store is not asked. */
  findStarted(id: string, queue: string | undefined, deduplicationId: string | undefined): RunState | undefined {
    const byId = this.#startedIds.get(id)
    if (byId !== undefined) return this.get(byId)
    return deduplicationId === undefined ? undefined : this.unfinished(this.#startedDuplicates.get(duplicateKey(queue, deduplicationId)))
  }

  /** Children that were started and are not durable yet. */
  startedBy(parent: RunKey): readonly RunKey[] {
    return this.#startedChildren.get(parent) ?? []
  }

  /**
   * The run, unless it is finished: the store knows it as unfinished until the commit that finishes it. One that has finished and was read from the
   * store for this question alone is let go at once, because of a family nearly all may be like that.
   */
  unfinished(key: RunKey | undefined): RunState | undefined {
    if (key === undefined) return undefined
    const wasLoaded = this.#states.has(key)
    const state = this.get(key)
    if (state === undefined || !isFinished(state.progress.status)) return state
    if (!wasLoaded) {
      this.#letGo(state)
      this.#touched.delete(state)
    }
    return undefined
  }

  add(state: RunState): void {
    const { key, id, queue, deduplicationId, parent } = state.meta
    this.#states.set(key, state)
    this.#startedIds.set(id, key)
    if (deduplicationId !== undefined) this.#startedDuplicates.set(duplicateKey(queue, deduplicationId), key)
    if (parent !== undefined) {
      const siblings = this.#startedChildren.get(parent.key)
      if (siblings === undefined) this.#startedChildren.set(parent.key, [key])
      else siblings.push(key)
    }
    this.#touched.add(state)
  }

  /** It is being deleted: nothing can be known of it any more. */
  forget(state: RunState): void {
    this.#letGo(state)
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
    this.#startedChildren.clear()
    for (const state of this.#touched) {
      const keep = state.life.type === 'live' || (state.life.type === 'queued' && this.#states.size < MOST_QUEUED_IN_MEMORY)
      this.#forgetMail(state)
      if (keep) continue
      if (state.messages.length > 0 && !isFinished(state.progress.status)) this.#keepForMail(state)
      else this.#letGo(state)
    }
    this.#touched.clear()
    // Whoever was put back to work was touched, and is not among these any more.
    for (const oldest of this.#withMail.keys()) {
      if (this.#withMail.size <= MOST_WITH_MAIL && this.#mailBytes <= MOST_MAIL_BYTES) return
      this.#letGo(oldest)
    }
  }

  #keepForMail(state: RunState): void {
    const bytes = state.messages.reduce((sum, { message }) => sum + message.length, 0)
    this.#withMail.set(state, bytes)
    this.#mailBytes += bytes
  }

  #letGo(state: RunState): void {
    this.#forgetMail(state)
    this.#states.delete(state.meta.key)
  }

  #forgetMail(state: RunState): void {
    this.#mailBytes -= this.#withMail.get(state) ?? 0
    this.#withMail.delete(state)
  }
}

function duplicateKey(queue: string | undefined, deduplicationId: string): string {
  return JSON.stringify([queue ?? null, deduplicationId])
}

