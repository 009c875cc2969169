/**
 * How many actors at work each thread takes at this moment, between a few and actorsPerThread. Whether code computes or waits shows only when it runs, so a
 * thread is given a few actors, and more as long as it has time to spare or answers quickly; one whose code does not yield for long gets no
 * more than keep it at work. So runs that compute spread over the threads as they come to their turns, and runs that wait share. Measured from outside, by
 * the machine's own time.
 */
import { monotonicMs } from '../system.ts'
import type { Pulse } from './pulse.ts'

/**
 * What a thread takes whose code does not yield: one computes, the results of others are committed. Before anything is known of its actors it takes no
 * more: if they compute, what it took first would be missing on other threads.
 */
const FEW = 4
const LOOK_EVERY_MS = 5
/** While every thread has been at work all the time. Each look takes some of it. */
const LOOK_SELDOM_MS = 20
/** So much of the time without anything to do is time to spare. */
const SPARE_SHARE = 0.2
/** A thread whose turns take longer than this, on average over so much time at work, computes. Being slow for a moment, as on a machine with much to do, is not that. */
const LONG_TURN_MS = 5
const JUDGED_AFTER_MS = 20

type Measured = Pick<Pulse, 'threadId' | 'actors' | 'words' | 'idleMs'>

interface Thread {
  readonly pulse: Measured
  places: number
  lookedMs: number
  words: number
  idleMs: number
  /** Time at work since it had time to spare, or was judged; and what it said in it. */
  busyMs: number
  busyWords: number
}

export class Places {
  readonly #most: number
  /** There may be more places now. */
  readonly #looked: () => void
  readonly #threads = new Map<number, Thread>()
  #lookedMs = 0
  #hadTime = true
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  constructor(actorsPerThread: number, looked: () => void) {
    this.#most = actorsPerThread
    this.#looked = looked
  }

  add(pulse: Measured): void {
    this.#threads.set(pulse.threadId, {
      pulse, places: Math.min(FEW, this.#most), lookedMs: monotonicMs(), words: pulse.words, idleMs: pulse.idleMs, busyMs: 0, busyWords: 0,
    })
  }

  remove(threadId: number): void {
    this.#threads.delete(threadId)
  }

  /** Actors at work that it takes, those that it has included. */
  of(threadId: number): number {
    return this.#threads.get(threadId)?.places ?? this.#most
  }

  /** Runs wait for a place. */
  wanted(): void {
    const nowMs = monotonicMs()
    if (nowMs - this.#lookedMs >= LOOK_EVERY_MS) this.look(nowMs)
  }

  /** Runs wait, and there are threads that might take them if they had time: they are looked at again soon. */
  awaitMore(): void {
    if (this.#timer !== undefined || this.#stopped) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.wanted()
      this.#looked()
    }, this.#hadTime ? LOOK_EVERY_MS : LOOK_SELDOM_MS).unref()
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  look(nowMs: number): void {
    this.#lookedMs = nowMs
    this.#hadTime = false
    for (const thread of this.#threads.values()) this.#lookAt(thread, nowMs)
  }

  #lookAt(thread: Thread, nowMs: number): void {
    const { pulse } = thread
    const { words, idleMs } = pulse
    const passedMs = nowMs - thread.lookedMs
    const idledMs = Math.min(Math.max(idleMs - thread.idleMs, 0), passedMs)
    const said = words - thread.words
    Object.assign(thread, { lookedMs: nowMs, words, idleMs })
    const hasTime = idledMs >= SPARE_SHARE * passedMs
    if (hasTime) {
      this.#hadTime = true
      thread.busyMs = 0
      thread.busyWords = 0
    } else {
      thread.busyMs += passedMs
      thread.busyWords += said
      if (thread.busyMs >= JUDGED_AFTER_MS) this.#judge(thread)
    }
    // Places that nobody has taken yet say nothing of what more would do.
    if (pulse.actors >= thread.places && (hasTime || said * LONG_TURN_MS > passedMs)) thread.places = Math.min(this.#most, 2 * thread.places)
  }

  #judge(thread: Thread): void {
    if (thread.busyMs > thread.busyWords * LONG_TURN_MS) thread.places = Math.max(Math.min(FEW, this.#most), Math.floor(thread.places / 2))
    thread.busyMs = 0
    thread.busyWords = 0
  }
}
