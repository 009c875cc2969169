/**
 * What a thread that does not answer has taken, where only the process can be measured: by what the process holds more than before the thread
 * was last heard, less what the others say that they have taken since.
 *
 * Before, because what a thread does after its last word it may have done by the time of the next look. And what a thread that has ended gives
 * back was there before, or it is no reason to think that another one has grown by so much less.
 */
import { setTimeout as delay } from 'node:timers/promises'

const LOOK_EVERY_MS = 20
const MOST_LOOKS = 10
const STILL_LOOKS = 2
/** Less is what any process does while nothing happens. */
const FALLS_BYTES = 2 ** 20

/** What a thread said that it holds, in its heap and outside of it. */
export interface Held {
  readonly heapBytes: number
  readonly bufferBytes: number
}

/** What the process held at one look, and what its threads said when they were asked then. */
export interface Sight {
  readonly processBytes: number
  readonly held: ReadonlyMap<number, Held>
}

export interface ThreadSeen extends Held {
  readonly threadId: number
  readonly is: 'answering' | 'silent' | 'ending'
  /** What its heap may come to without being too large. */
  readonly heapLineBytes: number
}

export interface Taken extends Held {
  /** Of the process, since then. */
  readonly ownBytes: number
  /** The same less what other threads that do not answer may have taken in their heaps. */
  readonly ownHeapBytes: number
}

export class ProcessGrowth {
  readonly #threadId: number
  readonly #before: Sight
  #lastBytes: number
  #returnedBytes: number

  /** Since a look; `lastBytes`: what the process held at the one before the first call of look(), which may be a later one. */
  constructor(threadId: number, before: Sight, lastBytes: number) {
    this.#threadId = threadId
    this.#before = before
    this.#lastBytes = lastBytes
    this.#returnedBytes = Math.max(0, before.processBytes - lastBytes)
  }

  /** Once for each look. */
  look(processBytes: number, threads: readonly ThreadSeen[]): Taken {
    const { held } = this.#before
    const there = new Map(threads.map(thread => [thread.threadId, thread]))
    let owedBytes = 0
    for (const [threadId, before] of held) {
      const now = there.get(threadId)
      if (threadId !== this.#threadId && (now === undefined || now.is === 'ending')) owedBytes += bytesOf(before)
    }
    this.#returnedBytes = Math.min(owedBytes, this.#returnedBytes + Math.max(0, this.#lastBytes - processBytes))
    this.#lastBytes = processBytes
    let [saidBytes, silentBytes] = [0, 0]
    for (const thread of threads) {
      if (thread.threadId === this.#threadId) continue
      if (thread.is === 'silent') silentBytes += Math.max(0, thread.heapLineBytes - thread.heapBytes)
      else saidBytes += Math.max(0, bytesOf(thread) - bytesOf(held.get(thread.threadId)))
    }
    const own = held.get(this.#threadId)
    const ownBytes = Math.max(0, processBytes - this.#before.processBytes + this.#returnedBytes - saidBytes)
    const ownHeapBytes = Math.max(0, ownBytes - silentBytes)
    return { ownBytes, ownHeapBytes, heapBytes: (own?.heapBytes ?? 0) + ownHeapBytes, bufferBytes: (own?.bufferBytes ?? 0) + ownBytes }
  }
}

function bytesOf(held: Held | undefined): number {
  return held === undefined ? 0 : held.heapBytes + held.bufferBytes
}

/**
 * A thread that has ended gives back what it held a little later: resolves when the process no longer gets smaller, or after 0.2 s. Then it shows whether the
 * memory was that thread's, and what comes next is not hidden by it.
 */
export async function memoryIsBack(processBytes: () => number | undefined): Promise<void> {
  let lastBytes = processBytes() ?? 0
  for (let looks = 0, still = 0; looks < MOST_LOOKS && still < STILL_LOOKS; looks++) {
    await delay(LOOK_EVERY_MS)
    const bytes = processBytes() ?? 0
    still = bytes < lastBytes - FALLS_BYTES ? 0 : still + 1
    lastBytes = bytes
  }
}
