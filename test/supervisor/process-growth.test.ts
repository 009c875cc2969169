/** What is held against a thread that does not answer, by what the process grew: the rule alone. Numbers are MiB. */
import t from 'tap'
import { memoryIsBack, ProcessGrowth } from '../../lib/supervisor/process-growth.ts'
import type { Sight, ThreadSeen } from '../../lib/supervisor/process-growth.ts'

const MIB = 2 ** 20
const SILENT = 1

function sight(processMiB: number, buffersMiB: Readonly<Record<number, number>>): Sight {
  return { processBytes: processMiB * MIB, held: new Map(Object.entries(buffersMiB).map(([id, mib]) => [Number(id), { heapBytes: 5 * MIB, bufferBytes: mib * MIB }])) }
}

function seen(threadId: number, is: ThreadSeen['is'], buffersMiB: number): ThreadSeen {
  return { threadId, is, heapBytes: 5 * MIB, bufferBytes: buffersMiB * MIB, heapLineBytes: 100 * MIB }
}

/** Bytes outside the heap after each look, at which the process held so much and the other threads were so. */
function buffersAfter(before: Sight, lastMiB: number, looks: readonly (readonly [processMiB: number, ...others: ThreadSeen[]])[]): number[] {
  const growth = new ProcessGrowth(SILENT, before, lastMiB * MIB)
  return looks.map(([processMiB, ...others]) => growth.look(processMiB * MIB, [seen(SILENT, 'silent', 0), ...others]).bufferBytes / MIB)
}

t.test('what it took before the look at which it was last found to answer counts, and what another took and gave back in between hides nothing', async t => {
  const before = sight(77, { 1: 3, 2: 3 })
  // Both took 217 by the next look; then 2 is ended, and gives it back while 1 takes as much again.
  t.same(buffersAfter(before, 511, [
    [520, seen(2, 'ending', 217)],
    [520],
    [720],
  ]), [3 + 520 - 77 - 214, 3 + 520 - 77, 3 + 720 - 77])
})

t.test('what an ended thread had held before is added, as far as the process was seen to shrink', async t => {
  const before = sight(1000, { 1: 10, 2: 600 })
  t.same(buffersAfter(before, 1000, [
    [1000, seen(2, 'answering', 600)],
    [700, seen(2, 'ending', 600)],
    [395],
    [595],
  ]), [10, 10, 10, 210], 'it took nothing, and then 200')
  t.same(buffersAfter(before, 1000, [[900], [900]]), [10, 10], 'its memory may be kept for later use: that is not held against anybody')
  t.same(buffersAfter(before, 1000, [[100], [300]]), [10, 10], 'no more than it had')
  t.same(buffersAfter(before, 395, [[500]]), [115], 'also what it gave back before the first look')
})

t.test('what others say that they have taken is theirs; what they gave back without ending may still be there', async t => {
  const before = sight(100, { 1: 0, 2: 0, 3: 50 })
  t.same(buffersAfter(before, 100, [
    [400, seen(2, 'answering', 300), seen(3, 'answering', 50)],
    [400, seen(2, 'answering', 0), seen(3, 'answering', 50)],
    [450, seen(2, 'answering', 300), seen(3, 'answering', 0), seen(4, 'answering', 20)],
  ]), [0, 300, 25])
})

t.test('others that do not answer either may have taken it in their heaps, but not outside of them', async t => {
  const growth = new ProcessGrowth(SILENT, sight(100, { 1: 0, 2: 0 }), 100 * MIB)
  const taken = growth.look(400 * MIB, [seen(SILENT, 'silent', 0), seen(2, 'silent', 0)])
  t.same([taken.bufferBytes, taken.heapBytes, taken.ownBytes, taken.ownHeapBytes].map(bytes => bytes / MIB), [300, 210, 300, 205])
})

t.test('what a thread held is waited for as long as the process gets smaller, and for 0.2 s at most', async t => {
  const looksAt = async (sizes: (look: number) => number | undefined): Promise<number> => {
    let looks = 0
    await memoryIsBack(() => sizes(looks++))
    return looks
  }
  t.equal(await looksAt(look => ([500, 400, 300][look] ?? 200) * MIB), 6)
  t.equal(await looksAt(look => ([500, 500][look] ?? 300) * MIB), 5, 'it may begin late')
  t.equal(await looksAt(look => (500 - 2 * look) * MIB), 11)
  t.equal(await looksAt(() => undefined), 3)
})
