/** What LMDB makes of any transactions whatever is taken for sound: a check that refuses a good file loses as much as damage does. */
import { join } from 'node:path'
import { open, type RootDatabase } from 'lmdb'
import t, { type Test } from 'tap'
import type { Encoded } from '../../lib/codec/encoded.ts'
import { WriteBatch } from '../../lib/store/lmdb/batch.ts'
import { inspectFile } from '../../lib/store/lmdb/data-file.ts'
import type { Table } from '../../lib/store/lmdb/engine.ts'
import { openLmdbStore } from '../../lib/store/lmdb/index.ts'
import { keyEncoder, TABLES, type TableName } from '../../lib/store/lmdb/keys.ts'
import { LeafCheck } from '../../lib/store/lmdb/leaves.ts'
import { payloadOf, seedOf as checkSeedOf } from '../../lib/store/lmdb/records.ts'
import { chanceOf, seedOf } from '../chance.ts'

/** More with TROUPE_PAGES_TRANSACTIONS, for a campaign. */
const TRANSACTIONS = Number(process.env['TROUPE_PAGES_TRANSACTIONS'] ?? 300)
const PAGE_BYTES = 4_096
const USED: readonly TableName[] = ['progress', 'journal', 'args', 'labels']
/** LMDB's own limit is 1978 bytes. */
const KEY_BYTES = [1, 6, 6, 6, 10, 30, 300, 1_000, 1_978]

t.setTimeout(3_600_000)

interface Raw {
  readonly path: string
  readonly root: RootDatabase
  readonly tables: readonly Table[]
}

/** A store's file with nobody between it and LMDB, opened as the store opens it. */
async function rawStore(t: Test): Promise<Raw> {
  const folder = t.testdir({})
  await (await openLmdbStore({ folder, durability: 'process-crash' })).close()
  const root = open({ path: folder, noSubdir: false, encoding: 'binary', keyEncoding: 'binary', maxDbs: 2 * TABLES.length, overlappingSync: false, noSync: true })
  t.teardown(() => root.close())
  const table = (name: TableName): Table => root.openDB({ name, encoding: 'binary', keyEncoder, create: false } as { name: string }) as unknown as Table
  return { path: join(folder, 'data.mdb'), root, tables: TABLES.map(table) }
}

function problemOf(path: string): unknown {
  const state = inspectFile(path, 'pages')
  if (state !== 'store') return state
  const check = new LeafCheck(path)
  try {
    while (check.some(1_000)) { /* to the end */ }
  } catch (error) {
    return (error as Error).message
  } finally {
    check.close()
  }
  return undefined
}

function put(batch: WriteBatch, key: string, bytes: number, table: TableName = 'progress'): void {
  batch.key.utf8(key)
  batch.put(table, new Uint8Array(bytes).fill(bytes), checkSeedOf(table, 1))
}

t.test('a value that was put in the same transaction and is put again, shorter, keeps the pages of the longer one', async t => {
  for (const [first, second] of [[17_000, 5_000], [17_000, 16_000], [5_000, 10], [5_000, 2_000], [300_000, 0], [5_000, 17_000], [10, 17_000]] as const) {
    const { path, root, tables } = await rawStore(t)
    const batch = new WriteBatch()
    put(batch, 'key', first)
    put(batch, 'key', second)
    root.transactionSync(() => { batch.write(tables) })
    t.equal(problemOf(path), undefined, `${first} bytes, then ${second}`)
    batch.clear()
    put(batch, 'other', 20_000)
    batch.key.utf8('key')
    batch.remove('progress')
    root.transactionSync(() => { batch.write(tables) })
    t.equal(problemOf(path), undefined, `${first} bytes, then ${second}, then none`)
  }
})

t.test('a store in which a large value became shorter opens again, and has a backup', async t => {
  const folder = t.testdir({})
  const store = await openLmdbStore({ folder, durability: 'power-loss' })
  // The last two are in the commit log when LMDB gets them, in one transaction.
  for (const bytes of [10, 17_000, 5_000]) store.commit([{ type: 'setting-put', kind: 'schedule', name: 'nightly', record: new Uint8Array(bytes) as Encoded }])
  await store.backup(join(folder, '.copy'))
  await store.close()
  for (const place of [folder, join(folder, '.copy')]) {
    const again = await openLmdbStore({ folder: place, durability: 'power-loss' })
    t.equal(again.settings('schedule')[0]?.record.length, 5_000)
    await again.close()
  }
})

t.test('whatever is put and removed, in transactions of any size', async t => {
  const { below, next, pick } = chanceOf(seedOf(t))
  const { path, root, tables } = await rawStore(t)
  const there = new Map<string, { readonly table: TableName, readonly bytes: number }>()
  const batch = new WriteBatch()
  const sizes = [
    () => below(200), () => below(200), () => below(200), () => 1_950 + below(150), () => below(5_000),
    () => (1 + below(6)) * PAGE_BYTES - 50 + below(100), () => below(20_000), () => below(20_000), () => below(300_000),
  ]
  const keys = Array.from({ length: 150 }, (_, i) => `${i} `.padEnd(pick(KEY_BYTES), `${i} `).slice(0, 1_978))
  let [overflows, snapshots] = [0, 0]
  for (let transaction = 0; transaction < TRANSACTIONS; transaction++) {
    batch.clear()
    const change = (key: string, table: TableName, bytes: number | undefined): void => {
      const place = `${table} ${key}`
      if (bytes === undefined) {
        batch.key.utf8(key)
        batch.remove(table)
        there.delete(place)
      } else {
        put(batch, key, bytes, table)
        there.set(place, { table, bytes })
        if (bytes > 2_100) overflows++
      }
    }
    const kind = below(20)
    if (kind === 0) {
      // All of a table at once, and a long list of free pages.
      const table = pick(USED)
      for (const [place, { table: of }] of there) if (of === table) change(place.slice(table.length + 1), table, undefined)
    } else if (kind === 1) {
      const [table, from, bytes] = [pick(USED), below(1e6), below(3_000)]
      for (let i = 0; i < 3_000; i++) change(`many ${from + i}`, table, bytes)
    } else if (kind === 2) {
      change(pick(keys), pick(USED), 5_000_000)
    } else {
      const few = Array.from({ length: 1 + below(20) }, () => pick(keys))
      const share = next()
      for (let rows = 1 + below(pick([5, 50, 200])); rows > 0; rows--) change(pick(few), pick(USED), next() < share ? undefined : pick(sizes)())
    }
    // A reader keeps pages from being used again.
    const snapshot = below(4) === 0 ? root.useReadTransaction() : undefined
    if (snapshot !== undefined) snapshots++
    root.transactionSync(() => { batch.write(tables) })
    snapshot?.done()
    const problem = problemOf(path)
    if (problem !== undefined) {
      t.same(problem, undefined, `transaction ${transaction}`)
      return
    }
  }
  for (const [place, { table, bytes }] of there) {
    const key = Buffer.from(place.slice(table.length + 1))
    const record = tables[TABLES.indexOf(table)]!.get({ bytes: key, start: 0, end: key.length })
    if (record === undefined || payloadOf(record, table, 1).length !== bytes) t.fail(`${place} is not what it was`)
  }
  t.ok(overflows > 100 && snapshots > 10 && there.size > 50, `${overflows} large values, ${snapshots} snapshots, ${there.size} rows at the end`)
})
