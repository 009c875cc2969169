/** More waiting parents than places: whoever merely waits makes room, so that nothing waits for ever. */
import t from 'tap'
import { openTroupe } from '../harness.ts'
import { checkedParent, overIsolated, restless, tree } from '../fixtures/replay/bodies.ts'

const workflows = new URL('../fixtures/replay/bodies.js', import.meta.url)

for (const [threads, actorsPerThread] of [[1, 1], [1, 2], [2, 1]] as const) {
  t.test(`parents of parents on ${threads} threads with ${actorsPerThread} places each`, async t => {
    const troupe = await openTroupe(t, { workflows, threads, actorsPerThread })
    const handles = await troupe.startMany(tree, Array.from({ length: 5 }, () => ({ args: [3, 2] as [number, number] })))
    t.same(await Promise.all(handles.map(handle => handle.result())), [8, 8, 8, 8, 8])
    t.equal(await troupe.count({ status: 'succeeded' }), 5 * 15)
  })

  t.test(`waiting parents found by the next open() on ${threads} threads with ${actorsPerThread} places each`, async t => {
    const options = { workflows, threads, actorsPerThread, store: t.testdir({}) }
    const first = await openTroupe(t, options)
    const handles = await first.startMany(tree, Array.from({ length: 6 }, () => ({ args: [2, 3] as [number, number] })))
    await handles[0]!.result()
    await first.close({ mode: 'abandon' })
    const second = await openTroupe(t, options)
    for (const { id } of handles) t.equal(await (await second.get(id)).result(), 9)
  })
}

for (const threads of [1, 2, 3]) {
  t.test(`isolated parents of isolated children, deeper than ${threads} threads`, async t => {
    const troupe = await openTroupe(t, { workflows, threads })
    const handles = await troupe.startMany(overIsolated, [3, 4, 2].map(depth => ({ args: [depth] as [number] })))
    t.same(await Promise.all(handles.map(handle => handle.result())), [4, 5, 3])
  })
}

t.test('parents whose children\'s arguments are checked for a while are not forgotten when they are let go meanwhile', async t => {
  const troupe = await openTroupe(t, { workflows, threads: 1, actorsPerThread: 1 })
  const handles = await troupe.startMany(checkedParent, Array.from({ length: 6 }, (_, n) => ({ args: [n] as [number] })))
  t.same(await Promise.all(handles.map(handle => handle.result({ timeoutSeconds: 60 }))), [1, 2, 3, 4, 5, 6])
})

t.test('runs that sleep, call and work by turns, more than there are places, all come to their end', async t => {
  const troupe = await openTroupe(t, { workflows, threads: 2, actorsPerThread: 2 })
  const handles = await troupe.startMany(restless, Array.from({ length: 12 }, (_, seed) => ({ args: [seed, 8] as [number, number] })))
  const sums = await Promise.all(handles.map(handle => handle.result()))
  t.ok(sums.every(sum => sum >= 8), sums.join(' '))
})
