/** Sleeps: their bounds, by the supervisor's clock and by the real one; over restarts; ended by a deadline. */
import t from 'tap'
import { RunTimeoutError } from 'troupe'
import { badSleep, dozing, sleeping, sleepThenWait } from '../fixtures/queues/work.ts'
import { openTroupe, rejection, until } from '../harness.ts'
import { STORES, World, WORKFLOWS } from '../queues/world.ts'

for (const store of STORES) {
  t.test(`${store}: a sleep ends at its due time and not a millisecond before, fractions of one included, over a restart`, async t => {
    const world = new World(t, store)
    let troupe = await world.open()
    const handles = [await troupe.start(sleeping, [world.trace, 2]), await troupe.start(sleeping, [world.trace, 1.9995])]
    for (const handle of handles) await world.rests(handle)
    t.match(await handles[0]!.info(), { status: 'waiting', waitsFor: /sleep/ })
    world.clock.turn(1000)
    troupe = await world.reopen(troupe)
    world.clock.turn(999)
    t.same(world.said('woke'), [])
    world.clock.turn(0.5)
    t.equal(await (await troupe.get(handles[1]!.id)).result(), 1.9995)
    t.equal((await (await troupe.get(handles[0]!.id)).info()).status, 'waiting')
    world.clock.turn(0.5)
    t.equal(await (await troupe.get(handles[0]!.id)).result(), 2)
    t.same(world.said('woke'), [handles[1]!.id, handles[0]!.id])
  })

  t.test(`${store}: a sleep that is over is replayed at once, one that ended while no host ran ends with the next`, async t => {
    const world = new World(t, store)
    let troupe = await world.open()
    const replayed = await troupe.start(sleepThenWait, [world.trace, 3600])
    const missed = await troupe.start(sleeping, [world.trace, 7200])
    await world.rests(replayed)
    await world.rests(missed)
    world.clock.turn(3_600_000)
    await world.saidSoOften('begin', 1)
    await world.rests(replayed)
    await troupe.close({ mode: 'abandon' })
    world.clock.turn(3_600_000)
    troupe = await world.open()
    world.clock.turn(0) // what is overdue
    await (await troupe.get(replayed.id)).send(undefined, { topic: 'go' })
    t.equal(await (await troupe.get(replayed.id)).result(), replayed.id, 'no time passed for its second life')
    t.equal(await (await troupe.get(missed.id)).result(), 7200)
  })
}

t.test('a deadline ends a sleep, and is not recorded as its outcome', async t => {
  const world = new World(t, 'memory')
  const troupe = await world.open()
  const handle = await troupe.start(dozing, [])
  await world.rests(handle)
  world.clock.turn(99)
  t.equal((await handle.info()).status, 'waiting')
  world.clock.turn(1)
  const error = await rejection(handle.result())
  t.ok(error instanceof RunTimeoutError)
  t.equal((error as RunTimeoutError).timeoutSeconds, 0.1)
  t.match(await handle.steps(), [{ kind: 'sleep', status: 'running' }])
})

t.test('by the real clock, on a thread of its own: 2 s are at least 1.95 s, a deadline of 100 ms ends 1 s, and no sleep is endless', async t => {
  const troupe = await openTroupe(t, { workflows: WORKFLOWS })
  const trace = `${t.testdirName}/trace`
  const [long, fraction, late] = await Promise.all([troupe.start(sleeping, [trace, 2]), troupe.start(sleeping, [trace, 0.0105]), troupe.start(dozing, [])])
  t.ok(await rejection(late.result()) instanceof RunTimeoutError)
  await fraction.result()
  await long.result()
  for (const [handle, ms] of [[long, 2000], [fraction, 10.5]] as const) {
    const [slept] = await handle.steps()
    const tookMs = slept!.finishedAt!.getTime() - slept!.startedAt.getTime()
    t.ok(tookMs >= ms * 0.975 - 1, `${ms} ms took ${tookMs} ms`)
  }
  for (const seconds of [NaN, Infinity, -1, '3' as never]) {
    t.match(await (await troupe.start(badSleep, [seconds])).result(), /^TROUPE_INVALID_OPTION: .*seconds/, String(seconds))
  }
  t.equal(await (await troupe.start(badSleep, [0])).result(), 'slept')
  await until('a sleep of years waits', async () => (await (await troupe.start(sleeping, [trace, 3e9], { id: 'years' })).info()).status === 'waiting')
})
