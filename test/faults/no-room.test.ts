/** Writes that the system refuses are met before lmdb is asked, which might end the process over them. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { until } from '../harness.ts'
import { failingLibrary, FaultyHost, mounted } from './host.ts'

t.setTimeout(300_000)

const UNAVAILABLE = { error: { code: 'TROUPE_STORE_UNAVAILABLE' } }
const RUNS = ['a', 'b', 'c', 'd']
const EDQUOT = 122

interface Stats {
  readonly commits: { readonly refusals: number, readonly refusedBecause?: string }
}

function linesOf(trace: string): string[] {
  return existsSync(trace) ? readFileSync(trace, 'utf8').trim().split('\n') : []
}

t.test('a quota that is used up: work waits, unacknowledged, and goes on by itself when there is more', async t => {
  const library = failingLibrary(t)
  if (library === undefined) return
  const folder = join(library, '..')
  const trace = join(folder, 'trace')
  const host = new FaultyHost(t, folder, library)
  await host.get({ do: 'open', store: join(folder, 'store'), durability: 'process-crash' })
  for (const id of RUNS) await host.get({ do: 'start', workflow: 'steps', id, args: [trace, id, 100, 40_000] })
  const results = Promise.all(RUNS.map(id => host.get({ do: 'result', id })))
  await until('they are at work', () => linesOf(trace).length > 50)
  host.fail(`grow ${EDQUOT}`)
  await until('the store refuses', () => host.logs('commit-refused') > 0)
  const { commits } = await host.get({ do: 'stats' }) as Stats
  t.match(commits.refusedBecause, /cannot grow .*EDQUOT/)
  const paused = linesOf(trace).length
  await until('it was tried again', async () => (await host.get({ do: 'stats' }) as Stats).commits.refusals >= commits.refusals + 3)
  t.ok(linesOf(trace).length <= paused + RUNS.length, 'runs pause')
  host.heal()
  t.same(await results, RUNS.map(() => 100))
  t.equal(host.logs('store-recovered'), 1)
  t.equal(host.logs('store-failed'), 0)
  t.equal(new Set(linesOf(trace)).size, linesOf(trace).length, 'every step ran once')
  t.same(host.unhandled, [])
  t.equal(await host.end(), '0')
  t.equal(host.complaints, '', 'lmdb was never asked')
})

t.test('a file system that is shut down over an error: the store stops, whoever waits is told, and all that was acknowledged is there when it is back', async t => {
  const folder = t.testdir({})
  const image = join(folder, 'image')
  writeFileSync(image, '')
  truncateSync(image, 100 * 2 ** 20)
  if (process.platform === 'linux') spawnSync('mkfs.ext4', ['-qF', image])
  const disk = mounted(t, () => ['-o', 'loop', image])
  if (disk === undefined) return
  const trace = join(folder, 'trace')
  const store = join(disk, 'store')
  const first = new FaultyHost(t, folder, undefined)
  await first.get({ do: 'open', store, durability: 'power-loss' })
  for (const id of RUNS) await first.get({ do: 'start', workflow: 'steps', id, args: [trace, id, 20, 10] })
  await first.get({ do: 'start', workflow: 'sleeps', id: 'sleeper', args: [100_000] })
  for (const id of RUNS) t.equal(await first.get({ do: 'result', id }), 20)
  const result = first.ask({ do: 'result', id: 'sleeper' })
  // Nothing is under way now: the next commit is the first to meet it.
  const down = spawnSync('python3', ['-c', 'import fcntl,os,struct,sys; fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack("I", 2))', disk])
  if (down.status !== 0) {
    t.comment(`NOT SHOWN HERE: what a file system does that is shut down. ${down.stderr.toString()}`)
    t.pass('skipped', { skip: 'no way to shut a file system down: it takes python3' })
    return
  }
  t.match(await first.ask({ do: 'start', workflow: 'sleeps', id: 'late', args: [1] }), UNAVAILABLE)
  t.match(await result, UNAVAILABLE)
  t.equal(first.logs('store-failed'), 1)
  t.notOk('error' in await first.ask({ do: 'close' }), 'close() works')
  t.same(first.unhandled, [])
  t.equal(await first.end(), '0')
  t.equal(first.complaints, '', 'lmdb was never asked')
  spawnSync('umount', [disk])
  t.equal(spawnSync('mount', ['-o', 'loop', image, disk]).status, 0)
  const second = new FaultyHost(t, folder, undefined)
  await second.get({ do: 'open', store, durability: 'power-loss' })
  t.equal(await second.get({ do: 'result', id: 'a' }), 20)
  t.equal(await second.get({ do: 'status', id: 'sleeper' }), 'waiting')
  t.match(await second.ask({ do: 'status', id: 'late' }), { error: { code: 'TROUPE_UNKNOWN_RUN' } })
  t.equal(await second.end(), '0')
})
