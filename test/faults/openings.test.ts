/** Stores that cannot be opened, or should not be where they are: typed errors, nothing changed, and once the cause is gone they open. */
import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { openTroupe, recordingLogger, until } from '../harness.ts'
import { openLmdbStore } from '../../lib/store/lmdb/index.ts'
import { spawnProgram } from '../store/processes.ts'
import { newRun, started } from '../store/runs.ts'
import { failingLibrary, FaultyHost, mounted } from './host.ts'

t.setTimeout(300_000)

const durability = 'process-crash'
const UNAVAILABLE = { code: 'TROUPE_STORE_UNAVAILABLE' }
const WORKFLOWS = new URL('fixtures/workflows.js', import.meta.url)

/** A closed store that has one run, whose id is "kept". */
async function storeIn(folder: string): Promise<void> {
  const store = await openLmdbStore({ folder, durability })
  store.commit([started(newRun(store, { id: 'kept' }))])
  await store.close()
}

async function opens(t: Test, folder: string): Promise<void> {
  const store = await openLmdbStore({ folder, durability })
  t.not(store.findRun('kept'), undefined, 'it opens, and has what it had')
  await store.close()
}

t.test('a disk that is read-only', async t => {
  const folder = mounted(t, place => ['--bind', place])
  if (folder === undefined) return
  await storeIn(folder)
  spawnSync('mount', ['-o', 'remount,ro,bind', folder])
  const before = readFileSync(join(folder, 'data.mdb'))
  await t.rejects(openLmdbStore({ folder, durability }), { ...UNAVAILABLE, message: /EROFS|read-only/i })
  await t.rejects(openLmdbStore({ folder: join(folder, 'new'), durability }), UNAVAILABLE)
  t.ok(before.equals(readFileSync(join(folder, 'data.mdb'))))
  spawnSync('mount', ['-o', 'remount,rw,bind', folder])
  await opens(t, folder)
})

t.test('a disk that somebody else fills up: work waits, and goes on when there is room', async t => {
  const folder = t.testdir({})
  const disk = mounted(t, () => ['-t', 'tmpfs', '-o', 'size=80m', 'tmpfs'])
  if (disk === undefined) return
  const logger = recordingLogger()
  const troupe = await openTroupe(t, { store: join(disk, 'store'), workflows: WORKFLOWS, logger })
  const trace = join(folder, 'trace')
  const steps = (): number => existsSync(trace) ? statSync(trace).size : 0
  await troupe.start('steps', [trace, 'a', 1_000_000, 10])
  await until('it is at work', () => steps() > 100)
  const filler = join(disk, 'filler')
  writeFileSync(filler, Buffer.alloc(40 * 2 ** 20))
  await until('the store refuses', () => logger.lines.some(({ fields }) => fields['event'] === 'commit-refused'))
  t.match((await troupe.stats()).commits, { refusedBecause: /MiB left/ })
  const paused = steps()
  rmSync(filler)
  await until('it goes on', () => steps() > paused + 100)
  t.equal(logger.lines.filter(({ fields }) => fields['event'] === 'store-recovered').length, 1)
  await troupe.close({ mode: 'abandon' })
})

t.test('a file with no place left for a reader', async t => {
  const folder = join(t.testdir({}), 'store')
  await storeIn(folder)
  rmSync(join(folder, 'lock.mdb'))
  const reader = spawnProgram(t, new URL('fixtures/reader.js', import.meta.url), [folder])
  t.equal(await reader.nextLine(), 'reading')
  await t.rejects(openLmdbStore({ folder, durability }), { ...UNAVAILABLE, message: /MDB_READERS_FULL/ })
  reader.process.stdin.end()
  await reader.ended
  await opens(t, folder)
})

t.test('a write that the system refuses half-way may end the process inside lmdb, and loses nothing', async t => {
  const library = failingLibrary(t)
  if (library === undefined) return
  const folder = join(library, '..')
  const [store, trace] = [join(folder, 'store'), join(folder, 'trace')]
  const first = new FaultyHost(t, folder, library)
  await first.get({ do: 'open', store, durability: 'power-loss' })
  await first.get({ do: 'start', workflow: 'steps', id: 'a', args: [trace, 'a', 50, 100] })
  const result = first.ask({ do: 'result', id: 'a' })
  first.fail('write 122 3')
  // What is counted has to be in LMDB, so that its pages are written.
  let over = false
  void result.then(() => { over = true })
  await until('it is told', async () => {
    await first.ask({ do: 'count' })
    return over
  })
  const answer = await result
  t.ok('error' in answer && (answer.error.code === UNAVAILABLE.code || answer.error.name === 'HostDied'))
  t.comment(`it was told: ${'error' in answer ? answer.error.message : ''}`)
  await Promise.race([first.end(), first.ended])
  first.heal()
  const second = new FaultyHost(t, folder, undefined)
  await second.get({ do: 'open', store, durability: 'power-loss' })
  t.equal(await second.get({ do: 'result', id: 'a' }), 50)
  const lines = readFileSync(trace, 'utf8').trim().split('\n')
  t.ok(new Set(lines).size === 50 && lines.length <= 51, 'nothing acknowledged ran again')
  t.equal(await second.end(), '0')
})

t.test('links: to a folder it is that folder, and a data file that leads nowhere is told', async t => {
  const dir = t.testdir({ real: {}, dangling: {} })
  await storeIn(join(dir, 'real', 'store'))
  symlinkSync(join(dir, 'real', 'store'), join(dir, 'link'))
  await opens(t, join(dir, 'link'))
  const store = await openLmdbStore({ folder: join(dir, 'real', 'store'), durability })
  await t.rejects(openLmdbStore({ folder: join(dir, 'link'), durability }), { code: 'TROUPE_STORE_IN_USE' }, 'it has one lock, whatever it is called')
  await store.close()
  symlinkSync(join(dir, 'nowhere'), join(dir, 'dangling', 'data.mdb'))
  await t.rejects(openLmdbStore({ folder: join(dir, 'dangling'), durability }), UNAVAILABLE)
  t.same(readdirSync(join(dir, 'dangling')), ['data.mdb'])
  symlinkSync(join(dir, 'loop'), join(dir, 'loop'))
  await t.rejects(openLmdbStore({ folder: join(dir, 'loop'), durability }), UNAVAILABLE)
})

t.test('a store that everybody may write, or that belongs to somebody else, is used, and the log warns of it', { skip: process.platform === 'win32' ? 'no such rights' : false }, async t => {
  const folder = join(t.testdir({}), 'store')
  const warnings = async (): Promise<string[]> => {
    const logger = recordingLogger()
    const troupe = await openTroupe(t, { store: folder, workflows: WORKFLOWS, logger })
    await troupe.close()
    return logger.lines.filter(({ fields }) => fields['event'] === 'store-exposed').map(({ message }) => message)
  }
  t.same(await warnings(), [])
  chmodSync(folder, 0o777)
  t.match(await warnings(), [/may be written by every user/])
  chmodSync(folder, 0o755)
  if (process.geteuid?.() !== 0) return t.pass('skipped', { skip: 'only root can give a file away' })
  chownSync(join(folder, 'data.mdb'), 12_345, statSync(folder).gid)
  t.match(await warnings(), [/belongs to user 12345/])
})
