/** Backups of the LMDB store: what they hold, what they refuse, and what is left of those that fail. */
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import type { Change } from '../../lib/store/contract.ts'
import { type LmdbStore, openLmdbStore } from '../../lib/store/lmdb/index.ts'
import { spawnFixture } from './processes.ts'
import { newRun, plain, started, type Started, text } from './runs.ts'

const durability = 'process-crash'
const INVALID = { code: 'TROUPE_INVALID_OPTION' }
const UNAVAILABLE = { code: 'TROUPE_STORE_UNAVAILABLE' }

async function opened(t: Test, folder: string, options: { readonly minFreeBytes?: number } = {}): Promise<LmdbStore> {
  const store = await openLmdbStore({ folder, durability, ...options })
  t.teardown(() => store.close())
  return store
}

function appended({ key }: Started, position: number, bytes = 200): Change {
  return { type: 'entry-appended', key, position, entry: text(`entry ${key}.${position} `.padEnd(bytes, '.')) }
}

/** Some runs with some entries: about `bytes` in all. */
function fill(store: LmdbStore, bytes: number): Started[] {
  const runs = Array.from({ length: 20 }, (_, i) => newRun(store, { id: `run-${i}` }))
  store.commit(runs.map(started))
  store.commit(runs.flatMap(run => [appended(run, 0, bytes / 40), appended(run, 1, bytes / 40)]))
  return runs
}

/** Everything of some runs. */
function contents(store: LmdbStore, runs: readonly Started[]): unknown {
  return plain([store.countRuns({ order: 'newest-first' }), runs.map(({ key }) => [store.loadRun(key), store.readJournal(key, 0, 10)])])
}

t.test('a backup opens as a store with everything acknowledged before the call, from the log and from chunks', async t => {
  const folder = t.testdir({ empty: {}, disk: { 'lost+found': {} } })
  const store = await opened(t, join(folder, 'store'))
  const runs = fill(store, 2_000_000)
  store.commit([appended(runs[0]!, 2)])
  const expected = contents(store, runs)
  for (const name of ['absent/below', 'empty', 'disk']) {
    const target = join(folder, name)
    await store.backup(target)
    t.same(readdirSync(target).filter(entry => entry !== 'lost+found'), ['data.mdb'], name)
    const copy = await opened(t, target)
    t.same(contents(copy, runs), expected)
    copy.commit([appended(runs[0]!, 3)])
    t.equal(copy.loadRun(runs[0]!.key)!.journalLength, 4, 'it goes on by itself')
    t.ok(copy.newRunKey() > runs.at(-1)!.key)
  }
  t.same(contents(store, runs), expected, 'and the original knows nothing of that')
})

t.test('work goes on during a backup, and the copy is as the store was at one moment after the call', async t => {
  const folder = t.testdir()
  const store = await opened(t, join(folder, 'store'))
  const runs = fill(store, 20_000_000)
  let position = 2
  const commitNext = (): void => {
    store.commit([...runs.map(run => appended(run, position)), started(newRun(store, { id: `at-${position}` }))])
    position++
  }
  commitNext()
  const acknowledged = position
  let copied = false
  const backup = store.backup(join(folder, 'copy')).finally(() => { copied = true })
  do {
    commitNext()
    await new Promise(resolve => { setImmediate(resolve) })
  } while (!copied)
  await backup
  commitNext()
  const copy = await opened(t, join(folder, 'copy'))
  const lengths = runs.map(({ key }) => copy.loadRun(key)!.journalLength)
  t.comment(`${position - acknowledged} commits during the backup, of which the copy has ${lengths[0]! - acknowledged}`)
  t.ok(lengths[0]! >= acknowledged && lengths[0]! < position)
  t.ok(lengths.every(length => length === lengths[0]), 'no commit is there by half')
  t.equal(copy.countRuns({ order: 'newest-first' }), runs.length + lengths[0]! - 2)
  for (const { key } of runs) {
    const entries = copy.readJournal(key, 2, 1_000_000)
    t.ok(entries.every((entry, i) => Buffer.from(entry).toString().startsWith(`entry ${key}.${i + 2} `)))
  }
  t.equal(store.loadRun(runs[0]!.key)!.journalLength, position, 'the original has them all')
})

t.test('close() waits for a backup, which is whole', async t => {
  const folder = t.testdir()
  const store = await opened(t, join(folder, 'store'))
  const runs = fill(store, 10_000_000)
  const expected = contents(store, runs)
  let copied = false
  const backup = store.backup(join(folder, 'copy')).then(() => { copied = true })
  await store.close()
  t.ok(copied)
  await backup
  t.same(contents(await opened(t, join(folder, 'copy')), runs), expected)
  await t.rejects(store.backup(join(folder, 'other')), { code: 'TROUPE_INTERNAL' })
  t.notOk(existsSync(join(folder, 'other')))
})

t.test('a folder that is not empty, or is none, is refused by name and not touched', async t => {
  const folder = t.testdir({ used: { 'thesis.doc': 'years of work' }, hidden: { '.gitkeep': '' }, file: 'a file' })
  const source = join(folder, 'store')
  const store = await opened(t, source)
  fill(store, 10_000)
  for (const [name, found] of [['used', 'thesis.doc'], ['hidden', '.gitkeep'], ['store', '(data.mdb|commits.log)']] as const) {
    const before = readdirSync(join(folder, name))
    await t.rejects(store.backup(join(folder, name)), { ...INVALID, option: 'folder', message: new RegExp(`Backing up.*${name}" has "${found}"`) })
    t.same(readdirSync(join(folder, name)), before)
  }
  await t.rejects(store.backup(join(folder, 'file')), { ...INVALID, message: /is a file/ })
  await store.backup(join(folder, 'copy'))
  await t.rejects(store.backup(join(folder, 'copy')), { ...INVALID, message: /data\.mdb/ }, 'an earlier backup is not overwritten')
  await t.rejects(store.backup(join(folder, 'file', 'below')), UNAVAILABLE)
})

t.test('of two backups into one folder at a time one is made', async t => {
  const folder = t.testdir()
  const store = await opened(t, join(folder, 'store'))
  const runs = fill(store, 1_000_000)
  const results = await Promise.allSettled([store.backup(join(folder, 'copy')), store.backup(join(folder, 'copy'))])
  t.same(results.map(({ status }) => status), ['fulfilled', 'rejected'])
  t.match((results[1] as PromiseRejectedResult).reason, INVALID)
  t.same(contents(await opened(t, join(folder, 'copy')), runs), contents(store, runs))
})

t.test('what a killed process left of a backup is taken away by the next one; of a living one it is not touched', async t => {
  const folder = t.testdir({})
  const store = await opened(t, join(folder, 'store'))
  fill(store, 10_000)
  const { pid } = spawnSync(process.execPath, ['-e', ''])
  const leave = (owner: number): string => {
    const left = `.unfinished-backup-${owner}`
    mkdirSync(join(folder, 'copy', left), { recursive: true })
    writeFileSync(join(folder, 'copy', left, 'data.mdb'), 'half a st')
    return left
  }
  const living = leave(process.ppid)
  await t.rejects(store.backup(join(folder, 'copy')), { ...INVALID, message: new RegExp(living) })
  t.same(readdirSync(join(folder, 'copy')), [living])
  rmSync(join(folder, 'copy'), { recursive: true })
  leave(pid)
  await store.backup(join(folder, 'copy'))
  t.same(readdirSync(join(folder, 'copy')), ['data.mdb'])
})

t.test('a backup that would leave the store\'s disk too little room is not begun', async t => {
  const folder = t.testdir()
  await (await openLmdbStore({ folder: join(folder, 'store'), durability })).close()
  const store = await opened(t, join(folder, 'store'), { minFreeBytes: 2 ** 60 })
  await t.rejects(store.backup(join(folder, 'below/copy')), { ...UNAVAILABLE, message: /MiB left/ })
  t.same(readdirSync(folder), ['store'], 'the folders made for it are gone')
})

t.test('a backup into a folder that may not be written is told', { skip: process.getuid?.() === 0 ? 'root may write everywhere' : false }, async t => {
  const folder = t.testdir({ closed: {} })
  const store = await opened(t, join(folder, 'store'))
  chmodSync(join(folder, 'closed'), 0o500)
  t.teardown(() => { chmodSync(join(folder, 'closed'), 0o700) })
  await t.rejects(store.backup(join(folder, 'closed')), UNAVAILABLE)
  t.same(readdirSync(join(folder, 'closed')), [])
})

t.test('a backup that fails half-way leaves the folder as it was', { skip: process.platform === 'win32' ? 'no limit to set on the size of a file' : false }, async t => {
  const folder = t.testdir({ empty: {} })
  const source = join(folder, 'store')
  const store = await openLmdbStore({ folder: source, durability })
  const runs = fill(store, 20_000_000)
  const expected = contents(store, runs)
  await store.close()
  const fixture = fileURLToPath(new URL('fixtures/backer.js', import.meta.url))
  for (const name of ['empty', 'made/below']) {
    // No file may grow above 4 or 8 MiB, by the shell's unit: the copy ends in the middle.
    // The loader that tap slips into what a test starts hears the signal for that, and so lets it end the process: this begins without it.
    const env = { ...process.env, NODE_OPTIONS: undefined }
    const said = spawnSync('sh', ['-c', 'ulimit -f 8192; exec "$@"', 'sh', process.execPath, fixture, source, join(folder, name), 'once'], { encoding: 'utf8', env })
    t.equal(said.status, 0)
    t.match(said.stdout, /^TROUPE_STORE_UNAVAILABLE .*the backup of .*failed.*too large/i)
    t.same(readdirSync(folder), ['empty', 'store'])
    t.same(readdirSync(join(folder, 'empty')), [])
  }
  t.same(contents(await opened(t, source), runs), expected, 'and the store is none the worse for it')
})

t.test('a process killed during a backup leaves a whole copy or none', async t => {
  const folder = t.testdir()
  const source = join(folder, 'store')
  const store = await openLmdbStore({ folder: source, durability })
  const runs = fill(store, 20_000_000)
  const expected = contents(store, runs)
  await store.close()
  for (let round = 0; round < 3; round++) {
    const target = join(folder, `copies-${round}`)
    mkdirSync(target)
    writeFileSync(join(target, 'note'), '')
    const child = spawnFixture(t, 'backer', [source, target, 'until-killed'])
    for (let line = await child.nextLine(); line !== `${round}`; line = await child.nextLine()) t.not(line, undefined)
    await child.kill()
    let whole = 0
    for (const name of readdirSync(target).filter(entry => entry !== 'note')) {
      if (!existsSync(join(target, name, 'data.mdb'))) continue
      whole++
      t.same(contents(await opened(t, join(target, name)), runs), expected)
    }
    t.ok(whole > round, 'those that were announced are whole')
    for (const name of readdirSync(target).filter(entry => entry !== 'note')) {
      const left = readdirSync(join(target, name))
      if (left.includes('data.mdb')) continue
      const again = await opened(t, source)
      await again.backup(join(target, name))
      t.same(readdirSync(join(target, name)), ['data.mdb'], 'the next backup into a folder takes away what was left in it')
      await again.close()
    }
  }
})
