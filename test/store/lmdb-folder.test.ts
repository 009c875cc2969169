/** What the LMDB store makes of folders and files that are not as it left them. */
import { closeSync, copyFileSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { open } from 'lmdb'
import t, { type Test } from 'tap'
import { crc32 } from 'node:zlib'
import type { Change } from '../../lib/store/contract.ts'
import { openLmdbStore } from '../../lib/store/lmdb/index.ts'
import type { RunKey } from '../../lib/model/run.ts'
import { keyCheck, seedOf } from '../../lib/store/lmdb/records.ts'
import { newestMeta } from '../../lib/store/lmdb/data-file.ts'
import { FreeSpace } from '../../lib/store/lmdb/space.ts'
import { newRun, started, text } from './runs.ts'

const durability = 'process-crash'
const FORMAT = { code: 'TROUPE_STORE_FORMAT' }
const UNAVAILABLE = { code: 'TROUPE_STORE_UNAVAILABLE' }

/** The folder's files with all their bytes. */
function contents(folder: string): Record<string, string> {
  return Object.fromEntries(readdirSync(folder).sort().map(name => [name, statSync(join(folder, name)).isFile() ? readFileSync(join(folder, name), 'hex') : '(no file)']))
}

/** A closed store with some runs and entries. */
async function storeIn(folder: string, options: { readonly hotJournalBytes?: number } = {}): Promise<void> {
  const store = await openLmdbStore({ folder, durability, ...options })
  const runs = Array.from({ length: 200 }, (_, i) => newRun(store, { id: `run-${i}` }))
  store.commit(runs.map(started))
  store.commit(runs.flatMap(({ key }) => [0, 1, 2].map((position): Change => ({ type: 'entry-appended', key, position, entry: text(`entry ${key}.${position} `.repeat(10)) }))))
  await store.close()
}

async function refusesUnchanged(t: Test, folder: string, expected: { readonly code: string, readonly message?: RegExp }, what: string): Promise<void> {
  const before = contents(folder)
  await t.rejects(openLmdbStore({ folder, durability }), expected, what)
  t.same(contents(folder), before, `${what}: nothing was changed`)
}

t.test('an absent folder, an empty one and one with harmless things in it become stores', async t => {
  const dir = t.testdir({ empty: {}, mounted: { 'lost+found': {}, '.gitkeep': '' }, begun: { 'data.mdb': '', 'lock.mdb': '' } })
  for (const name of ['absent/below/below', 'empty', 'mounted', 'begun', 'with.extension']) {
    const folder = join(dir, name)
    await storeIn(folder)
    const store = await openLmdbStore({ folder, durability })
    t.equal(store.countRuns({ order: 'newest-first' }), 200, name)
    await store.close()
    t.same(readdirSync(folder).filter(file => file.endsWith('.mdb')), ['data.mdb', 'lock.mdb'])
  }
})

t.test('somebody else\'s folder or file is refused and not touched', async t => {
  const dir = t.testdir({
    foreign: { 'thesis.doc': 'years of work' },
    garbage: { 'data.mdb': 'this is not an LMDB file at all. '.repeat(1_000) },
    tiny: { 'data.mdb': 'tiny!' },
    zeros: { 'data.mdb': '\0'.repeat(16_384) },
    directory: { 'data.mdb': {} },
    file: 'a file in the folder\'s place',
  })
  for (const name of ['foreign', 'garbage', 'tiny', 'zeros', 'directory']) await refusesUnchanged(t, join(dir, name), FORMAT, name)
  await t.rejects(openLmdbStore({ folder: join(dir, 'file'), durability }), FORMAT)
  t.equal(readFileSync(join(dir, 'file'), 'utf8'), 'a file in the folder\'s place')
  await t.rejects(openLmdbStore({ folder: join(dir, 'file', 'below'), durability }), UNAVAILABLE)
})

t.test('an LMDB file of another program is refused, and its data are as they were', async t => {
  const folder = t.testdir()
  const root = open({ path: folder, noSubdir: false, encoding: 'string', overlappingSync: false })
  await root.openDB({ name: 'meta', encoding: 'string' }).put('schema', 'mine')
  await root.openDB({ name: 'other', encoding: 'string' }).put('a', 'b')
  await root.close()
  rmSync(join(folder, 'lock.mdb'))
  await refusesUnchanged(t, folder, FORMAT, 'with a table of the same name')

  const other = t.testdir({ x: {} })
  const plain = open({ path: join(other, 'x'), noSubdir: false, encoding: 'string', overlappingSync: false })
  await plain.put('a', 'b')
  await plain.close()
  rmSync(join(other, 'x', 'lock.mdb'))
  await refusesUnchanged(t, join(other, 'x'), { ...FORMAT, message: /no store of troupe/ }, 'without one')
})

t.test('a store with a newer schema is refused and not touched', async t => {
  const folder = t.testdir()
  await storeIn(folder)
  const root = open({ path: folder, noSubdir: false, encoding: 'binary', keyEncoding: 'binary', maxDbs: 32, overlappingSync: false })
  const key = Buffer.from('schema')
  const record = Buffer.alloc(10)
  record[0] = 1
  record.writeUInt32LE(keyCheck('meta', key, 0, key.length), 1)
  record.writeUInt32LE(crc32(Buffer.of(3), seedOf('meta', 0)), 5)
  record[9] = 3
  await root.openDB({ name: 'meta', encoding: 'binary', keyEncoding: 'binary' }).put(Buffer.from('schema'), record)
  await root.close()
  rmSync(join(folder, 'lock.mdb'))
  await refusesUnchanged(t, folder, { ...FORMAT, message: /newer version of troupe \(schema 3/ }, 'newer')
})

/** Up to the end of LMDB's last page; behind it is room kept ready. */
function claimedBytes(path: string): number {
  const file = openSync(path, 'r')
  const { lastPage, pageSize } = newestMeta(file, path)
  closeSync(file)
  return (lastPage + 1) * pageSize
}

t.test('a file that was cut short is refused and not touched, wherever it was cut', async t => {
  const dir = t.testdir({ whole: {} })
  await storeIn(join(dir, 'whole'))
  const whole = join(dir, 'whole', 'data.mdb')
  const size = claimedBytes(whole)
  for (const length of [1, 100, 4_095, 4_096, 4_200, 8_191, 8_192, 12_288, size / 2, size / 2 + 1, size - 8_192, size - 4_096, size - 1]) {
    const folder = join(dir, `cut-${length}`)
    mkdirSync(folder)
    copyFileSync(whole, join(folder, 'data.mdb'))
    truncateSync(join(folder, 'data.mdb'), length)
    await refusesUnchanged(t, folder, FORMAT, `${length} of ${size} bytes`)
  }
})

t.test('a file that LMDB left shorter than its header says, because the last pages are free, opens', async t => {
  const folder = t.testdir()
  const store = await openLmdbStore({ folder, durability })
  const run = newRun(store)
  store.commit([started(run)])
  const path = join(folder, 'data.mdb')
  const missing = (): number => claimedBytes(path) - statSync(path).size
  await store.close()
  truncateSync(path, claimedBytes(path))
  // Pages that one transaction takes at the end of the file and gives back are counted and never written.
  const root = open({ path: folder, noSubdir: false, encoding: 'binary', maxDbs: 64 })
  const meta = root.openDB({ name: 'meta', encoding: 'binary' })
  for (let round = 0; round < 50 && missing() <= 0; round++) {
    root.transactionSync(() => {
      for (let i = 0; i < 200 + round * 20; i++) meta.putSync(`passing ${i}`, Buffer.alloc(300))
      for (let i = 0; i < 200 + round * 20; i++) meta.removeSync(`passing ${i}`)
    })
  }
  await root.close()
  t.ok(missing() > 0, 'the file is short')
  const again = await openLmdbStore({ folder, durability })
  t.equal(again.findRun(run.meta.id), run.key)
  await again.close()
})

/** Changes the bytes wherever they stand: freed pages may hold older copies. */
function damage(folder: string, bytes: string): void {
  const path = join(folder, 'data.mdb')
  const data = readFileSync(path)
  const mark = Buffer.from(bytes)
  const file = openSync(path, 'r+')
  for (let at = data.indexOf(mark); at >= 0; at = data.indexOf(mark, at + 1)) writeSync(file, 'X', at)
  closeSync(file)
}

t.test('a record whose bytes were changed is told on reading, with its table and run', async t => {
  const folder = t.testdir()
  await storeIn(folder, { hotJournalBytes: 0 })
  const writer = await openLmdbStore({ folder, durability, hotJournalBytes: 0 })
  // Each commit folds some of what came before it, twice as much as it adds: together more than all there was.
  for (let position = 3; position < 10; position++) writer.commit([{ type: 'entry-appended', key: 1 as RunKey, position, entry: text('one more '.repeat(1_000)) }])
  await writer.close()
  damage(folder, 'entry 77.1 ')
  const store = await openLmdbStore({ folder, durability })
  t.throws(() => store.readJournal(77 as RunKey, 0, 10), { ...FORMAT, message: /"journal".*run 77 \(0\).*checksum/ })
  t.equal(store.readJournal(76 as RunKey, 0, 10).length, 3, 'its neighbours can be read')
  await store.close()
})

t.test('a key that was changed into another one that fits in its place is told on opening, because nobody would find its row', async t => {
  const folder = t.testdir()
  await storeIn(folder)
  const path = join(folder, 'data.mdb')
  const data = readFileSync(path)
  const file = openSync(path, 'r+')
  // The last of the ids, behind which its row's value follows; in the run's record its workflow does.
  for (let at = data.indexOf('run-99\x01'); at >= 0; at = data.indexOf('run-99\x01', at + 1)) if (data[at + 7] !== 0x77) writeSync(file, ':', at + 5)
  closeSync(file)
  await refusesUnchanged(t, folder, { ...FORMAT, message: /table "ids".*damaged/ }, 'a damaged key')
})

t.test('a table whose name was changed is told on opening, and not made anew', async t => {
  const folder = t.testdir()
  await storeIn(folder)
  const path = join(folder, 'data.mdb')
  const data = readFileSync(path)
  const file = openSync(path, 'r+')
  for (let at = data.indexOf('labels'); at >= 0; at = data.indexOf('labels', at + 1)) writeSync(file, 'f', at + 1)
  closeSync(file)
  const before = readFileSync(path)
  await t.rejects(openLmdbStore({ folder, durability }), { ...FORMAT, message: /table "labels" is missing/ })
  t.ok(before.equals(readFileSync(path)))
})

t.test('a file whose pages lead anywhere but where they should is refused before lmdb sees it', async t => {
  const dir = t.testdir({ whole: {} })
  await storeIn(join(dir, 'whole'))
  const whole = readFileSync(join(dir, 'whole', 'data.mdb'))
  const newest = whole.readBigUInt64LE(152) > whole.readBigUInt64LE(4_096 + 152) ? 0 : 4_096
  const root = Number(whole.readBigUInt64LE(newest + 136)) * 4_096
  const harms: Record<string, (data: Buffer) => void> = {
    'the root of all tables is elsewhere': data => { data.writeBigUInt64LE(2n, newest + 136) },
    'the free list is a page of a table': data => { data.writeBigUInt64LE(BigInt(root / 4_096), newest + 88) },
    'the older header claims to be the newer one': data => { data.writeBigUInt64LE(data.readBigUInt64LE(newest + 152) + 1n, 4_096 - newest + 152) },
    'there are more pages than there can be': data => { data.writeBigUInt64LE(2n ** 40n, newest + 144) },
    'more memory is asked for than there is': data => { data.writeBigUInt64LE(2n ** 62n, newest + 40) },
    'a page is another one': data => { data.writeBigUInt64LE(7n, root) },
    'a page is from the future': data => { data.writeBigUInt64LE(2n ** 30n, root + 8) },
    'a page has more nodes than fit': data => { data.writeUInt16LE(4_000, root + 20) },
    'a node lies outside its page': data => { data.writeUInt16LE(4_070, root + 24) },
    'a leaf is none': data => { data.fill(0, root, root + 4_096) },
  }
  for (const [what, harm] of Object.entries(harms)) {
    const folder = join(dir, what.replaceAll(' ', '-'))
    mkdirSync(folder)
    const data = Buffer.from(whole)
    harm(data)
    writeFileSync(join(folder, 'data.mdb'), data)
    await refusesUnchanged(t, folder, { ...FORMAT, message: /damaged/ }, what)
  }
})

t.test('a record of the log whose bytes were changed is told on opening, because nothing may be missing from a journal', async t => {
  const folder = t.testdir()
  await storeIn(folder)
  damage(folder, 'entry 77.1 ')
  await refusesUnchanged(t, folder, { ...FORMAT, message: /table "log".*checksum/ }, 'a damaged log')
})

t.test('a folder that cannot be made is told', async t => {
  await t.rejects(openLmdbStore({ folder: '/dev/null/store', durability }), UNAVAILABLE)
  if (existsSync('/proc/self')) await t.rejects(openLmdbStore({ folder: '/proc/self/store', durability }), UNAVAILABLE)
})

t.test('a folder that may not be written is told', { skip: process.getuid?.() === 0 ? 'root may write everywhere' : false }, async t => {
  const dir = t.testdir({ closed: {} })
  mkdirSync(join(dir, 'readonly'), { mode: 0o500 })
  await t.rejects(openLmdbStore({ folder: join(dir, 'readonly'), durability }), UNAVAILABLE)
})

t.test('keys that runs had are not given out again after the store was opened anew', async t => {
  const folder = t.testdir()
  let last = 0
  for (let i = 0; i < 3; i++) {
    const store = await openLmdbStore({ folder, durability })
    for (let j = 0; j < 10; j++) {
      const run = newRun(store)
      t.ok(run.key > last)
      last = run.key
      store.commit([started(run)])
    }
    await store.close()
  }
})

t.test('a store whose disk has too little room takes no commit, says so, and takes them again when there is room', async t => {
  const folder = t.testdir()
  const full = await openLmdbStore({ folder, durability, minFreeBytes: 0 })
  const run = newRun(full)
  full.commit([started(run)])
  await full.close()
  const store = await openLmdbStore({ folder, durability, minFreeBytes: 2 ** 60 })
  t.throws(() => store.commit([started(newRun(store))]), { ...UNAVAILABLE, message: /MiB left/ })
  t.equal(store.findRun(run.meta.id), run.key, 'it can be read')
  t.equal(store.failure, undefined, 'and nothing of lmdb failed')
  await store.close()
  await t.rejects(openLmdbStore({ folder: join(folder, 'new'), durability, minFreeBytes: 2 ** 60 }), UNAVAILABLE)
})

t.test('the free space is looked at once a second, and at once when commits may have used up the rest', async t => {
  let free = 1_000_000_000
  let now = 0
  let looks = 0
  const space = new FreeSpace('/x', 500_000_000, {
    nowMs: () => now,
    freeBytes: () => {
      looks++
      return free
    },
  })
  for (let i = 0; i < 100; i++) space.check(100, 10_000)
  t.equal(looks, 1)
  now += 1_001
  space.check(1, 1)
  t.equal(looks, 2)
  free = 600_000_000
  space.check(1, 450_000_000)
  t.equal(looks, 2, 'as far as it knows there is room')
  t.throws(() => space.check(1, 200_000_000), UNAVAILABLE)
  t.throws(() => space.check(1, 200_000_000), UNAVAILABLE)
  t.equal(looks, 4, 'a refusal is not remembered')
  free = 1_000_000_000
  space.check(1, 200_000_000)
})

t.test('a file that lost one of its headers, or both, is refused and not touched', async t => {
  const dir = t.testdir({ a: {} })
  const folder = join(dir, 'a')
  await storeIn(folder)
  const page = Buffer.alloc(4_096)
  const file = openSync(join(folder, 'data.mdb'), 'r+')
  writeSync(file, page, 0, 4_096, 4_096)
  closeSync(file)
  rmSync(join(folder, 'lock.mdb'))
  await refusesUnchanged(t, folder, { ...FORMAT, message: /second header/ }, 'one header wiped')
  writeFileSync(join(folder, 'data.mdb'), page)
  await refusesUnchanged(t, folder, FORMAT, 'both')
})
