/**
 * What is known of a worker thread from outside: whether it answers, whose code has it, and how much memory it holds. A thread whose code
 * does not yield can say nothing of that itself.
 */
import { Worker } from 'node:worker_threads'
import type { RunKey } from '../model/run.ts'
import { Presence } from '../protocol/presence.ts'
import type { Holder } from '../protocol/presence.ts'
import type { Load } from '../protocol/thread.ts'

/** A thread that was told to end is told so again after this. */
const FIRST_REPEAT_MS = 200

/** Why the supervisor ends a thread, and whom that concerns. */
export interface Sentence {
  /** Completes "its thread ...". */
  readonly problem: string
  /** The attempt that took longer than its timeoutSeconds, where it is certain that its code had the thread. */
  readonly timedOut?: { readonly key: RunKey, readonly incarnation: number, readonly index: number }
  /** Whose code it may have been: they go on alone. */
  readonly suspects?: ReadonlySet<RunKey>
  /** It is to be heard as a crash, if this is so once the thread has gone. */
  readonly isCrash?: () => boolean
}

/** What a thread's sentence says of one of its actors. */
export function concernOf(sentence: Sentence | undefined, key: RunKey, incarnation: number): { readonly timedOut: number | undefined, readonly isSuspect: boolean } {
  const timedOut = sentence?.timedOut
  return { timedOut: timedOut?.key === key && timedOut.incarnation === incarnation ? timedOut.index : undefined, isSuspect: sentence?.suspects?.has(key) === true }
}

export interface PulseParts {
  readonly worker: Worker
  readonly threadId: number
  /** Lives whose task is under way in the thread. */
  readonly actors: ReadonlyMap<RunKey, number>
  order(order: { readonly type: 'tell-load' | 'collect-garbage' }): void
  /** Hears at once what the thread has sent already. */
  hear(): void
}

/** Newer versions of node have it: the thread is interrupted for it, also in the midst of JavaScript that does not yield. */
interface Measurable {
  getHeapStatistics?(): Promise<{ readonly used_heap_size: number, readonly heap_size_limit: number, readonly external_memory: number }>
}

export const MEASURES_FROM_OUTSIDE = 'getHeapStatistics' in Worker.prototype

export class Pulse {
  readonly presence = new Presence()
  readonly #parts: PulseParts
  /** Somebody may have something to do in it from now on. */
  onStir: (() => void) | undefined
  /** What it holds was measured anew: it said so itself, or it was asked from outside. */
  onMeasured: ((by: 'itself' | 'outside', collectedMs?: number) => void) | undefined
  heapBytes = 0
  /** V8's own limit of its heap; before it was measured, the one that it was given. */
  heapLimitBytes: number
  bufferBytes = 0
  /** How long it has given no sign of life; time in which nobody looked does not count. */
  silentMs = 0
  /** How long it has been told to end. */
  endingMs: number | undefined
  #words = 0
  #seenWords = 0
  #seenIdle = 0
  #isAsked = false
  #isMeasured = true
  #endAgainMs = 0

  constructor(parts: PulseParts) {
    this.#parts = parts
    const { maxOldGenerationSizeMb = Infinity, maxYoungGenerationSizeMb = 0 } = parts.worker.resourceLimits ?? {}
    this.heapLimitBytes = (maxOldGenerationSizeMb + maxYoungGenerationSizeMb) * 2 ** 20
  }

  get threadId(): number {
    return this.#parts.threadId
  }

  get actors(): number {
    return this.#parts.actors.size
  }

  get holder(): Holder | undefined {
    return this.presence.holder
  }

  /** How often it was heard. */
  get words(): number {
    return this.#words
  }

  /** How long its loop has had nothing to do, in all. */
  get idleMs(): number {
    return this.#parts.worker.performance.eventLoopUtilization().idle
  }

  /** Each word of it is a sign of life. */
  heard(): void {
    this.#words++
  }

  measured(load: Load): void {
    this.#isAsked = false
    this.#takeOver(load)
    this.onMeasured?.('itself', load.collectedMs)
  }

  /** Has it collect its garbage and say what it holds then. */
  collectGarbage(): void {
    this.#parts.order({ type: 'collect-garbage' })
  }

  stir(): void {
    this.onStir?.()
  }

  /**
   * Tells it to end, and again after twice as long each time: an order that comes while node's own callback about a promise runs (one that
   * is rejected, or settled once more) may be lost, and a loop that settles promises would go on.
   */
  end(): void {
    this.endingMs ??= 0
    this.#endAgainMs = Math.max(FIRST_REPEAT_MS, 2 * this.endingMs)
    this.#parts.worker.setMaxListeners(0) // each call adds one
    void this.#parts.worker.terminate()
  }

  look(passedMs: number): void {
    const { idle } = this.#parts.worker.performance.eventLoopUtilization()
    // A loop that has waited for something new has gone round.
    const isAlive = this.#words !== this.#seenWords || idle > this.#seenIdle
    this.#seenWords = this.#words
    this.#seenIdle = idle
    this.silentMs = isAlive ? 0 : this.silentMs + passedMs
    if (this.endingMs !== undefined) {
      this.endingMs += passedMs
      if (this.endingMs >= this.#endAgainMs) this.end()
      return
    }
    if (this.#isAsked) return
    this.#isAsked = true
    this.#parts.order({ type: 'tell-load' })
  }

  /** False: what it has sent was only not heard yet. */
  isSilentIndeed(): boolean {
    this.#parts.hear()
    if (this.#words !== this.#seenWords) this.silentMs = 0
    return this.silentMs > 0
  }

  /** Measures what it holds, whether it answers or not. */
  measureFromOutside(): void {
    if (!this.#isMeasured) return // the last time is still to come: it is in native code
    const worker: Measurable = this.#parts.worker
    this.#isMeasured = false
    worker.getHeapStatistics?.().then(({ used_heap_size: heapBytes, heap_size_limit: heapLimitBytes, external_memory: bufferBytes }) => {
      this.#isMeasured = true
      this.#takeOver({ heapBytes, heapLimitBytes, bufferBytes })
      this.onMeasured?.('outside')
    }, () => {}) // it has ended
  }

  #takeOver({ heapBytes, heapLimitBytes, bufferBytes }: Load): void {
    this.heapBytes = heapBytes
    this.heapLimitBytes = heapLimitBytes
    this.bufferBytes = bufferBytes
  }
}
