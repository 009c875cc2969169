/** Room for a commit is made sure of before lmdb is asked: in the file and among the addresses. */
import { spawnSync } from 'node:child_process'
import { closeSync, openSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import type { Encoded } from '../../lib/codec/encoded.ts'
import { newestMeta } from '../../lib/store/lmdb/data-file.ts'
import { openLmdbStore } from '../../lib/store/lmdb/index.ts'
import { Room } from '../../lib/store/lmdb/room.ts'
import { chanceOf, seedOf } from '../chance.ts'
import { newRun, started } from './runs.ts'

const durability = 'process-crash'
const UNAVAILABLE = { code: 'TROUPE_STORE_UNAVAILABLE' }
const MIB = 2 ** 20

/** The file of a store that has one run. */
async function fileOf(t: Test): Promise<{ readonly folder: string, readonly path: string }> {
  const folder = t.testdir({})
  const store = await openLmdbStore({ folder, durability })
  store.commit([started(newRun(store, { id: 'kept' }))])
  await store.close()
  return { folder, path: join(folder, 'data.mdb') }
}

/** Where LMDB's last page ends. */
function endOf(path: string): number {
  const file = openSync(path, 'r')
  const { lastPage, pageSize } = newestMeta(file, path)
  closeSync(file)
  return (lastPage + 1) * pageSize
}

t.test('behind the last page there always is room for the next commit, however large it is and however the last one grew', async t => {
  const { folder, path } = await fileOf(t)
  const store = await openLmdbStore({ folder, durability })
  for (const bytes of [10, 100_000, 3_000_000, 10]) {
    for (let i = 0; i < 20; i++) {
      store.commit([started(newRun(store, { id: `${bytes}-${i}`, args: Buffer.alloc(bytes) as Uint8Array as Encoded }))])
      const spare = statSync(path).size - endOf(path)
      if (spare < 64 * 1024) t.fail(`after a commit of ${bytes} bytes ${spare} are left`)
    }
  }
  const spare = statSync(path).size - endOf(path)
  t.ok(spare < 12 * MIB, 'and not much more')
  const copy = join(folder, '.copy')
  await store.backup(copy)
  t.equal(statSync(join(copy, 'data.mdb')).size, endOf(path), 'a backup has none of it')
  await store.close()
})

t.test('what many runs take that are started at once is made sure of, whatever their size: LMDB never makes the file longer itself', async t => {
  const chance = chanceOf(seedOf(t))
  const { folder, path } = await fileOf(t)
  const store = await openLmdbStore({ folder, durability })
  const letters = (length: number): string => Array.from({ length }, () => String.fromCharCode(97 + chance.below(26))).join('')
  for (const [runs, argsBytes, idLength] of [[20_000, 4, 30], [3000, 4, 500], [5000, 1400, 30], [3000, 2100, 200], [2000, 4090, 30], [500, 9000, 450], [10_000, 4, 60]] as const) {
    const changes = Array.from({ length: runs }, () => started(newRun(store, {
      id: letters(idLength), args: Buffer.alloc(argsBytes) as Uint8Array as Encoded, ...(chance.next() < 0.3 && { deduplicationId: letters(idLength) }),
    })))
    store.commit(changes)
    const spare = statSync(path).size - endOf(path)
    t.ok(spare > 0, `${runs} runs with ${argsBytes} bytes: ${Math.round(spare / 1024)} KiB are left behind ${Math.round(endOf(path) / MIB)} MiB`)
  }
  await store.close()
})

t.test('what is behind the last page of a file may be anything', async t => {
  const { folder, path } = await fileOf(t)
  const end = endOf(path)
  const file = openSync(path, 'r+')
  writeSync(file, Buffer.alloc(MIB, 0xa5), 0, MIB, end)
  closeSync(file)
  const store = await openLmdbStore({ folder, durability })
  t.ok(store.findRun('kept'))
  for (let i = 0; i < 50; i++) store.commit([started(newRun(store, { id: `${i}`, args: Buffer.alloc(50_000, i) as Uint8Array as Encoded }))])
  await store.close()
  const again = await openLmdbStore({ folder, durability })
  t.equal(again.countRuns({ order: 'newest-first' }), 51)
  await again.close()
})

t.test('a map that the process may not have is told before lmdb is asked, and taken when it may have it', async t => {
  const { folder, path } = await fileOf(t)
  const end = endOf(path)
  let limit = 1000 * MIB
  const addresses = { limit: () => limit, used: () => 900 * MIB }
  const room = new Room(folder, path, () => end + MIB, addresses)
  room.ensure({ rows: 1, bytes: 100, neighbours: 0 })
  const large = { rows: 1, bytes: 40 * MIB, neighbours: 0 }
  t.throws(() => { room.ensure(large) }, { ...UNAVAILABLE, message: /ulimit -v is 1000 MiB/ })
  limit = 1100 * MIB
  room.ensure(large)
  limit = 930 * MIB
  t.throws(() => new Room(folder, path, () => end, addresses), UNAVAILABLE, 'to open it takes some, too')
  room.close()
})

t.test('a process that runs out of addresses refuses commits, and lives on', { skip: process.platform === 'linux' ? false : 'no such limit' }, t => {
  const grower = fileURLToPath(new URL('fixtures/grower.js', import.meta.url))
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [grower, t.testdir({}), '300'], {
    encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: undefined, NODE_V8_COVERAGE: '' },
  })
  t.same([status, signal], [0, null], stderr)
  if (stdout === 'no prlimit\n') t.comment('NOT SHOWN HERE: it takes prlimit')
  else t.match(stdout, /^refused: .*may not have so many.*\nkept \d+\n$/)
  t.end()
})
