/** A disk that fills up: work waits, unacknowledged and bounded, and goes on by itself when there is room. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { until } from '../harness.ts'
import { failingLibrary, FaultyHost } from './host.ts'

t.setTimeout(300_000)

const RUNS = ['a', 'b', 'c', 'd']
const STEPS = 300

interface Stats {
  readonly commits: { readonly waiting: number, readonly refusals: number, readonly refusedBecause?: string }
}

t.test('a disk with too little room left', async t => {
  const library = failingLibrary(t)
  if (library === undefined) return
  const folder = join(library, '..')
  const trace = join(folder, 'trace')
  const lines = (): string[] => existsSync(trace) ? readFileSync(trace, 'utf8').trim().split('\n') : []
  const host = new FaultyHost(t, folder, library)
  await host.get({ do: 'open', store: join(folder, 'store'), durability: 'process-crash' })
  await host.get({ do: 'start', workflow: 'sleeps', id: 'sleeper', args: [3] })
  for (const id of RUNS) await host.get({ do: 'start', workflow: 'steps', id, args: [trace, id, STEPS, 2_000] })
  const results = Promise.all(RUNS.map(id => host.get({ do: 'result', id })))
  await until('they are at work', () => lines().length > 50)
  host.fail('free 1000000')
  await until('the log says so', () => host.logs('commit-refused') > 0)
  const { commits } = await host.get({ do: 'stats' }) as Stats
  t.ok(commits.refusals > 0, 'stats() says so')
  t.match(commits.refusedBecause, /disk has 1 MiB left/)
  // Each run may have a step at work when it is refused, and none after that.
  const paused = lines().length
  let started = false
  const start = host.ask({ do: 'start', workflow: 'sleeps', id: 'late', args: [0] }).then(answer => {
    started = true
    return answer
  })
  const refusals = async (): Promise<number> => (await host.get({ do: 'stats' }) as Stats).commits.refusals
  const before = await refusals()
  await until('it was tried again', async () => await refusals() >= before + 3)
  t.ok(lines().length <= paused + RUNS.length, 'runs pause')
  t.notOk(started, 'nothing is acknowledged')
  const flood = host.ask({ do: 'start-many', workflow: 'sleeps', ids: 'flood', count: 10_000, args: [1_000_000] })
  await until('much waits', async () => (await host.get({ do: 'stats' }) as Stats).commits.waiting >= 10_000)
  t.match(await host.ask({ do: 'start', workflow: 'sleeps', id: 'too-much', args: [0] }), { error: { code: 'TROUPE_STORE_UNAVAILABLE' } }, 'what waits has a bound')
  host.heal()
  t.same(await results, RUNS.map(() => STEPS), 'all goes on by itself')
  t.match(await start, { value: 'late' })
  t.match(await flood, { value: 10_000 })
  t.equal(host.logs('store-recovered'), 1)
  t.equal((await host.get({ do: 'stats' }) as Stats).commits.refusals, 0)
  t.equal(await host.get({ do: 'result', id: 'sleeper' }), 'slept', 'timers that were due meanwhile ring')
  t.same(lines().sort(), RUNS.flatMap(id => Array.from({ length: STEPS }, (_, i) => `${id} ${i}`)).sort(), 'every step ran once')
  t.same(host.unhandled, [])
  t.equal(await host.end(), '0')
})
