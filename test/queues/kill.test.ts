/** Hosts that are killed in the midst of a queue's work and at the firing of a schedule: nothing is lost, nothing is done twice, and the order stays. */
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Troupe } from 'troupe'
import { chanceOf, seedOf } from '../chance.ts'
import { spawnHost } from '../crash/host-process.ts'
import { repeats } from '../crash/repeats.ts'
import { readTrace } from '../fixtures/trace.ts'
import { busyFor, tick } from '../fixtures/queues/work.ts'
import { listAll, openTroupe, until } from '../harness.ts'
import { WORKFLOWS } from './world.ts'

const HOST = fileURLToPath(new URL('../fixtures/queues/host.js', import.meta.url))
const KILLS = repeats('TROUPE_KILLS', 8)
const RUNS = 2 * KILLS

t.setTimeout((60 + KILLS * 20) * 1000)

t.test(`a host is killed ${KILLS} times, right after a run took its place or at a moment that chance picks: all runs end, one at a time and in order, and each occurrence ran once`, async t => {
  const chance = chanceOf(seedOf(t))
  const folder = t.testdir({})
  const [store, trace] = [join(folder, 'store'), join(folder, 'trace')]
  const said = (what: string): readonly string[] => (readTrace(trace) as [string, string][]).flatMap(([word, name]) => word === what ? [name] : [])
  for (let kill = 1; kill <= KILLS; kill++) {
    const host = spawnHost(HOST, [store, trace, String(RUNS)])
    await until('it is open', () => host.text().includes('open'))
    const before = said('begin').length
    // Half of them as soon as a run has begun, half after so many milliseconds; some within the firing of the schedule.
    if (chance.next() < 0.5) await until('a run begins', () => said('begin').length > before || said('end').length >= RUNS)
    else await wait(chance.below(1200))
    t.notOk(host.isOver(), host.text())
    host.kill()
    await host.ended
  }
  const last = spawnHost(HOST, [store, trace, String(RUNS), 'finish'])
  t.equal(await last.ended, 0, last.text())
  t.ok(last.text().includes('done'))

  const troupe = await openTroupe(t, { store, workflows: WORKFLOWS, threads: 1 })
  const runs = await listAll(troupe, { workflow: busyFor.workflowName, order: 'oldest-first' })
  t.same(runs.map(({ id, status }) => [id, status]), Array.from({ length: RUNS }, (_, i) => [`run ${i}`, 'succeeded']))
  const span = (i: number): readonly number[] => [runs[i]!.startedAt!.getTime(), runs[i]!.finishedAt!.getTime()]
  const overlaps = runs.slice(1).filter((_, i) => span(i + 1)[0]! < span(i)[1]!)
  t.same(overlaps.map(({ id }) => id), [], 'each took its place when the one before it had left it')

  const ticks = await listAll(troupe, { workflow: tick.workflowName, values: true })
  const times = ticks.map(({ id }) => Date.parse(id.slice(2))).sort((a, b) => a - b)
  t.ok(ticks.every(({ status }) => status === 'succeeded'))
  t.ok(times.length >= 2, `${times.length} occurrences`)
  t.equal(times.at(-1)! - times[0]!, (times.length - 1) * 1000, 'every second has its occurrence, over all hosts')
  // A step that ran when its process died runs again; without a death in it, it ran once. One runs at a time.
  const repeated = said('tick').length - new Set(said('tick')).size
  t.same([...new Set(said('tick'))].sort(), ticks.map(({ id }) => id).sort())
  t.ok(repeated <= KILLS, `${repeated} steps of occurrences were interrupted by a kill`)
  const bodies = said('begin').length - RUNS
  t.ok(bodies <= KILLS, `${bodies} steps of runs were interrupted by a kill`)
})

t.test('what is set while a host is at work is there for the next: queues, places and deduplication on a thread of its own and LMDB', async t => {
  const folder = t.testdir({})
  const store = join(folder, 'store')
  const first = await openTroupe(t, { store, workflows: WORKFLOWS, threads: 1 })
  await first.setQueue('q', { concurrency: 1, rateLimit: { limit: 5, periodSeconds: 3600 } })
  const [held, next] = await first.startMany('gated', ['a', 'b'].map(name => ({ args: [join(folder, 'trace'), name], options: { queue: 'q', deduplicationId: name } })))
  await until('it holds its place', async () => (await held!.info()).status === 'waiting')
  await first.close()
  const second: Troupe = await openTroupe(t, { store, workflows: WORKFLOWS, threads: 1 })
  t.same(await second.listQueues(), [{ name: 'q', options: { concurrency: 1, rateLimit: { limit: 5, periodSeconds: 3600 } }, atWork: 1 }])
  t.equal((await second.start('gated', ['', ''], { queue: 'q', deduplicationId: 'b' })).id, next!.id)
  t.equal((await (await second.get(next!.id)).info()).status, 'enqueued')
  for (const { id } of [held!, next!]) await (await second.get(id)).send(undefined, { topic: 'go' })
  t.equal(await (await second.get(next!.id)).result(), 'b')
})
