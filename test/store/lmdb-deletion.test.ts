/** What is left of deleted runs in the LMDB store's tables, its log and its file. */
import { open } from 'lmdb'
import t, { type Test } from 'tap'
import type { Change } from '../../lib/store/contract.ts'
import { type LmdbStore, openLmdbStore } from '../../lib/store/lmdb/index.ts'
import { TABLES } from '../../lib/store/lmdb/keys.ts'
import { deleted, fullOf } from './conformance-deletion.ts'
import { moved, newRun, plain, started, type Started, text } from './runs.ts'

const durability = 'process-crash'

function appended({ key }: Started, position: number, bytes = 20): Change {
  return { type: 'entry-appended', key, position, entry: text(`entry ${key}.${position} `.padEnd(bytes, '.')) }
}

/** Rows in each table that has any, of a store that is closed. */
async function rowsIn(folder: string): Promise<Record<string, number>> {
  const root = open({ path: folder, noSubdir: false, encoding: 'binary', keyEncoding: 'binary', maxDbs: 64, overlappingSync: false })
  const counts = TABLES.map(name => [name, root.openDB({ name, encoding: 'binary', keyEncoding: 'binary' }).getKeysCount({ start: Buffer.of(0) })] as const)
  await root.close()
  return Object.fromEntries(counts.filter(([, count]) => count > 0))
}

async function reopened(t: Test, store: LmdbStore, folder: string, hotJournalBytes: number): Promise<LmdbStore> {
  await store.close()
  const again = await openLmdbStore({ folder, durability, hotJournalBytes })
  t.teardown(() => again.close())
  return again
}

for (const [where, hotJournalBytes] of [['in the log', 4_000_000], ['in chunks', 0]] as const) {
  t.test(`a deleted run whose entries were ${where} leaves no row in any table`, async t => {
    const folder = t.testdir()
    const store = await openLmdbStore({ folder, durability, hotJournalBytes })
    const root = newRun(store, { id: 'root' })
    const run = newRun(store, { queue: 'q', queueKey: 'k', deduplicationId: 'once', tags: { a: 'b', c: 'd' }, parent: { key: root.key, id: 'root', index: 0 } }, 'enqueued', { holdsPlace: true })
    const child = newRun(store, { parent: { key: run.key, id: run.meta.id, index: 0 } })
    store.commit([started(root), ...fullOf(run, 3), started(child)])
    store.commit([appended(root, 0)])
    const runs = [run, root, child].map(each => moved(each, 'succeeded'))
    // One at a time, so that each finds what the one before it left.
    for (const { run: done, change } of runs) {
      store.commit([change])
      store.commit([deleted(done)])
    }
    await store.close()
    const { meta, log = 0, starts, ...others } = await rowsIn(folder)
    t.equal(meta, 4, 'the schema, who made it, the next key, and what the commit log belongs to')
    t.ok(log <= 2, 'the log has at most the records that nothing was written after')
    t.equal(starts, 1, 'the queue\'s own count')
    t.same(others, {})
  })
}

t.test('what the log still has of a deleted run is void, before and after it is opened again, and goes with later commits', async t => {
  const folder = t.testdir()
  let store = await openLmdbStore({ folder, durability })
  const [kept, gone] = [newRun(store, {}, 'succeeded'), newRun(store, {}, 'succeeded')] as const
  store.commit([started(kept), started(gone)])
  for (let position = 0; position < 5; position++) store.commit([appended(kept, position), appended(gone, position)])
  store.commit([deleted(gone)])
  const expected = plain([0, 1, 2, 3, 4].map(position => (appended(kept, position) as { entry: unknown }).entry))
  for (let round = 0; round < 3; round++) {
    t.same(store.readJournal(gone.key, 0, 10), [])
    t.same(plain(store.readJournal(kept.key, 0, 10)), expected)
    t.equal(store.loadRun(kept.key)!.journalLength, 5)
    store = await reopened(t, store, folder, 4_000_000)
  }
  store.commit([deleted(kept)])
  const last = newRun(store)
  store.commit([started(last), appended(last, 0)])
  store.commit([appended(last, 1)])
  store = await reopened(t, store, folder, 4_000_000)
  t.equal(store.loadRun(last.key)!.journalLength, 2)
  await store.close()
  t.equal((await rowsIn(folder))['log'], 2, 'only the records of the run that is there')
})

t.test('the log stays short when most of what it held is deleted and one old run lives on', async t => {
  const folder = t.testdir()
  const hotJournalBytes = 50_000
  let store = await openLmdbStore({ folder, durability, hotJournalBytes })
  const old = newRun(store)
  store.commit([started(old)])
  // Each record has a few bytes of the old run and many of one that is soon gone.
  for (let position = 0; position < 100; position++) {
    const passing = newRun(store, {}, 'succeeded')
    store.commit([started(passing), appended(passing, 0, 5_000), appended(old, position)])
    store.commit([deleted(passing)])
    if (position === 50) store = await reopened(t, store, folder, hotJournalBytes)
  }
  t.equal(store.loadRun(old.key)!.journalLength, 100)
  await store.close()
  const { log } = await rowsIn(folder)
  t.ok(log! <= 20, `${log} records of 100, each of 5,000 bytes`)
})

t.test('the room of deleted runs is used again', async t => {
  const folder = t.testdir()
  const store = await openLmdbStore({ folder, durability, hotJournalBytes: 100_000 })
  t.teardown(() => store.close())
  const sizes: number[] = []
  for (let round = 0; round < 12; round++) {
    const runs = Array.from({ length: 50 }, () => newRun(store, {}, 'succeeded'))
    store.commit(runs.map(started))
    for (let position = 0; position < 4; position++) {
      store.commit(runs.flatMap((run): Change[] => [
        appended(run, position, 2_000), { type: 'stream-appended', key: run.key, stream: 's', position, value: text('x'.repeat(2_000)) },
      ]))
    }
    for (let i = 0; i < 50; i += 10) store.commit(runs.slice(i, i + 10).map(deleted))
    sizes.push(store.sizeBytes())
  }
  t.ok(sizes.at(-1)! <= sizes[3]! * 1.25, `sizes after each round: ${sizes.join(', ')}`)
})
