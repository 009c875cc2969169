/** What every store must do with deduplication ids. */
import type { Test } from 'tap'
import type { OpenStore } from './conformance.ts'
import { moved, newRun, started } from './runs.ts'

export async function conformsInDeduplication(t: Test, open: OpenStore): Promise<void> {
  const once = { queue: 'q', deduplicationId: 'once' }

  await t.test('an unfinished run holds its deduplication id in its queue, and lets go when it finishes', async t => {
    const store = await open(t)
    const run = newRun(store, once)
    await store.commit([started(run)])
    t.equal(await store.findDuplicate('q', 'once'), run.key)
    t.equal(await store.findDuplicate(undefined, 'once'), undefined)
    t.equal(await store.findDuplicate('r', 'once'), undefined)
    const running = moved(run, 'running')
    await store.commit([running.change])
    t.equal(await store.findDuplicate('q', 'once'), run.key)
    await store.commit([moved(running.run, 'failed').change])
    t.equal(await store.findDuplicate('q', 'once'), undefined)
  })

  await t.test('runs of no queue and of queues whose names run together do not mix', async t => {
    const store = await open(t)
    const runs = [newRun(store, { deduplicationId: 'ab' }), newRun(store, { queue: 'a', deduplicationId: 'b' }), newRun(store, { queue: 'ab', deduplicationId: 'b' })]
    await store.commit(runs.map(started))
    t.same([await store.findDuplicate(undefined, 'ab'), await store.findDuplicate('a', 'b'), await store.findDuplicate('ab', 'b')], runs.map(({ key }) => key))
  })

  await t.test('a run that starts while the id is held does not get it, even if it is let go of later in the same commit', async t => {
    const store = await open(t)
    const [a, b] = [newRun(store, once), newRun(store, once)] as const
    await store.commit([started(a), started(b), moved(a, 'failed').change])
    t.equal(await store.findDuplicate('q', 'once'), undefined)
    await store.commit([moved(b, 'running').change])
    t.equal(await store.findDuplicate('q', 'once'), b.key, 'it takes it with its next change')
  })

  await t.test('the first holder keeps the id; one that is resumed takes it back only if it is free', async t => {
    const store = await open(t)
    const [a, b] = [newRun(store, once), newRun(store, once)] as const
    const failed = moved(a, 'failed')
    await store.commit([started(a), failed.change, started(b)])
    t.equal(await store.findDuplicate('q', 'once'), b.key)
    const resumed = moved(failed.run, 'enqueued')
    await store.commit([resumed.change])
    t.equal(await store.findDuplicate('q', 'once'), b.key)
    await store.commit([moved(resumed.run, 'failed').change])
    t.equal(await store.findDuplicate('q', 'once'), b.key, 'and its end takes nothing from the holder')
    await store.commit([moved(b, 'succeeded').change])
    await store.commit([resumed.change])
    t.equal(await store.findDuplicate('q', 'once'), a.key)
  })
}
