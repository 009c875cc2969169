/** Programs of chance over queues: whatever is started, told, cancelled, resumed, crashed, set or opened again, no bound is exceeded and all come to their end. */
import t from 'tap'
import type { RunHandle, Troupe } from 'troupe'
import { chanceOf, seedOf } from '../chance.ts'
import type { Chance } from '../chance.ts'
import { repeats } from '../crash/repeats.ts'
import { until } from '../harness.ts'
import { BoundsChecker } from './bounds-checker.ts'
import { STORES, World } from './world.ts'

const ACTIONS = repeats('TROUPE_QUEUE_ACTIONS', 60)
const QUEUES = ['p', 'q']

t.setTimeout(300_000)

function boundsOf(chance: Chance): object {
  return {
    ...(chance.next() < 0.7 && { concurrency: 1 + chance.below(3) }),
    ...(chance.next() < 0.2 && { hostConcurrency: 1 + chance.below(3) }),
    ...(chance.next() < 0.4 && { keyConcurrency: 1 + chance.below(2) }),
    ...(chance.next() < 0.3 && { rateLimit: { limit: 1 + chance.below(3), periodSeconds: 5 } }),
  }
}

async function start(world: World, troupe: Troupe, chance: Chance): Promise<string> {
  const workflow = chance.pick(['gated', 'gated', 'gated', 'quick', 'quick', 'failing', 'failing', 'crashing', 'alone'])
  const { id } = await troupe.start(workflow, [world.trace, 'x'], {
    queue: chance.pick(QUEUES), priority: chance.below(3),
    ...(chance.next() < 0.5 && { queueKey: chance.pick(['a', 'b']) }),
    ...(chance.next() < 0.2 && { delaySeconds: chance.below(10) }),
  })
  return id
}

for (const store of STORES) {
  t.test(`${store}: ${ACTIONS} actions that chance picks`, async t => {
    const chance = chanceOf(seedOf(t))
    const world = new World(t, store)
    const checker = new BoundsChecker()
    world.watch = checker.see
    const places = { threads: 2, actorsPerThread: 2 }
    let troupe = await world.open(places)
    const ids: string[] = []
    const some = async (): Promise<RunHandle<unknown> | undefined> => ids.length === 0 ? undefined : troupe.get(chance.pick(ids))
    for (let i = 0; i < ACTIONS; i++) {
      const what = chance.next()
      if (what < 0.35) ids.push(await start(world, troupe, chance))
      else if (what < 0.6) await (await some())?.send(undefined, { topic: 'go' })
      else if (what < 0.68) await (await some())?.cancel()
      else if (what < 0.78) await (await some())?.resume()
      else if (what < 0.87) world.clock.turn(chance.below(4000))
      else if (what < 0.97) await troupe.setQueue(chance.pick(QUEUES), boundsOf(chance))
      else troupe = await world.reopen(troupe, places)
    }
    for (const queue of QUEUES) await troupe.setQueue(queue, { concurrency: 1, keyConcurrency: 1 })
    for (const id of ids) await (await troupe.get(id)).send(undefined, { topic: 'go' })
    await until('all have ended', async () => {
      world.clock.turn(10_000)
      return await troupe.count({ status: ['enqueued', 'delayed', 'running', 'waiting'] }) === 0
    })
    t.same(checker.violations, [])
    t.ok(checker.takes > ids.length / 2, `${ids.length} runs took ${checker.takes} places`)
    t.same((await troupe.listQueues()).map(({ atWork }) => atWork), QUEUES.map(() => 0), 'and none is left behind')
  })
}
