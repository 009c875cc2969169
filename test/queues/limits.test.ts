/** What queues bound: runs at work at once, by host and by key, and starts in a window of time. */
import t from 'tap'
import type { RunHandle } from 'troupe'
import { gated, quick } from '../fixtures/queues/work.ts'
import { BoundsChecker } from './bounds-checker.ts'
import { STORES, World } from './world.ts'

const go = async (handle: RunHandle<unknown>): Promise<void> => { await handle.send(undefined, { topic: 'go' }) }
const ONE_PLACE = { threads: 1, actorsPerThread: 1 }

for (const store of STORES) {
  t.test(`${store}: a run holds its place of a queue's concurrency until its outcome, let go from its thread or not, over restarts`, async t => {
    const world = new World(t, store)
    const checker = new BoundsChecker()
    world.watch = checker.see
    let troupe = await world.open(ONE_PLACE)
    await troupe.setQueue('q', { concurrency: 2 })
    let handles = await troupe.startMany(gated, Array.from({ length: 6 }, (_, i) => ({ args: [world.trace, `${i}`] as [string, string], options: { queue: 'q', id: `${i}` } })))
    await world.saidSoOften('begin', 2)
    await world.others(troupe)
    t.same(world.said(), ['begin 0', 'begin 1'], 'those that merely wait were let go, and nobody took their places')
    t.same(await troupe.listQueues(), [{ name: 'q', options: { concurrency: 2 }, atWork: 2 }])

    troupe = await world.reopen(troupe, ONE_PLACE)
    await world.others(troupe)
    t.same(world.said('begin'), ['0', '1'], 'they hold their places over a restart')
    t.match(await troupe.listQueues(), [{ name: 'q', options: { concurrency: 2 }, atWork: 2 }])
    handles = await Promise.all(handles.map(({ id }) => troupe.get<string>(id)))
    await go(handles[1]!)
    t.equal(await handles[1]!.result(), '1')
    await world.saidSoOften('begin', 3)
    await world.others(troupe)
    t.same(world.said('begin'), ['0', '1', '2'], 'one place became free, one run took it')
    for (const handle of handles) await go(handle)
    t.same(await Promise.all(handles.map(handle => handle.result())), ['0', '1', '2', '3', '4', '5'])
    t.same(world.said('begin'), ['0', '1', '2', '3', '4', '5'], 'in order')
    t.same(checker.violations, [])
    t.equal(checker.takes, 6)
    t.match(await troupe.listQueues(), [{ atWork: 0 }])
  })

  t.test(`${store}: bounds that are set while runs are at work hold at once: wider ones let more begin, narrower ones nobody until enough have ended`, async t => {
    const world = new World(t, store)
    const checker = new BoundsChecker()
    world.watch = checker.see
    const troupe = await world.open(ONE_PLACE)
    await troupe.setQueue('q', { concurrency: 1 })
    const handles = await troupe.startMany(gated, Array.from({ length: 6 }, (_, i) => ({ args: [world.trace, `${i}`] as [string, string], options: { queue: 'q' } })))
    await world.saidSoOften('begin', 1)
    await troupe.setQueue('q', { concurrency: 3 })
    await world.saidSoOften('begin', 3)
    await world.others(troupe)
    t.same(world.said('begin'), ['0', '1', '2'])
    await troupe.setQueue('q', { concurrency: 1 })
    for (const i of [0, 1]) {
      await go(handles[i]!)
      await handles[i]!.result()
      await world.others(troupe)
      t.equal(world.said('begin').length, 3, 'still as many at work as there may be')
    }
    await go(handles[2]!)
    await world.saidSoOften('begin', 4)
    await world.others(troupe)
    t.equal(world.said('begin').length, 4)
    await troupe.setQueue('q', {})
    await world.saidSoOften('begin', 6)
    for (const handle of handles) await go(handle)
    await Promise.all(handles.map(handle => handle.result()))
    t.same(checker.violations, [])
  })

  t.test(`${store}: a bound on each host, and one on the runs that share a key; keys do not hold back each other`, async t => {
    const world = new World(t, store)
    const checker = new BoundsChecker()
    world.watch = checker.see
    const troupe = await world.open(ONE_PLACE)
    await troupe.setQueue('q', { hostConcurrency: 3, keyConcurrency: 1 })
    const keyed = async (name: string, queueKey?: string): Promise<RunHandle<string>> =>
      troupe.start(gated, [world.trace, name], { queue: 'q', ...(queueKey !== undefined && { queueKey }) })
    const handles = new Map<string, RunHandle<string>>()
    for (const name of ['a1', 'a2', 'a3', 'b1', 'b2']) handles.set(name, await keyed(name, name[0]))
    await world.saidSoOften('begin', 2)
    await world.others(troupe)
    t.same(world.said('begin'), ['a1', 'b1'], 'a2 and a3, whose key is full, are passed by')
    t.match(await handles.get('a2')!.info(), { status: 'enqueued', waitsFor: 'queue "q" has as many runs of key "a" at work as it may (1)' })
    handles.set('none', await keyed('none'))
    await world.saidSoOften('begin', 3)
    handles.set('c1', await keyed('c1', 'c'))
    await world.others(troupe)
    t.same(world.said('begin'), ['a1', 'b1', 'none'], 'the host has as many as it may')
    await go(handles.get('a1')!)
    await world.saidSoOften('begin', 4)
    await world.others(troupe)
    t.equal(world.said('begin')[3], 'a2', 'the longest-waiting whose key has room')
    for (const handle of handles.values()) await go(handle)
    await Promise.all([...handles.values()].map(handle => handle.result()))
    t.same(checker.violations, [])
  })

  t.test(`${store}: a rate is kept in every window of time, not only from one mark to the next, and over restarts`, async t => {
    const world = new World(t, store)
    const checker = new BoundsChecker()
    world.watch = checker.see
    let troupe = await world.open(ONE_PLACE)
    await troupe.setQueue('q', { rateLimit: { limit: 2, periodSeconds: 10 } })
    const start = async (name: string): Promise<RunHandle<string>> => troupe.start(quick, [world.trace, name], { queue: 'q' })
    await (await start('0 s')).result()
    world.clock.turn(4000)
    await (await start('4 s')).result()
    const third = await start('10 s')
    const fourth = await start('14 s')
    await world.others(troupe)
    t.equal((await third.info()).waitsFor, `queue "q" has started 2 runs within 10 s; the next may start at ${new Date(1_700_000_010_000).toISOString()}`)
    world.clock.turn(5000)
    troupe = await world.reopen(troupe, ONE_PLACE)
    await world.others(troupe)
    world.clock.turn(999)
    await world.others(troupe)
    t.same(world.said('ran'), ['0 s', '4 s'], 'also after a restart')
    world.clock.turn(1)
    await (await troupe.get(third.id)).result()
    await world.others(troupe)
    world.clock.turn(3999)
    await world.others(troupe)
    t.same(world.said('ran'), ['0 s', '4 s', '10 s'])
    world.clock.turn(1)
    await (await troupe.get(fourth.id)).result()
    t.same(checker.violations, [])
    t.equal(checker.takes, 4)
  })

  t.test(`${store}: a rate that is widened lets the next begin at once, and one that is lifted all`, async t => {
    const world = new World(t, store)
    const troupe = await world.open()
    await troupe.setQueue('q', { rateLimit: { limit: 1, periodSeconds: 3600 } })
    const handles = await troupe.startMany(quick, Array.from({ length: 5 }, (_, i) => ({ args: [world.trace, `${i}`] as [string, string], options: { queue: 'q' } })))
    await handles[0]!.result()
    await troupe.setQueue('q', { rateLimit: { limit: 2, periodSeconds: 3600 } })
    await handles[1]!.result()
    t.equal((await handles[2]!.info()).status, 'enqueued')
    await troupe.setQueue('q', { concurrency: 1 })
    await Promise.all(handles.map(handle => handle.result()))
    t.same(world.said('ran'), ['0', '1', '2', '3', '4'])
  })
}
