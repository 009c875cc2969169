/** A commit that fails inside lmdb, or on its way to the commit log, stops the store, and nothing else comes of it. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { until } from '../harness.ts'
import { failingLibrary, FaultyHost } from './host.ts'

t.setTimeout(300_000)

const UNAVAILABLE = { error: { name: 'StoreUnavailableError', code: 'TROUPE_STORE_UNAVAILABLE' } }
const RUNS = ['a', 'b', 'c', 'd']
const STEPS = 100_000

function timesOf(trace: string): Map<string, number> {
  const times = new Map<string, number>()
  for (const line of (existsSync(trace) ? readFileSync(trace, 'utf8') : '').trim().split('\n')) times.set(line, (times.get(line) ?? 0) + 1)
  return times
}

/** The numbers of the steps that a run began. */
function begun(times: ReadonlyMap<string, number>, id: string): number {
  let steps = 0
  while (times.has(`${id} ${steps}`)) steps++
  return steps
}

t.test('a commit that fails', async t => {
  const library = failingLibrary(t)
  if (library === undefined) return
  const folder = join(library, '..')
  const [store, trace] = [join(folder, 'store'), join(folder, 'trace')]
  const host = new FaultyHost(t, folder, library)
  await host.get({ do: 'open', store, durability: 'power-loss' })
  for (const id of RUNS) await host.get({ do: 'start', workflow: 'steps', id, args: [trace, id, STEPS, 100] })
  await host.get({ do: 'start', workflow: 'sleeps', id: 'sleeper', args: [100_000] })
  let failures = 0
  for (const [what, fault] of Object.entries({ 'the flush fails': 'sync 5', 'the write of the header fails': 'header 5', 'half a page is written': 'short 1', 'the write to the commit log fails': 'log 5' })) {
    await t.test(`${what}: whoever waits is told, nothing else happens to the host, and the next open() has all that was acknowledged`, async t => {
      const from = begun(timesOf(trace), 'a')
      const results = Promise.all([...RUNS, 'sleeper'].map(id => host.ask({ do: 'result', id })))
      await until('they are at work', () => begun(timesOf(trace), 'a') > from + 10)
      host.fail(fault)
      for (const answer of await results) t.match(answer, UNAVAILABLE)
      for (const request of [{ do: 'stats' }, { do: 'count' }, { do: 'start', workflow: 'sleeps', id: 'late', args: [1] }] as const) t.match(await host.ask(request), UNAVAILABLE, request.do)
      t.equal(host.logs('store-failed'), ++failures, 'the log says so, once')
      t.equal(host.logs('supervisor-died'), 0, 'nobody tries again on a disk that fails')
      t.notOk('error' in await host.ask({ do: 'close' }), 'close() works')
      const before = timesOf(trace)
      host.heal()
      await host.get({ do: 'open', store, durability: 'power-loss' })
      await until('they go on', () => RUNS.every(id => begun(timesOf(trace), id) > begun(before, id)))
      const after = timesOf(trace)
      for (const id of RUNS) {
        // That the next one was begun acknowledges those before it.
        const again = Array.from({ length: begun(before, id) - 1 }, (_, i) => `${id} ${i}`).filter(step => after.get(step) !== (before.get(step) ?? 0))
        t.same(again, [], `no acknowledged step of ${id} ran again`)
      }
      t.equal(await host.get({ do: 'status', id: 'sleeper' }), 'waiting')
    })
  }
  t.same(host.unhandled, [], 'no error went uncaught')
  t.equal(await host.end(), '0')
})
