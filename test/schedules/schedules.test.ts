/** Schedules: each occurrence is one run, over restarts; what was missed follows the option. Time is turned by hand. */
import t from 'tap'
import { tick } from '../fixtures/queues/work.ts'
import { until } from '../harness.ts'
import { STORES, World } from '../queues/world.ts'
import { occurrences } from './occurrences.ts'

const START_MS = Date.parse('2025-03-29T22:00:00.000Z')
const HOUR_MS = 3_600_000
const at = (time: string): string => `nightly@${time}`

for (const store of STORES) {
  t.test(`${store}: each occurrence runs once, under the schedule's name and its time, over daylight saving and restarts`, async t => {
    const world = new World(t, store, START_MS)
    let troupe = await world.open()
    await troupe.setSchedule('nightly', tick, [world.trace], { cron: '30 2 * * *', timezone: 'Europe/Berlin' })
    t.same(await troupe.listSchedules(), [{
      name: 'nightly', workflow: 'tick', cron: '30 2 * * *', timezone: 'Europe/Berlin', missed: 'skip', nextAt: new Date('2025-03-30T01:00:00.000Z'),
    }])
    world.clock.turn(3 * HOUR_MS - 1)
    t.equal(await troupe.count(), 0, 'not before its time')
    world.clock.turn(1)
    t.same(await occurrences(troupe, 1), [at('2025-03-30T01:00:00.000Z')])
    troupe = await world.reopen(troupe)
    world.clock.turn(23 * HOUR_MS)
    await troupe.listSchedules()
    troupe = await world.reopen(troupe)
    world.clock.turn(HOUR_MS / 2)
    t.same(await occurrences(troupe, 2), [at('2025-03-30T01:00:00.000Z'), at('2025-03-31T00:30:00.000Z')])
    troupe = await world.reopen(troupe)
    world.clock.turn(0)
    t.match(await troupe.listSchedules(), [{ nextAt: new Date('2025-04-01T00:30:00.000Z') }])
    t.equal(await troupe.count(), 2)
    t.same(world.said('tick').sort(), [at('2025-03-30T01:00:00.000Z'), at('2025-03-31T00:30:00.000Z')], 'each body once')
  })

  t.test(`${store}: occurrences missed while no host ran follow the option: none, the last, or all; and then it goes on, nothing twice`, async t => {
    const world = new World(t, store, START_MS)
    let troupe = await world.open()
    for (const missed of ['skip', 'last', 'all'] as const) await troupe.setSchedule(missed, tick, [world.trace], { cron: '15 * * * *', timezone: 'UTC', missed })
    await troupe.close()
    world.clock.turn(26.5 * HOUR_MS)
    troupe = await world.open()
    const all = Array.from({ length: 27 }, (_, i) => `all@${new Date(START_MS + 900_000 + i * HOUR_MS).toISOString()}`)
    const made = [...all, 'last@2025-03-31T00:15:00.000Z']
    t.same(await occurrences(troupe, 28), made)
    t.match(await troupe.listSchedules(), ['all', 'last', 'skip'].map(name => ({ name, nextAt: new Date('2025-03-31T01:15:00.000Z') })))
    troupe = await world.reopen(troupe)
    world.clock.turn(HOUR_MS)
    t.same(await occurrences(troupe, 31), [...made, ...['all', 'last', 'skip'].map(name => `${name}@2025-03-31T01:15:00.000Z`)].sort())
    t.equal(world.said('tick').length, 31, 'each body once')
  })

  t.test(`${store}: many missed occurrences are caught up with a page at a time, all of them once`, async t => {
    const world = new World(t, store, START_MS)
    let troupe = await world.open()
    await troupe.setSchedule('nightly', tick, [world.trace], { everySeconds: 10, missed: 'all' })
    await troupe.close()
    world.clock.turn(3_500_000)
    troupe = await world.open()
    t.equal(await troupe.count(), 100, 'the first page')
    await until('all are started', async () => {
      world.clock.turn(0)
      return await troupe.count() >= 350
    })
    const ids = await occurrences(troupe, 350)
    t.same(ids, Array.from({ length: 350 }, (_, i) => at(new Date(START_MS + (i + 1) * 10_000).toISOString())))
    t.equal(new Set(world.said('tick')).size, 350)
    t.equal(world.said('tick').length, 350)
  })
}
