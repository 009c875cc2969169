/** The commit log: what is in it alone survives, what is wrong with it is told, and a store can do without. */
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { RunKey } from '../../lib/model/run.ts'
import type { Change } from '../../lib/store/contract.ts'
import { type LmdbStore, type LmdbStoreOptions, openLmdbStore } from '../../lib/store/lmdb/index.ts'
import { chanceOf, seedOf } from '../chance.ts'
import { newRun, started, text } from './runs.ts'

const LOG = 'commits.log'
const DATA = 'data.mdb'
const BLOCK_BYTES = 4096
const FORMAT = { code: 'TROUPE_STORE_FORMAT' }

const options = (folder: string, more: Partial<LmdbStoreOptions> = {}): LmdbStoreOptions => ({ folder, durability: 'process-crash', ...more })

const entry = (key: RunKey, position: number): Change => ({ type: 'entry-appended', key, position, entry: text(`${position}`) })

async function opened(t: Test, folder: string, more: Partial<LmdbStoreOptions> = {}): Promise<LmdbStore> {
  const store = await openLmdbStore(options(folder, more))
  t.teardown(() => store.close())
  return store
}

/** A run with so many entries, each in a commit of its own; the first commit goes to LMDB, all others to the log. */
function grow(store: LmdbStore, entries: number, id = 'run'): RunKey {
  const run = newRun(store, { id }, 'running')
  store.commit([started(run)])
  for (let i = 0; i < entries; i++) store.commit([entry(run.key, i)])
  return run.key
}

/** As the death of its process would leave it now. */
function leave(folder: string, copy: string): string {
  mkdirSync(copy)
  for (const file of [DATA, LOG]) cpSync(join(folder, file), join(copy, file))
  return copy
}

const entriesIn = (store: LmdbStore): number => store.loadRun(store.findRun('run')!)!.journalLength

/** Where the records of the log begin: here each has a block. */
const damage = (folder: string, record: number): void => {
  const bytes = readFileSync(join(folder, LOG))
  bytes[record * BLOCK_BYTES + 50]! ^= 1
  writeFileSync(join(folder, LOG), bytes)
}

t.test('what is in the log alone is there when a store is opened that was not closed', async t => {
  const dir = t.testdir()
  const folder = join(dir, 'store')
  const store = await opened(t, folder)
  grow(store, 10)
  const data = readFileSync(join(folder, DATA))
  const left = leave(folder, join(dir, 'left'))
  t.equal(entriesIn(await opened(t, left)), 10)
  t.ok(readFileSync(join(folder, DATA)).equals(data), 'and LMDB had none of it')
  // Reading a range takes it there.
  t.equal(store.readJournal(store.findRun('run')!, 0, 100).length, 10)
})

t.test('a store that was closed needs no log; one that was not, does', async t => {
  const dir = t.testdir()
  const folder = join(dir, 'store')
  const store = await opened(t, folder)
  grow(store, 10)
  const left = leave(folder, join(dir, 'left'))
  await store.close()
  rmSync(join(folder, LOG))
  t.equal(entriesIn(await opened(t, folder)), 10)
  rmSync(join(left, LOG))
  await t.rejects(opened(t, left), { ...FORMAT, message: /not closed.*"commits\.log" is missing/ })
})

t.test('a record that is missing in the midst of the log is damage; the last one may have been torn', async t => {
  const dir = t.testdir()
  const store = await opened(t, join(dir, 'store'))
  grow(store, 10)
  for (const record of [0, 5, 8]) {
    const left = leave(join(dir, 'store'), join(dir, `left-${record}`))
    damage(left, record)
    await t.rejects(opened(t, left), { ...FORMAT, message: new RegExp(`record ${record} of its commit log is missing`) })
    await t.rejects(opened(t, left), FORMAT, 'and stays so')
  }
  const left = leave(join(dir, 'store'), join(dir, 'left-9'))
  damage(left, 9)
  t.equal(entriesIn(await opened(t, left)), 9)
})

t.test('a data file that is older than the log is refused, unless it was closed: then it is a backup that was put back', async t => {
  const dir = t.testdir()
  const folder = join(dir, 'store')
  const store = await opened(t, folder)
  grow(store, 3)
  const older = leave(folder, join(dir, 'older'))
  await store.backup(join(dir, 'backup'))
  for (const position of [3, 4]) store.commit([entry(store.findRun('run')!, position)])
  const left = leave(folder, join(dir, 'left'))
  cpSync(join(older, DATA), join(left, DATA))
  await t.rejects(opened(t, left), { ...FORMAT, message: /"data\.mdb" is older than "commits\.log"/ })
  cpSync(join(dir, 'backup', DATA), join(left, DATA))
  const restored = await opened(t, left)
  t.equal(entriesIn(restored), 3)
  // What the log still has of the other history never comes back.
  const run = { key: restored.findRun('run')! }
  restored.commit([{ type: 'timer-set', key: run.key, slot: 0, dueAtMs: 1 }])
  restored.commit([{ type: 'timer-set', key: run.key, slot: 0, dueAtMs: 2 }])
  t.equal(entriesIn(await opened(t, leave(left, join(dir, 'left-again')))), 3)
})

t.test('the log of another store is none of this one\'s', async t => {
  const dir = t.testdir()
  const [one, other] = [await opened(t, join(dir, 'one')), await opened(t, join(dir, 'other'))]
  grow(one, 5)
  grow(other, 5)
  const left = leave(join(dir, 'one'), join(dir, 'left'))
  cpSync(join(dir, 'other', LOG), join(left, LOG))
  // Nothing of it is taken over; that this store had acknowledged more than LMDB has cannot be told.
  t.equal(entriesIn(await opened(t, left)), 0)
})

for (const [what, hinder] of [
  ['a folder in its place', (path: string) => { mkdirSync(path) }],
  ['a link to elsewhere', (path: string) => { symlinkSync('/dev/null', path) }],
] as const) {
  t.test(`a store works without a log (${what}), and says so`, async t => {
    const dir = t.testdir()
    const folder = join(dir, 'store')
    await (await openLmdbStore(options(folder))).close()
    rmSync(join(folder, LOG))
    hinder(join(folder, LOG))
    const store = await opened(t, folder)
    t.match(store.worries, [/commits\.log" could not be made or opened .*slower/])
    grow(store, 10)
    mkdirSync(join(dir, 'left'))
    cpSync(join(folder, DATA), join(dir, 'left', DATA))
    t.equal(entriesIn(await opened(t, join(dir, 'left'))), 10, 'every commit went to LMDB')
  })
}

t.test('a log that is full, or has enough pending, is emptied by the next commit', async t => {
  for (const logLimits of [{ fileBytes: 3 * BLOCK_BYTES, pendingBytes: 1e9, commitsWithout: 0 }, { fileBytes: 2 ** 20, pendingBytes: 100, commitsWithout: 0 }]) {
    const dir = t.testdir()
    const folder = join(dir, 'store')
    const store = await opened(t, folder, { logLimits })
    const run = newRun(store, { id: 'run' }, 'running')
    store.commit([started(run)])
    let times = 0
    for (let i = 0, before = readFileSync(join(folder, DATA)); i < 14; i++) {
      store.commit([entry(run.key, i)])
      const data = readFileSync(join(folder, DATA))
      if (!data.equals(before)) times++
      before = data
      const left = await openLmdbStore(options(leave(folder, join(dir, `left-${i}`))))
      t.equal(entriesIn(left), i + 1)
      await left.close()
    }
    t.ok(times >= 2 && times <= 5, `LMDB was written ${times} times in 14 commits`)
  }
})

t.test('a log of a killed store with any byte changed: the right data, or a typed error; never anything else', async t => {
  const seed = seedOf(t)
  const chance = chanceOf(seed)
  const dir = t.testdir()
  const store = await opened(t, join(dir, 'store'))
  grow(store, 12)
  const seen = { all: 0, 'all but the last': 0, refused: 0 }
  const left = leave(join(dir, 'store'), join(dir, 'left'))
  const [data, log] = [readFileSync(join(left, DATA)), readFileSync(join(left, LOG))]
  for (let i = 0; i < 40; i++) {
    const bytes = Buffer.from(log)
    // Mostly where records are and not what fills their blocks.
    const at = chance.below(13) * BLOCK_BYTES + (chance.below(4) === 0 ? chance.below(BLOCK_BYTES) : chance.below(150))
    bytes[at]! ^= 1 << chance.below(8)
    rmSync(left, { recursive: true })
    mkdirSync(left)
    writeFileSync(join(left, DATA), data)
    writeFileSync(join(left, LOG), bytes)
    try {
      const again = await openLmdbStore(options(left))
      const entries = entriesIn(again)
      await again.close()
      if (entries === 12) seen.all++
      else if (entries === 11 && Math.floor(at / BLOCK_BYTES) === 11) seen['all but the last']++
      else t.fail(`byte ${at}: ${entries} entries`)
    } catch (error) {
      t.match(error, FORMAT)
      seen.refused++
    }
  }
  t.comment(JSON.stringify(seen))
  t.ok(seen.all > 0 && seen.refused > 0)
})

t.test('a store of the first version, which had no log, is opened, and gets one', async t => {
  const dir = t.testdir()
  const folder = join(dir, 'store')
  const store = await openLmdbStore(options(folder))
  await store.close()
  // Made and closed, it has nothing that the first version did not have.
  rmSync(join(folder, LOG))
  const again = await opened(t, folder)
  t.ok(existsSync(join(folder, LOG)))
  grow(again, 3)
  renameSync(folder, join(dir, 'moved'))
  t.equal(entriesIn(await opened(t, leave(join(dir, 'moved'), join(dir, 'left')))), 3)
  renameSync(join(dir, 'moved'), folder)
})
