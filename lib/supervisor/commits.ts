/**
 * Group commit: everything decided in one turn goes to the store in one commit, and what is to be done about it is done
 * after that (I1). While a commit is under way the next one gathers. There is no timer, but where nobody can go on any sooner: a thread that has other
 * work for long does not miss the word that one of its steps is recorded, and a commit takes processor time that all threads want.
 *
 * When the store refuses, the changes wait, unacknowledged, and are tried again with growing delays (G8).
 */
import type { Alarm, Clock } from '../model/clock.ts'
import { assertInvariant } from '../invariant.ts'
import type { Envelope, ToSupervisor } from '../protocol/actor.ts'
import type { SupervisorStats } from '../protocol/host.ts'
import type { Change, Store } from '../store/contract.ts'

const FIRST_RETRY_MS = 20
export const LONGEST_RETRY_MS = 5000
/** While the store refuses, this many changes may wait before the host is refused further ones. What runs say is bounded by the runs at work. */
const MOST_WAITING = 10_000
/** How long a commit gathers that nobody waits for: one of these, and the thread that could go on after it has other work for half as long again. */
const PATIENCE_MS = [20, 10, 5, 2]
const WORK_FOR_PATIENCE = 1.5

export interface CommitListener {
  /** Last call before a commit: what can be decided now goes with it. */
  gather(): void
  /** The changes are durable. */
  committed(): void
  refused(error: unknown, attempt: number, retryMs: number): void
  recovered(): void
  /** Asked before each commit: the process is ending, and none may begin. */
  isStopRequested(): boolean
}

export class Commits {
  readonly #store: Store
  readonly #clock: Clock
  readonly #listener: CommitListener
  #changes: Change[] = []
  #after: (() => void)[] = []
  #scheduled = false
  #refusals = 0
  #refusedBecause: unknown
  #retry: Alarm | undefined
  #patienceMs = 0
  #later: Alarm | undefined
  #laterMs = Infinity
  #stopped = false
  #count = 0
  #entries = 0
  #lastMs = 0

  constructor(store: Store, clock: Clock, listener: CommitListener) {
    this.#store = store
    this.#clock = clock
    this.#listener = listener
  }

  get stats(): SupervisorStats['commits'] {
    return {
      count: this.#count, entries: this.#entries, lastMs: this.#lastMs, waiting: this.#changes.length, refusals: this.#refusals,
      ...(this.#refusals > 0 && { refusedBecause: messageOf(this.#refusedBecause) }),
    }
  }

  /** The store refused last time, and nothing is told until it takes commits again. */
  get isRefused(): boolean {
    return this.#refusals > 0
  }

  /** So much waits for a store that refuses that nobody should add to it. */
  get isFull(): boolean {
    return this.#refusals > 0 && this.#changes.length >= MOST_WAITING
  }

  /** Why the store refuses. */
  get refusedBecause(): unknown {
    return this.#refusedBecause
  }

  /** Nothing waits to be committed or to be done after it, but for a store that refuses. */
  get isStill(): boolean {
    return this.#retry !== undefined || (!this.#scheduled && this.#changes.length === 0 && this.#after.length === 0)
  }

  add(changes: readonly Change[]): void {
    for (const change of changes) this.#changes.push(change)
    this.schedule()
  }

  /** Does something once all that has been decided so far is durable: at once, if it is. */
  afterCommit(effect: () => void): void {
    if (this.#changes.length === 0 && this.#after.length === 0) effect()
    else {
      this.#after.push(effect)
      this.schedule()
    }
  }

  /** What is added meanwhile may wait so long for more. */
  patiently(patienceMs: number, work: () => void): void {
    this.#patienceMs = patienceMs
    try {
      work()
    } finally {
      this.#patienceMs = 0
    }
  }

  schedule(): void {
    if (this.#scheduled || this.#stopped || this.#retry !== undefined) return
    if (this.#patienceMs > 0) return this.#scheduleLater(this.#patienceMs)
    this.#scheduled = true
    this.#clock.soon(() => {
      this.#scheduled = false
      if (!this.#stopped && this.#retry === undefined) this.commit()
    })
  }

  #scheduleLater(patienceMs: number): void {
    if (patienceMs >= this.#laterMs) return
    this.#cancelLater()
    this.#laterMs = patienceMs
    this.#later = this.#clock.shortly(patienceMs, () => {
      this.#cancelLater()
      this.schedule()
    })
  }

  #cancelLater(): void {
    this.#later?.cancel()
    this.#later = undefined
    this.#laterMs = Infinity
  }

  /** Commits what waits. False: the store refused, and will be asked again. */
  commit(): boolean {
    if (this.#listener.isStopRequested()) return false
    this.#cancelLater()
    this.#listener.gather()
    const changes = this.#changes
    if (changes.length > 0 && !this.#write(changes)) return false
    this.#changes = []
    const effects = this.#after
    this.#after = []
    // First: what the effects decide in turn is not durable yet, and must not be let go with what is.
    this.#listener.committed()
    for (const effect of effects) effect()
    return true
  }

  /** No commit begins after this. */
  stop(): void {
    this.#stopped = true
    this.#cancelLater()
    this.#retry?.cancel()
  }

  #write(changes: readonly Change[]): boolean {
    const startedMs = this.#clock.nowMs()
    try {
      const results = this.#store.commit(changes)
      assertInvariant(results.every(result => result.type !== 'already-started'), 'a run was started under an id that was looked up and free')
    } catch (error) {
      const retryMs = Math.min(FIRST_RETRY_MS * 2 ** this.#refusals, LONGEST_RETRY_MS)
      this.#refusals++
      this.#refusedBecause = error
      this.#listener.refused(error, this.#refusals, retryMs)
      // Told of it, the listener may have given up.
      if (this.#stopped) return false
      this.#retry = this.#clock.schedule(retryMs, () => {
        this.#retry = undefined
        if (!this.#stopped) this.commit()
      })
      return false
    }
    if (this.#refusals > 0) {
      this.#refusals = 0
      this.#refusedBecause = undefined
      this.#listener.recovered()
    }
    this.#count++
    this.#entries += changes.length
    this.#lastMs = this.#clock.nowMs() - startedMs
    return true
  }
}

/** How long what a thread says can wait, while it has so much else to do: operations of its own only. */
export function patienceFor(facts: readonly Envelope<ToSupervisor>[], aheadMs: number): number {
  const patienceMs = PATIENCE_MS.find(ms => aheadMs >= WORK_FOR_PATIENCE * ms) ?? 0
  return patienceMs > 0 && facts.every(({ body: { type } }) => type === 'operation-completed' || type === 'step-started') ? patienceMs : 0
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
