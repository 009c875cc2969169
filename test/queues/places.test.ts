/** Who holds a place of a queue's bounds, through crashes, ends and new beginnings. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { RunHandle } from 'troupe'
import { alone, crashing, failing, gated, holding } from '../fixtures/queues/work.ts'
import { until } from '../harness.ts'
import { BoundsChecker } from './bounds-checker.ts'
import { World } from './world.ts'

const go = async (handle: RunHandle<unknown>): Promise<void> => { await handle.send(undefined, { topic: 'go' }) }
const ONE_PLACE = { threads: 1, actorsPerThread: 1 }

t.test('a run whose thread crashes keeps its place while it is spawned again', async t => {
  const world = new World(t, 'memory')
  const checker = new BoundsChecker()
  world.watch = checker.see
  const troupe = await world.open({ threads: 2, actorsPerThread: 1 })
  await troupe.setQueue('q', { concurrency: 1 })
  const handles = await troupe.startMany(crashing, ['a', 'b'].map(name => ({ args: [world.trace, name] as [string, string], options: { queue: 'q' } })))
  const beginning = async (times: number): Promise<void> => {
    await until(`${times} have begun`, () => {
      world.clock.turn(0) // the next attempt is due at once
      return world.said('begin').length === times
    })
  }
  await beginning(1)
  t.match(await handles[0]!.info(), { crashes: 1 })
  await world.others(troupe)
  t.same(world.said(), ['begin a'])
  await go(handles[0]!)
  await beginning(2)
  await go(handles[1]!)
  await Promise.all(handles.map(handle => handle.result()))
  t.same(world.said(), ['begin a', 'end a', 'begin b', 'end b'])
  t.same(checker.violations, [])
  t.equal(checker.takes, 2)
})

t.test('runs that need a thread to themselves and wait for one are counted like others', async t => {
  const world = new World(t, 'memory')
  const checker = new BoundsChecker()
  world.watch = checker.see
  const troupe = await world.open({ threads: 2, actorsPerThread: 4 })
  await troupe.setQueue('q', { concurrency: 1 })
  const gate = join(world.folder, 'gate')
  const holders = await troupe.startMany(holding, ['x', 'y'].map(name => ({ args: [join(world.folder, 'held'), name, gate] as [string, string, string] })))
  await until('both threads are held', async () => (await Promise.all(holders.map(async handle => (await handle.info()).status))).every(status => status === 'running'))
  const handles = await troupe.startMany(alone, ['a', 'b', 'c'].map(name => ({ args: [world.trace, name] as [string, string], options: { queue: 'q' } })))
  writeFileSync(gate, '')
  await Promise.all(holders.map(handle => handle.result()))
  await world.saidSoOften('begin', 1)
  for (const handle of handles) await go(handle)
  await Promise.all(handles.map(handle => handle.result()))
  t.same(checker.violations, [])
  t.same(world.said(), ['a', 'b', 'c'].flatMap(name => [`begin ${name}`, `end ${name}`]))
})

t.test('a failed run that is resumed takes a place again, and waits for one if there is none', async t => {
  const world = new World(t, 'memory')
  const checker = new BoundsChecker()
  world.watch = checker.see
  const troupe = await world.open(ONE_PLACE)
  await troupe.setQueue('q', { concurrency: 1 })
  const failed = await troupe.start(failing, [world.trace, 'failed'], { queue: 'q' })
  await go(failed)
  await t.rejects(failed.result(), { message: 'not this time' })
  const other = await troupe.start(gated, [world.trace, 'other'], { queue: 'q' })
  await until('the other is at work', () => world.said('begin').includes('other'))
  await failed.resume()
  await world.others(troupe)
  t.match(await failed.info(), { status: 'enqueued', waitsFor: 'queue "q" has 1 runs at work, as many as it may' })
  await go(other)
  await t.rejects(failed.result(), { message: 'not this time' })
  t.equal(checker.takes, 3)
  t.same(checker.violations, [])
})

t.test('a run that is cancelled and resumed while it waits for a thread gets no place beyond the bounds', async t => {
  const world = new World(t, 'memory')
  const checker = new BoundsChecker()
  world.watch = checker.see
  const troupe = await world.open(ONE_PLACE)
  await troupe.setQueue('q', { rateLimit: { limit: 1, periodSeconds: 60 } })
  const handle = await troupe.start(gated, [world.trace, 'a'], { queue: 'q' })
  await world.rests(handle)
  const gate = join(world.folder, 'gate')
  const holder = await troupe.start(holding, [join(world.folder, 'held'), 'x', gate])
  await until('the thread is held', async () => (await holder.info()).status === 'running')
  await go(handle) // wakes it: it is in line for the thread, with its place
  t.equal((await handle.info()).status, 'enqueued')
  await handle.cancel() // leaves its place
  await handle.resume() // needs one again
  writeFileSync(gate, '')
  await holder.result()
  await world.others(troupe)
  t.match(await handle.info(), { status: 'enqueued', waitsFor: /started 1 runs within 60 s/ })
  world.clock.turn(60_000)
  t.equal(await handle.result(), 'a')
  t.same(checker.violations, [])
})
