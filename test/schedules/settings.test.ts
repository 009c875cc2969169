/** Schedules as they are set, changed, listed and removed; and what an occurrence does when it meets others. Time is turned by hand. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { InvalidOptionError, UnknownWorkflowError } from 'troupe'
import { gated, tick } from '../fixtures/queues/work.ts'
import { guarded } from '../fixtures/operations/guarded.ts'
import type { Files } from '../fixtures/operations/guarded.ts'
import { readTrace } from '../fixtures/trace.ts'
import { listAll, openTroupe, rejection, until } from '../harness.ts'
import { STORES, World } from '../queues/world.ts'
import { occurrences } from './occurrences.ts'

const START_MS = Date.parse('2025-03-29T22:00:00.000Z')
const HOUR_MS = 3_600_000
const at = (time: string): string => `nightly@${time}`

for (const store of STORES) {
  t.test(`${store}: an interval counts from when it was set, keeps its rhythm over restarts and when it is set again unchanged, and begins anew when it is changed`, async t => {
    const world = new World(t, store, START_MS)
    let troupe = await world.open()
    const set = async (everySeconds: number): Promise<void> => troupe.setSchedule('nightly', tick, [world.trace], { everySeconds, missed: 'last' })
    await set(90)
    t.match(await troupe.listSchedules(), [{ everySeconds: 90, nextAt: new Date(START_MS + 90_000) }])
    world.clock.turn(60_000)
    await set(90)
    t.match(await troupe.listSchedules(), [{ nextAt: new Date(START_MS + 90_000) }])
    troupe = await world.reopen(troupe)
    world.clock.turn(30_000)
    t.same(await occurrences(troupe, 1), [at('2025-03-29T22:01:30.000Z')])
    await troupe.close()
    world.clock.turn(200_000) // two are missed, of which the last is made up for
    troupe = await world.open()
    t.same(await occurrences(troupe, 2), [at('2025-03-29T22:01:30.000Z'), at('2025-03-29T22:04:30.000Z')])
    t.match(await troupe.listSchedules(), [{ nextAt: new Date(START_MS + 360_000) }])
    await set(30.5)
    t.match(await troupe.listSchedules(), [{ everySeconds: 30.5, nextAt: new Date(START_MS + 290_000 + 30_500) }])
  })

  t.test(`${store}: a removed schedule is gone for good, and one that is set again is what it was set to last`, async t => {
    const world = new World(t, store, START_MS)
    let troupe = await world.open()
    await troupe.setSchedule('gone', tick, [world.trace], { everySeconds: 60 })
    await troupe.setSchedule('changed', tick, [world.trace], { everySeconds: 60, queue: 'one' })
    await troupe.setSchedule('changed', tick, [world.trace], { cron: '*/5 * * * *', timezone: 'UTC', queue: 'other', missed: 'all' })
    await troupe.removeSchedule('gone')
    await troupe.removeSchedule('never there')
    troupe = await world.reopen(troupe)
    t.same(await troupe.listSchedules(), [{
      name: 'changed', workflow: 'tick', cron: '*/5 * * * *', timezone: 'UTC', missed: 'all', queue: 'other', nextAt: new Date(START_MS + 300_000),
    }])
    world.clock.turn(300_000)
    t.same(await occurrences(troupe, 1), ['changed@2025-03-29T22:05:00.000Z'])
    t.match(await listAll(troupe), [{ queue: 'other' }])
  })
}

t.test('when the host slept through several occurrences, the last one runs, and with \'all\' each', async t => {
  const world = new World(t, 'memory', START_MS)
  const troupe = await world.open()
  await troupe.setSchedule('last', tick, [world.trace], { everySeconds: 60 })
  await troupe.setSchedule('all', tick, [world.trace], { everySeconds: 60, missed: 'all' })
  world.clock.setBack(-250_000) // the machine slept: the clock jumps, then the alarm rings
  world.clock.turn(0)
  const time = (seconds: number): string => new Date(START_MS + seconds * 1000).toISOString()
  t.same(await occurrences(troupe, 5), [...[60, 120, 180, 240].map(s => `all@${time(s)}`), `last@${time(240)}`])
})

t.test('occurrences join the schedule\'s queue, and its bounds', async t => {
  const world = new World(t, 'memory', START_MS)
  const troupe = await world.open()
  await troupe.setQueue('q', { concurrency: 1 })
  await troupe.setSchedule('s', gated, [world.trace, 'scheduled'], { everySeconds: 60, queue: 'q' })
  world.clock.turn(60_000)
  await world.saidSoOften('begin', 1)
  world.clock.turn(60_000)
  const runs = await until('both are there', async () => {
    const all = await listAll(troupe, { queue: 'q', order: 'oldest-first' })
    return all.length === 2 && all
  })
  t.match(runs[1], { id: 's@2025-03-29T22:02:00.000Z', status: 'enqueued', args: [] })
})

t.test('an occurrence that somebody started already under its id is not started again; one whose id another workflow has is reported', async t => {
  const world = new World(t, 'memory', START_MS)
  const troupe = await world.open()
  await (await troupe.start(tick, [world.trace], { id: 's@2025-03-29T22:01:00.000Z' })).result()
  await troupe.start(gated, [world.trace, ''], { id: 's@2025-03-29T22:02:00.000Z' })
  await troupe.setSchedule('s', tick, [world.trace], { everySeconds: 60 })
  world.clock.turn(60_000)
  world.clock.turn(60_000)
  world.clock.turn(60_000)
  t.same(await occurrences(troupe, 2), ['s@2025-03-29T22:01:00.000Z', 's@2025-03-29T22:03:00.000Z'])
  t.same(world.said('tick'), ['s@2025-03-29T22:01:00.000Z', 's@2025-03-29T22:03:00.000Z'])
  t.match(world.logger.lines.filter(({ level }) => level === 'error'), [{ fields: { event: 'schedule-failed', schedule: 's', runId: 's@2025-03-29T22:02:00.000Z' } }])
})

t.test('a schedule that has no further occurrence is listed without one', async t => {
  const world = new World(t, 'memory', START_MS)
  const troupe = await world.open()
  await troupe.setSchedule('never', tick, [world.trace], { cron: '0 0 30 2 *' })
  const [schedule] = await troupe.listSchedules()
  t.notOk('nextAt' in schedule!)
  world.clock.turn(400 * 24 * HOUR_MS)
  t.equal(await troupe.count(), 0)
})

t.test('bad schedules are refused, by the option\'s name, and nothing is set', async t => {
  const world = new World(t, 'memory', START_MS)
  const troupe = await world.open()
  const bad: readonly [object, string][] = [
    [{}, 'cron'], [{ cron: '* * * * *', everySeconds: 5 }, 'cron'], [{ cron: '61 * * * *' }, 'cron'], [{ cron: '* * *' }, 'cron'], [{ cron: 5 }, 'cron'],
    [{ cron: '2030-01-01T00:00:00' }, 'cron'], [{ cron: '* * * * *', timezone: 'Europe/Berlinn' }, 'timezone'], [{ everySeconds: 60, timezone: 'UTC' }, 'timezone'],
    [{ everySeconds: 0 }, 'everySeconds'], [{ everySeconds: 0.5 }, 'everySeconds'], [{ everySeconds: NaN }, 'everySeconds'], [{ everySeconds: Infinity }, 'everySeconds'],
    [{ everySeconds: -1 }, 'everySeconds'], [{ everySeconds: '60' }, 'everySeconds'], [{ everySeconds: 60, missed: 'some' }, 'missed'],
    [{ everySeconds: 60, queue: '' }, 'queue'], [{ everySeconds: 60, every: 3 }, 'every'],
  ]
  for (const [options, option] of bad) {
    const error = await rejection(troupe.setSchedule('s', tick, [world.trace], options))
    t.ok(error instanceof InvalidOptionError, JSON.stringify(options))
    t.equal((error as InvalidOptionError).option, option)
  }
  t.ok(await rejection(troupe.setSchedule('', tick, [world.trace], { everySeconds: 60 })) instanceof InvalidOptionError)
  t.ok(await rejection(troupe.setSchedule('s', 'nobody', [], { everySeconds: 60 })) instanceof UnknownWorkflowError)
  t.same(await troupe.listSchedules(), [])
  t.equal(world.clock.alarms, 0)
})

t.test("an occurrence that came while no host ran is skipped with missed: 'skip', however little time has passed since; the next one is begun", async t => {
  const world = new World(t, 'memory', START_MS)
  let troupe = await world.open()
  const time = (seconds: number): string => new Date(START_MS + seconds * 1000).toISOString()
  await troupe.setSchedule('s', tick, [world.trace], { everySeconds: 100 })
  const after = async (seconds: number, count: number): Promise<string[]> => {
    await troupe.close({ mode: 'abandon' })
    world.clock.turn(START_MS + seconds * 1000 - world.clock.nowMs())
    troupe = await world.open()
    return occurrences(troupe, count)
  }
  t.same(await after(100.001, 0), [])
  t.match(await troupe.listSchedules(), [{ name: 's', nextAt: new Date(time(200)) }])
  world.clock.turn(99_999)
  t.same(await occurrences(troupe, 1), [`s@${time(200)}`])
  t.same(await after(300.5, 1), [`s@${time(200)}`])
})

t.test('a schedule whose arguments take long to check does not undo what was asked of it later', async t => {
  const folder = t.testdir({})
  const files: Files = { trace: join(folder, 'trace'), checked: join(folder, 'checked'), end: join(folder, 'end') }
  const workflows = ['guarded', 'script'].map(name => new URL(`../fixtures/operations/${name}.js`, import.meta.url))
  const troupe = await openTroupe(t, { workflows, store: join(folder, 'store') })
  const set = ['kept', 'removed', 'changed', 'set twice'].map(name => troupe.setSchedule(name, guarded, [files], { everySeconds: 60 }))
  const sooner = { ...files, checked: join(folder, 'checked sooner') }
  const second = troupe.setSchedule('set twice', guarded, [sooner], { everySeconds: 70 })
  const wrong = rejection(troupe.setSchedule('kept', guarded, [{ ...sooner, wrong: true }], { everySeconds: 80 }))
  await until('all are being checked', () => readTrace(files.trace).length === 6)
  await troupe.removeSchedule('removed')
  await troupe.setSchedule('changed', 'script', [], { everySeconds: 90 })
  writeFileSync(sooner.checked, '')
  await second
  t.ok(await wrong instanceof InvalidOptionError)
  writeFileSync(files.checked, '')
  await Promise.all(set)
  t.same((await troupe.listSchedules()).map(({ name, workflow, everySeconds }) => [name, workflow, everySeconds]), [['changed', 'script', 90], ['kept', 'guarded', 60], ['set twice', 'guarded', 70]])
})
