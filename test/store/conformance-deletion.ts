/** What every store must do when runs are deleted. */
import type { Test } from 'tap'
import type { Change, RunQuery, Store } from '../../lib/store/contract.ts'
import type { OpenStore } from './conformance.ts'
import { listAll } from './conformance-listings.ts'
import { bytes, moved, newRun, plain, started, type Started, text } from './runs.ts'

export function deleted({ meta, progress }: Started): Change {
  return { type: 'run-deleted', meta, progress }
}

const QUERIES: readonly RunQuery[] = [
  { order: 'oldest-first' }, { order: 'newest-first', idPrefix: 'r' }, { order: 'oldest-first', workflows: ['w'] }, { order: 'oldest-first', queues: ['q'] },
  { order: 'newest-first', statuses: ['succeeded', 'enqueued'] }, { order: 'oldest-first', tags: { a: 'b' } }, { order: 'oldest-first', parentId: 'root' },
]

/** What a store says about a run that is not in listings. */
function traces(store: Store, { key, meta }: Started): unknown {
  return plain([
    store.loadRun(key), store.findRun(meta.id), store.readJournal(key, 0, 10), store.readOutcome(key), store.children(key, undefined, 10),
    store.hasMessageKey(key, 'sent'), store.readEvent(key, 'ready'), store.readStream(key, 'log', 0, 10),
    store.findDuplicate('q', 'once') === key,
    [store.scanQueue(undefined, 100), store.scanPlaces(undefined, 100), store.scanTimers(undefined, 100)].map(rows => rows.filter(row => row.key === key)),
  ])
}

/** Everything that a run can have. */
export function fullOf(run: Started, entries: number): Change[] {
  const { key } = run
  return [
    started(run),
    ...Array.from({ length: entries }, (_, position): Change => ({ type: 'entry-appended', key, position, entry: text(`entry ${key}.${position}`) })),
    { type: 'wait-recorded', key, index: 3, wait: bytes(1) },
    { type: 'awaiter-added', child: key, parent: run.meta.parent!.key, index: 1, event: 'ready' },
    { type: 'message-stored', key, row: { sequence: 4, message: bytes(2) }, idempotencyKey: 'sent' },
    { type: 'event-set', key, name: 'ready', value: bytes(3) },
    { type: 'stream-appended', key, stream: 'log', position: 0, value: bytes(4) },
    { type: 'stream-closed', key, stream: 'log' },
    { type: 'start-counted', start: { queue: 'q', atMs: key, key } },
    { type: 'outcome-recorded', key, outcome: { type: 'result', value: bytes(5) } },
  ]
}

export async function conformsInDeletion(t: Test, open: OpenStore): Promise<void> {
  await t.test('of a deleted run nothing is left but its counted start, and its neighbours have all they had', async t => {
    const store = await open(t)
    const root = newRun(store, { id: 'root' }, 'running')
    const runs = Array.from({ length: 3 }, (_, i) => newRun(store, {
      id: `run-${i}`, queue: 'q', queueKey: 'k', tags: { a: 'b', c: `${i}` }, parent: { key: root.key, id: 'root', index: i }, ...(i === 1 ? { deduplicationId: 'once' } : {}),
    }, 'enqueued', { holdsPlace: true }))
    const [before, run, behind] = runs as [Started, Started, Started]
    const child = newRun(store, { parent: { key: run.key, id: run.meta.id, index: 0 } })
    await store.commit([started(root), ...runs.flatMap(each => fullOf(each, 5)), started(child)])
    const done = moved(run, 'succeeded', { finishedAtMs: 9 })
    await store.commit([done.change])
    const others = [before, behind].map(each => store.loadRun(each.key))
    t.same(await store.commit([deleted(done.run)]), [{ type: 'applied' }])
    t.same(traces(store, done.run), [undefined, undefined, [], undefined, [], false, undefined, { values: [], length: 0, closed: false }, false, [[], [], []]])
    for (const [i, query] of QUERIES.entries()) {
      const listed = await listAll(store, query)
      t.notOk(listed.includes(run.key), `listing ${i}`)
      t.equal(listed.length, [4, 4, 4, 2, 3, 2, 2][i])
      t.equal(store.countRuns(query), listed.length)
    }
    t.same(store.children(root.key, undefined, 10), [before.key, behind.key])
    t.same(store.countedStarts('q').map(({ key }) => key), runs.map(({ key }) => key), 'its queue remembers the start')
    t.same(plain([before, behind].map(each => store.loadRun(each.key))), plain(others))
    for (const each of [before, behind]) {
      t.same(plain(store.readJournal(each.key, 0, 10)), plain([0, 1, 2, 3, 4].map(position => text(`entry ${each.key}.${position}`))))
      t.equal(store.readStream(each.key, 'log', 0, 10).length, 1)
      t.equal(store.hasMessageKey(each.key, 'sent'), true)
      t.equal(store.readEvent(each.key, 'ready')!.length, 1)
    }
    t.equal(store.loadRun(child.key)!.meta.parent!.key, run.key, 'its child keeps its own word of it')
  })

  await t.test('a deleted id can be started again, also later in the same commit, and the new run has nothing of the old', async t => {
    const store = await open(t)
    const root = newRun(store, { id: 'root' }, 'running')
    const facts = { id: 'again', queue: 'q', tags: { a: 'b' }, parent: { key: root.key, id: 'root', index: 0 }, deduplicationId: 'once', createdAtMs: 5 }
    const old = newRun(store, facts, 'succeeded')
    await store.commit([started(root), ...fullOf(old, 2)])
    const fresh = newRun(store, facts)
    t.same(store.commit([deleted(old), started(fresh)]), [{ type: 'applied' }, { type: 'started' }])
    t.equal(store.findRun('again'), fresh.key)
    t.equal(store.findDuplicate('q', 'once'), fresh.key)
    t.same(plain(store.loadRun(fresh.key)), plain({ meta: fresh.meta, progress: fresh.progress, journalLength: 0, waits: [], awaiters: [], messages: [] }))
    t.same(store.children(root.key, undefined, 10), [fresh.key])
    t.same(await listAll(store, { tags: { a: 'b' }, order: 'oldest-first' }), [fresh.key])
    t.equal(store.readEvent(fresh.key, 'ready'), undefined)
    const late = newRun(store, facts)
    const gone = moved(fresh, 'failed')
    await store.commit([gone.change])
    t.same(store.commit([started(late), deleted(gone.run)]), [{ type: 'already-started', key: fresh.key }, { type: 'applied' }], 'the order counts')
    t.equal(store.findRun('again'), undefined)
  })

  await t.test('a parent is deleted with its children and grandchildren in one commit, in any order', async t => {
    const store = await open(t)
    const root = newRun(store, { id: 'root' }, 'succeeded')
    const child = newRun(store, { parent: { key: root.key, id: 'root', index: 0 } }, 'succeeded')
    const grandchild = newRun(store, { parent: { key: child.key, id: child.meta.id, index: 0 } }, 'succeeded')
    await store.commit([root, child, grandchild].map(started))
    await store.commit([child, root, grandchild].map(deleted))
    t.equal(store.countRuns({ order: 'newest-first' }), 0)
    for (const { key } of [root, child, grandchild]) t.same(store.children(key, undefined, 10), [])
  })

  await t.test('a listing that stands on a run goes on when that run is deleted', async t => {
    const store = await open(t)
    const runs = [1, 2, 3, 4].map(createdAtMs => newRun(store, { createdAtMs }, 'succeeded'))
    await store.commit(runs.map(started))
    for (const query of [{ order: 'oldest-first' }, { order: 'oldest-first', workflows: ['w'] }] as const) {
      const first = store.listRuns(query, { limit: 1, values: false })
      const standing = runs.find(({ key }) => key === first.runs[0]!.meta.key)!
      await store.commit([deleted(standing)])
      const rest = store.listRuns(query, { limit: 10, values: false, after: first.next! })
      t.same(rest.runs.map(({ meta }) => meta.key), runs.slice(runs.indexOf(standing) + 1).map(({ key }) => key))
    }
  })

  await t.test('a run that is not there, or that changes in the same commit, is not deleted, and nothing of that commit is written', async t => {
    const store = await open(t)
    const run = newRun(store, { id: 'same' }, 'succeeded')
    const never = newRun(store, { id: 'never' }, 'succeeded')
    const timer: Change = { type: 'timer-set', key: run.key, slot: 0, dueAtMs: 1 }
    await store.commit([started(run)])
    const namesake = { ...never, meta: { ...never.meta, id: 'same' } }
    for (const changes of [[deleted(never)], [deleted(namesake)], [deleted(run), deleted(run)], [timer, deleted(run)], [deleted(run), timer], [started(never), deleted(never)]]) {
      await t.rejects(async () => store.commit(changes), { code: 'TROUPE_INTERNAL' })
    }
    t.equal(store.findRun('same'), run.key)
    t.equal(store.findRun('never'), undefined)
    t.same(store.scanTimers(undefined, 10), [])
  })

  await t.test('a thousand runs of one commit are all gone', async t => {
    const store = await open(t)
    const runs = Array.from({ length: 1_000 }, () => newRun(store, {}, 'succeeded'))
    await store.commit(runs.flatMap(run => [started(run), { type: 'entry-appended', key: run.key, position: 0, entry: bytes(1) } as const]))
    await store.commit(runs.map(deleted))
    t.equal(store.countRuns({ order: 'newest-first' }), 0)
    t.ok(runs.every(({ key }) => store.readJournal(key, 0, 10).length === 0))
  })
}
