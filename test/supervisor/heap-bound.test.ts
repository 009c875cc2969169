/** When a thread's heap is too large: the rule alone. */
import t from 'tap'
import { acquittedForMs, heapLines, judgeHeap, nextLookMs, resourceLimitsFor } from '../../lib/supervisor/heap-bound.ts'
import type { HeapLines, HeapSeen } from '../../lib/supervisor/heap-bound.ts'

const MIB = 2 ** 20
const BOUNDS = [16, 32, 48, 64, 128, 256, 341, 512, 513, 600, 1024, 2048, 4144, 8192, 1_048_576]

function limitOf(boundMiB: number): number {
  const { maxOldGenerationSizeMb, maxYoungGenerationSizeMb } = resourceLimitsFor(boundMiB)
  return (maxOldGenerationSizeMb + maxYoungGenerationSizeMb) * MIB
}

t.test('of every bound, the lines stand in order: bound, line, end, and V8\'s own limit last, and garbage and large things have room', async t => {
  for (const boundMiB of BOUNDS) {
    const limitBytes = limitOf(boundMiB)
    const { boundBytes, lineBytes, endBytes } = heapLines(boundMiB, limitBytes)
    t.equal(boundBytes, boundMiB * MIB)
    t.ok(boundBytes < lineBytes && lineBytes < endBytes && endBytes < limitBytes, `${boundMiB}: ${lineBytes / MIB}, ${endBytes / MIB}, ${limitBytes / MIB}`)
    const maxOldBytes = resourceLimitsFor(boundMiB).maxOldGenerationSizeMb * MIB
    const collectsAt = maxOldBytes < 2048 * MIB ? 2 * 0.8 * boundBytes : Math.min(4 * 0.8 * boundBytes, (0.8 * boundBytes + maxOldBytes) / 2)
    t.ok(collectsAt < lineBytes, `${boundMiB}: V8 collects the garbage of who holds 0.8 of it at ${Math.round(collectsAt / MIB)} MiB`)
    t.ok(limitBytes - lineBytes >= 1023 * MIB, 'the largest object has room')
    t.ok(limitBytes >= Math.min(3 * endBytes, endBytes + 768 * MIB), 'a table that grows has room when its heap is ended for certain')
  }
})

t.test('V8\'s limit is what the thread says it is: with no room above the bound V8 alone ends the thread, with much more the line moves up', async t => {
  for (const limitMiB of [32, 64]) {
    const lines = heapLines(64, limitMiB * MIB)
    t.equal(judgeHeap(lines, seen(63)), 'goes-on')
    t.equal(judgeHeap(lines, seen(9999)), 'goes-on')
    t.equal(nextLookMs(lines, 63 * MIB), Infinity)
  }
  t.equal(heapLines(64, 80 * MIB).lineBytes, 72 * MIB)
  t.equal(heapLines(64, 4144 * MIB).lineBytes, (64 + 4144) / 2 * MIB)
})

function seen(heapMiB: number, more: Partial<HeapSeen> = {}): HeapSeen {
  return { heapBytes: heapMiB * MIB, by: 'itself', askedForMs: undefined, isAcquitted: false, ...more }
}

t.test('a heap past the bound is to be collected, not ended; what is left after that decides', async t => {
  const lines: HeapLines = { boundBytes: 64 * MIB, lineBytes: 128 * MIB, endBytes: 256 * MIB }
  t.equal(judgeHeap(lines, seen(64)), 'goes-on')
  for (const by of ['itself', 'outside'] as const) {
    t.equal(judgeHeap(lines, seen(65, { by })), 'is-to-collect')
    t.equal(judgeHeap(lines, seen(65, { by, isAcquitted: true })), 'goes-on', 'it has collected not long ago')
    t.equal(judgeHeap(lines, seen(129, { by, isAcquitted: true })), 'is-to-collect', 'past the line it is to do it again')
    t.equal(judgeHeap(lines, seen(65, { by, askedForMs: 9999 })), 'goes-on', 'below the line it may take its time')
    t.equal(judgeHeap(lines, seen(129, { by, askedForMs: 499 })), 'goes-on')
    t.equal(judgeHeap(lines, seen(257, { by })), 'ends', 'that is past waiting')
  }
  t.equal(judgeHeap(lines, seen(129, { by: 'outside', askedForMs: 500 })), 'ends', 'it has not answered')
  t.equal(judgeHeap(lines, seen(129, { by: 'itself', askedForMs: 500 })), 'goes-on', 'it answers: what it was asked comes next')
  t.equal(judgeHeap(lines, seen(64, { by: 'itself-collected' })), 'goes-on')
  t.equal(judgeHeap(lines, seen(65, { by: 'itself-collected' })), 'ends')
})

t.test('the less room a heap has, the sooner it is looked at again; and to collect takes a hundredth of a thread\'s time at most', async t => {
  const lines = heapLines(64, limitOf(64))
  t.ok(nextLookMs(lines, 0) <= 64)
  t.ok(nextLookMs(lines, 100 * MIB) < nextLookMs(lines, 50 * MIB))
  t.equal(nextLookMs(lines, 127 * MIB), 20, 'but not without a pause')
  t.ok(nextLookMs(heapLines(4144, limitOf(4144)), 0) > 1000)
  t.equal(acquittedForMs(10), 5000)
  t.equal(acquittedForMs(300), 30_000)
})
