/**
 * What the heaps of threads may come to. V8's own limit cannot be the bound: at it, node gives a thread 16 MiB more to end in, and what needs
 * more at once than that (a Map that grows, the objects of a large text, survivors of the young generation) ends the process. So V8's
 * limit stands well above the bound, and the supervisor's watch ends a thread whose heap has come halfway from the one to the other.
 *
 * Why halfway: V8 collects when a heap is as large as what lives in it and as much garbage as it finds worth while, and the more it may use,
 * the more that is, but never more than half of what is left up to its limit. So a thread that holds less than its bound stays below (but
 * for what V8 overshoots while it marks: with 0.8 of the bound alive, the most that was measured is 1.65 of it), and one that is above
 * holds more than its bound. The other half is for what comes in between two looks, and for a table that grows from below that line:
 * it is there twice, the new one twice as large.
 */
import { getHeapStatistics } from 'node:v8'

const MIB = 2 ** 20

/** From a small bound to V8's limit; with a large one, half of it holds the largest object that there is in a heap (1 GiB). */
const LEAST_ROOM_MIB = 192
const MOST_ROOM_MIB = 2048

/** Node 20's own, and what small heaps have of it: a larger one is no faster. */
const MOST_YOUNG_MIB = 48
const LEAST_YOUNG_MIB = 16

/** What no code allocates faster than for long, with what it takes to be measured. */
const FASTEST_BYTES_PER_MS = 2 * MIB
const SOONEST_LOOK_MS = 20

/** What V8 gives a thread that nobody gives a limit, such as this one. */
export function defaultHeapMiB(): number {
  return Math.round(getHeapStatistics().heap_size_limit / MIB)
}

export function resourceLimitsFor(threadHeapMiB: number | undefined): { readonly maxYoungGenerationSizeMb: number, readonly maxOldGenerationSizeMb?: number } {
  if (threadHeapMiB === undefined) return { maxYoungGenerationSizeMb: MOST_YOUNG_MIB }
  return {
    maxYoungGenerationSizeMb: Math.min(MOST_YOUNG_MIB, Math.max(LEAST_YOUNG_MIB, Math.floor(threadHeapMiB / 2))),
    maxOldGenerationSizeMb: threadHeapMiB + Math.min(MOST_ROOM_MIB, Math.max(LEAST_ROOM_MIB, 2 * threadHeapMiB)),
  }
}

/**
 * How large a thread's heap may be seen. The limit is as the thread's V8 tells it, because the process may have been started with a --max-old-space-size,
 * which takes the place of what a thread is given: where it is no larger than the bound, V8 alone ends the thread.
 */
export function mostHeapBytes(threadHeapMiB: number, limitBytes: number): number {
  const boundBytes = threadHeapMiB * MIB
  return limitBytes <= boundBytes ? Infinity : (boundBytes + limitBytes) / 2
}

/** When a heap that may still grow by so much is to be looked at again, at the latest. */
export function nextLookMs(roomBytes: number): number {
  return Math.max(SOONEST_LOOK_MS, roomBytes / FASTEST_BYTES_PER_MS)
}
