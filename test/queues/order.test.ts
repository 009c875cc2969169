/** Who comes next: priority, delay, deduplication, fairness among queues, and what a host is told of those who wait. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { RunHandle } from 'troupe'
import { InvalidOptionError } from 'troupe'
import { failing, gated, holding, joining, quick } from '../fixtures/queues/work.ts'
import { listAll, rejection, until } from '../harness.ts'
import { STORES, World } from './world.ts'

const go = async (handle: RunHandle<unknown>): Promise<void> => { await handle.send(undefined, { topic: 'go' }) }
const ONE_PLACE = { threads: 1, actorsPerThread: 1 }

for (const store of STORES) {
  t.test(`${store}: lower priorities first, then first come first served, over a restart`, async t => {
    const world = new World(t, store)
    let troupe = await world.open(ONE_PLACE)
    await troupe.setQueue('q', { concurrency: 1 })
    const first = await troupe.start(gated, [world.trace, 'first'], { queue: 'q' })
    await world.saidSoOften('begin', 1)
    for (const [i, priority] of [7, 0, 7, 2 ** 31 - 1, 0, 3].entries()) await troupe.start(quick, [world.trace, `${priority} ${i}`], { queue: 'q', priority })
    troupe = await world.reopen(troupe, ONE_PLACE)
    await troupe.start(quick, [world.trace, '3 late'], { queue: 'q', priority: 3 })
    await go(await troupe.get(first.id))
    t.same(await world.saidSoOften('ran', 7), ['0 1', '0 4', '3 5', '3 late', '7 0', '7 2', `${2 ** 31 - 1} 3`])
  })

  t.test(`${store}: a delayed run joins its queue when its time has come, and not before, over a restart`, async t => {
    const world = new World(t, store)
    let troupe = await world.open(ONE_PLACE)
    const delayed = await troupe.start(quick, [world.trace, 'delayed'], { queue: 'q', delaySeconds: 60.5 })
    const info = await delayed.info()
    t.match(info, { status: 'delayed', queue: 'q', waitsFor: `its start at ${new Date(world.clock.nowMs() + 60_500).toISOString()}` })
    t.notOk('startedAt' in info)
    world.clock.turn(60_000)
    troupe = await world.reopen(troupe, ONE_PLACE)
    world.clock.turn(499)
    await world.others(troupe)
    t.same(world.said(), [])
    t.equal((await (await troupe.get(delayed.id)).info()).status, 'delayed')
    world.clock.turn(1)
    t.equal(await (await troupe.get(delayed.id)).result(), 'delayed')
  })

  t.test(`${store}: a start with the deduplication id of an unfinished run attaches to it, within one queue, over a restart; afterwards it is free`, async t => {
    const world = new World(t, store)
    let troupe = await world.open()
    const start = async (name: string, queue: string | undefined): Promise<RunHandle<string>> =>
      troupe.start(gated, [world.trace, name], { deduplicationId: 'the one', ...(queue !== undefined && { queue }) })
    const first = await start('first', 'q')
    t.equal((await start('second', 'q')).id, first.id)
    const elsewhere = await start('elsewhere', 'other queue')
    const nowhere = await start('nowhere', undefined)
    t.equal(new Set([first.id, elsewhere.id, nowhere.id]).size, 3, 'each queue has its own')
    const [one, same] = await troupe.startMany(gated, ['x', 'y'].map(name => ({ args: [world.trace, name] as [string, string], options: { deduplicationId: 'pair' } })))
    t.equal(one!.id, same!.id, 'also of two that are started together')
    const delayed = await troupe.start(gated, [world.trace, 'later'], { queue: 'q', deduplicationId: 'later', delaySeconds: 100 })
    troupe = await world.reopen(troupe)
    t.equal((await start('third', 'q')).id, first.id, 'over a restart')
    t.equal((await troupe.start(gated, [world.trace, ''], { queue: 'q', deduplicationId: 'later' })).id, delayed.id)
    const again = await troupe.get<string>(first.id)
    await go(again)
    t.equal(await again.result(), 'first', 'with the arguments of the first')
    const fresh = await start('fresh', 'q')
    t.not(fresh.id, first.id)
    await fresh.cancel()
    t.ok(await rejection(fresh.result()))
    t.not((await start('freshest', 'q')).id, fresh.id, 'free after a cancel, too')
    t.equal(await troupe.count({ queue: 'q' }), 4)
  })

  t.test(`${store}: runs join their workflow's queue, unless their start names another`, async t => {
    const world = new World(t, store)
    const troupe = await world.open()
    await troupe.setQueue('joined', { concurrency: 1 })
    const [first, second] = await troupe.startMany(joining, ['a', 'b'].map(name => ({ args: [world.trace, name] as [string, string] })))
    const third = await troupe.start(joining, [world.trace, 'c'], { queue: 'another' })
    await world.rests(first!)
    await world.rests(third)
    t.equal((await first!.info()).queue, 'joined')
    t.match(await second!.info(), { queue: 'joined', status: 'enqueued', waitsFor: 'queue "joined" has 1 runs at work, as many as it may' })
    t.equal((await third.info()).queue, 'another')
    t.match(await troupe.listQueues(), [{ name: 'another', options: {}, atWork: 1 }, { name: 'joined', options: { concurrency: 1 }, atWork: 1 }])
    t.same((await listAll(troupe, { queue: 'joined', order: 'oldest-first' })).map(({ id }) => id), [first!.id, second!.id])
    t.match(await listAll(troupe, { queue: ['joined', 'another'], status: 'enqueued' }), [{ id: second!.id, waitsFor: /as many as it may/ }], 'a listing says who waits, and for what')
  })
}

t.test('a flooded queue does not starve others, with bounds or without', async t => {
  const world = new World(t, 'memory')
  const troupe = await world.open(ONE_PLACE)
  const gate = join(world.folder, 'gate')
  const holder = await troupe.start(holding, [join(world.folder, 'held'), 'x', gate])
  await until('the thread is held', async () => (await holder.info()).status === 'running')
  await troupe.setQueue('bounded', { concurrency: 1 })
  const start = async (name: string, count: number, queue?: string): Promise<RunHandle<string>[]> =>
    troupe.startMany(quick, Array.from({ length: count }, (_, i) => ({ args: [world.trace, `${name} ${i}`] as [string, string], ...(queue !== undefined && { options: { queue } }) })))
  const flood = await start('flood', 60, 'flooded')
  const others = [...await start('bounded', 3, 'bounded'), ...await start('plain', 3)]
  t.match(await others[5]!.info(), { status: 'enqueued', waitsFor: 'a place on a thread' })
  writeFileSync(gate, '')
  await Promise.all([...flood, ...others].map(handle => handle.result()))
  const order = world.said('ran').map(name => name.split(' ')[0])
  t.ok(order.lastIndexOf('plain') < 12 && order.lastIndexOf('bounded') < 12, `they took turns: ${order.slice(0, 12).join(' ')}`)
})

t.test('a queue that is full holds back nobody else, nor does a rate', async t => {
  const world = new World(t, 'memory')
  const troupe = await world.open(ONE_PLACE)
  await troupe.setQueue('full', { concurrency: 1 })
  await troupe.setQueue('slow', { rateLimit: { limit: 1, periodSeconds: 3600 } })
  await troupe.startMany(gated, Array.from({ length: 20 }, () => ({ args: [world.trace, 'full'] as [string, string], options: { queue: 'full' } })))
  await troupe.startMany(quick, Array.from({ length: 20 }, () => ({ args: [world.trace, 'slow'] as [string, string], options: { queue: 'slow' } })))
  for (let i = 0; i < 5; i++) await (await troupe.start(quick, [world.trace, 'free'], { queue: 'free' })).result()
  t.equal(world.said('ran').filter(name => name === 'free').length, 5)
  await world.saidSoOften('begin', 1)
  t.equal(await troupe.count({ status: 'enqueued', queue: ['full', 'slow'] }), 38)
})

t.test('a resumed run whose deduplication id was given to another meanwhile leaves it to that one', async t => {
  const world = new World(t, 'memory')
  const troupe = await world.open()
  const options = { queue: 'q', deduplicationId: 'd' }
  const failed = await troupe.start(failing, [world.trace, 'failed'], options)
  await go(failed)
  await rejection(failed.result())
  const other = await troupe.start(gated, [world.trace, 'other'], options)
  await failed.resume()
  await rejection(failed.result())
  t.equal((await troupe.start(gated, [world.trace, 'third'], options)).id, other.id)
  await go(other)
  await other.result()
  t.not((await troupe.start(gated, [world.trace, 'fourth'], options)).id, other.id)
})

t.test('queues are refused bad bounds, and starts bad places in them', async t => {
  const world = new World(t, 'memory')
  const troupe = await world.open()
  const bad: readonly [object, string][] = [
    [{ concurrency: 0 }, 'concurrency'], [{ concurrency: 1.5 }, 'concurrency'], [{ concurrency: NaN }, 'concurrency'], [{ concurrency: Infinity }, 'concurrency'],
    [{ concurrency: '3' }, 'concurrency'], [{ hostConcurrency: -1 }, 'hostConcurrency'], [{ keyConcurrency: 0 }, 'keyConcurrency'],
    [{ rateLimit: 3 }, 'rateLimit options'], [{ rateLimit: { limit: 0, periodSeconds: 1 } }, 'rateLimit.limit'], [{ rateLimit: { limit: 1 } }, 'rateLimit.periodSeconds'],
    [{ rateLimit: { limit: 1, periodSeconds: 0 } }, 'rateLimit.periodSeconds'], [{ rateLimit: { limit: 1, periodSeconds: NaN } }, 'rateLimit.periodSeconds'],
    [{ rateLimit: { limit: 1, periodSeconds: 1, burst: 3 } }, 'burst'], [{ concurency: 3 }, 'concurency'],
  ]
  for (const [options, option] of bad) {
    const error = await rejection(troupe.setQueue('q', options))
    t.ok(error instanceof InvalidOptionError, JSON.stringify(options))
    t.equal((error as InvalidOptionError).option, option)
  }
  t.ok(await rejection(troupe.setQueue('', {})) instanceof InvalidOptionError)
  t.same(await troupe.listQueues(), [], 'nothing was set')
  for (const options of [{ priority: -1 }, { priority: 0.5 }, { priority: 2 ** 31 }, { delaySeconds: -1 }, { delaySeconds: NaN }, { queue: '' }, { queueKey: 7 }, { deduplicationId: '' }]) {
    t.ok(await rejection(troupe.start(quick, [world.trace, ''], options as object)) instanceof InvalidOptionError, JSON.stringify(options))
  }
  t.equal(await troupe.count(), 0)
})
