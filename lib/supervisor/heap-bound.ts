/**
 * What the heaps of threads may come to. V8's own limit cannot be the bound: at it, node gives a thread 16 MiB more to end in, and what needs
 * more at once than that (a Map that grows, the objects of a large text, survivors of the young generation) ends the process. So V8's
 * limit stands well above the bound, and the supervisor's watch ends the thread before it gets there.
 *
 * A heap that is larger than the bound may be so with garbage: the more V8 may use, the more it lets lie. Therefore
 *  - a thread that answers collects its garbage when it is asked to: what is left is what it holds;
 *  - one that does not answer is ended when its heap is past a line that it does not reach with garbage: V8 collects before a heap is twice
 *    as large as what lives in it, or if its limit is 2 GiB or more (then it is four times) before it is halfway from that to the limit.
 *    With 0.8 of the bound alive, what was measured at most was below the line (by 3 per cent at 512 MiB, by 19 at 64 MiB);
 *  - what is left above the line is for what comes in between two looks, and for the largest thing that is made at once: no object is larger than
 *    1 GiB. A table that grows is there twice, the new one twice as large, and a heap is ended for certain when a quarter of that room is used.
 */
import { getHeapStatistics } from 'node:v8'

const MIB = 2 ** 20

/** Above it V8's limit is more than 2 GiB. */
const MOST_SMALL_MIB = 512
const LEAST_ROOM_MIB = 64
const LARGEST_OBJECT_MIB = 1024
/** A heap so much larger than it was given to be: the process was started with a --max-old-space-size, which takes the place of that. */
const FLAGGED_BYTES = 16 * MIB

/** How long a thread that is past the line may not answer: it could collect its garbage. */
const ANSWER_WITHIN_MS = 500
/** Which may take so much of its time. */
const COLLECT_SHARE = 0.01
const COLLECT_AGAIN_MS = 5000

/** What no code allocates faster than for long, with what it takes to be measured. */
const FASTEST_BYTES_PER_MS = 2 * MIB
const SOONEST_LOOK_MS = 20

/** What V8 gives a thread that nobody gives a limit, such as this one. */
export function defaultHeapMiB(): number {
  return Math.round(getHeapStatistics().heap_size_limit / MIB)
}

export function resourceLimitsFor(threadHeapMiB: number): { readonly maxYoungGenerationSizeMb: number, readonly maxOldGenerationSizeMb: number } {
  return {
    // Three times a power of two: V8 rounds to that. 48 is what Node 20 has; more is no faster, and takes the more room at the limit.
    maxYoungGenerationSizeMb: threadHeapMiB < 32 ? 12 : threadHeapMiB < 96 ? 24 : 48,
    maxOldGenerationSizeMb: lineMiB(threadHeapMiB) + LARGEST_OBJECT_MIB - 1,
  }
}

function lineMiB(threadHeapMiB: number): number {
  return threadHeapMiB + (threadHeapMiB > MOST_SMALL_MIB ? LARGEST_OBJECT_MIB : Math.max(LEAST_ROOM_MIB, threadHeapMiB))
}

export interface HeapLines {
  /** What it may hold. */
  readonly boundBytes: number
  /** What it does not get to use unless it holds more. */
  readonly lineBytes: number
  /** From here on it cannot be waited any longer. */
  readonly endBytes: number
}

/** `limitBytes`: as the thread's V8 tells it. Where that is no more than the bound, V8 alone ends the thread. */
export function heapLines(threadHeapMiB: number, limitBytes: number): HeapLines {
  const boundBytes = threadHeapMiB * MIB
  if (limitBytes <= boundBytes) return { boundBytes, lineBytes: Infinity, endBytes: Infinity }
  const { maxOldGenerationSizeMb, maxYoungGenerationSizeMb } = resourceLimitsFor(threadHeapMiB)
  const givenBytes = (maxOldGenerationSizeMb + maxYoungGenerationSizeMb) * MIB
  const halfway = (boundBytes + limitBytes) / 2
  const lineBytes = limitBytes > givenBytes + FLAGGED_BYTES ? halfway : Math.min(lineMiB(threadHeapMiB) * MIB, halfway)
  return { boundBytes, lineBytes, endBytes: lineBytes + (limitBytes - lineBytes) / 4 }
}

export interface HeapSeen {
  readonly heapBytes: number
  /** By whom: itself, itself when it had collected its garbage, or from outside, whether it answers or not. */
  readonly by: 'itself' | 'itself-collected' | 'outside'
  /** How long it has been asked to collect its garbage and has not answered. */
  readonly askedForMs: number | undefined
  /** It has collected its garbage not long ago, and held no more than it may. */
  readonly isAcquitted: boolean
}

export function judgeHeap({ boundBytes, lineBytes, endBytes }: HeapLines, { heapBytes, by, askedForMs, isAcquitted }: HeapSeen): 'goes-on' | 'is-to-collect' | 'ends' {
  if (heapBytes <= boundBytes || lineBytes === Infinity) return 'goes-on'
  if (heapBytes > endBytes || by === 'itself-collected') return 'ends'
  const isPastLine = heapBytes > lineBytes
  if (askedForMs === undefined) return isPastLine || !isAcquitted ? 'is-to-collect' : 'goes-on'
  return isPastLine && by === 'outside' && askedForMs >= ANSWER_WITHIN_MS ? 'ends' : 'goes-on'
}

/** How long one that held no more than it may, and took so long to collect its garbage, is not asked to again, unless it is past the line. */
export function acquittedForMs(collectedMs: number): number {
  return Math.max(COLLECT_AGAIN_MS, collectedMs / COLLECT_SHARE)
}

/** When a heap that may still grow is to be looked at again, at the latest. */
export function nextLookMs({ lineBytes, endBytes }: HeapLines, heapBytes: number): number {
  return soonestFor((heapBytes <= lineBytes ? lineBytes : endBytes) - heapBytes)
}

/** When so much room may be used up. */
export function soonestFor(roomBytes: number): number {
  return Math.max(SOONEST_LOOK_MS, roomBytes / FASTEST_BYTES_PER_MS)
}
