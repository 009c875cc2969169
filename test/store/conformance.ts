/** What every store must do. Each store's test runs this suite with a way to open a fresh one. */
import type { Test } from 'tap'
import type { RunKey } from '../../lib/model/run.ts'
import type { Change, Store } from '../../lib/store/contract.ts'
import { conformsInBounds } from './conformance-bounds.ts'
import { conformsInDeduplication } from './conformance-deduplication.ts'
import { conformsInDeletion } from './conformance-deletion.ts'
import { conformsInListings } from './conformance-listings.ts'
import { conformsInMailboxes } from './conformance-mailbox.ts'
import { bytes, moved, newRun, plain, started, text } from './runs.ts'

export type OpenStore = (t: Test) => Promise<Store>

export async function storeConformance(t: Test, open: OpenStore): Promise<void> {
  await t.test('runs', t => conformsInRuns(t, open))
  await t.test('a commit as a whole', t => conformsInCommits(t, open))
  await t.test('small rows', t => conformsInRows(t, open))
  await t.test('queue and timers', t => conformsInOrder(t, open))
  await t.test('deduplication', t => conformsInDeduplication(t, open))
  await t.test('listings', t => conformsInListings(t, open))
  await t.test('mailboxes', t => conformsInMailboxes(t, open))
  await t.test('bounds of queues, and settings', t => conformsInBounds(t, open))
  await t.test('deletion', t => conformsInDeletion(t, open))
}

async function conformsInRuns(t: Test, open: OpenStore): Promise<void> {
  await t.test('a started run is found by its id and loads as it was started', async t => {
    const store = await open(t)
    const full = newRun(store, {
      id: 'order/42', workflow: 'ship', queue: 'slow', priority: -3, queueKey: 'customer-7', deduplicationId: 'once', forkedFrom: 'order/41',
      tags: { region: 'eu', __proto__tag: 'x', constructor: 'y' }, timeoutMs: 60_000.5, version: 'sha256:é', createdAtMs: 1_700_000_000_123.25,
      parent: { key: 9 as RunKey, id: 'parent', index: 4 },
    }, 'delayed', {
      incarnation: 3, crashes: 7, crashesAtMs: [1.5, 2], processDeaths: 2, suspect: true, queuePosition: -1.5, startedAtMs: 5, finishedAtMs: 6,
      deadlineAtMs: 7, startAtMs: 8, respawnAtMs: 9, holdsPlace: true, trouble: { atMs: 5, text: 'its thread “ended”' }, ending: { reason: 'timed-out', atMs: 3, graceMs: 4 },
    })
    t.same(await store.commit([started(full)]), [{ type: 'started' }])
    t.equal(await store.findRun('order/42'), full.key)
    t.same(plain(await store.loadRun(full.key)), plain({ meta: full.meta, progress: full.progress, journalLength: 0, waits: [], awaiters: [], messages: [] }))
    t.equal(await store.findRun('order/4'), undefined)
    t.equal(await store.loadRun((full.key + 1) as RunKey), undefined)
  })

  await t.test('a run without any optional field loads without them', async t => {
    const store = await open(t)
    const bare = newRun(store, { args: bytes() })
    await store.commit([started(bare)])
    const stored = await store.loadRun(bare.key)
    t.same(Object.keys(plain(stored!.meta)), ['args', 'createdAtMs', 'id', 'key', 'priority', 'tags', 'workflow'])
    t.equal(stored!.meta.args.length, 0)
    t.notOk('ending' in stored!.progress)
  })

  await t.test('a tag called __proto__ is a tag like any other', async t => {
    const store = await open(t)
    const tags = JSON.parse('{"__proto__":"a","b":"c"}') as Record<string, string>
    const run = newRun(store, { tags })
    await store.commit([started(run)])
    const read = (await store.loadRun(run.key))!.meta.tags
    t.same(Object.keys(read).sort(), ['__proto__', 'b'])
    t.equal(Object.getOwnPropertyDescriptor(read, '__proto__')?.value, 'a')
  })

  for (const [what, id] of [
    ['NULs', 'a\0b\0'], ['only a NUL', '\0'], ['every plane', 'é€😀\u{10ffff}\uffff'], ['512 bytes', 'x'.repeat(512)], ['512 bytes of emoji', '😀'.repeat(128)],
  ] as const) {
    await t.test(`an id of ${what} comes back as it was`, async t => {
      const store = await open(t)
      const run = newRun(store, { id })
      await store.commit([started(run)])
      t.equal(await store.findRun(id), run.key)
      t.equal((await store.loadRun(run.key))!.meta.id, id)
    })
  }

  for (const [what, id] of [['is empty', ''], ['has 513 bytes', 'x'.repeat(513)], ['holds a lone surrogate', 'a\ud800b']] as const) {
    await t.test(`an id that ${what} is refused, and nothing of its commit is written`, async t => {
      const store = await open(t)
      const good = newRun(store)
      await t.rejects(async () => store.commit([started(good), started(newRun(store, { id }))]), { code: 'TROUPE_INTERNAL' })
      t.equal(await store.findRun(good.meta.id), undefined)
      t.equal(await store.findRun(id), undefined)
    })
  }

  await t.test('ids that differ in normalization or case are different', async t => {
    const store = await open(t)
    const runs = ['é', 'e\u0301', 'É'].map(id => newRun(store, { id }))
    await store.commit(runs.map(started))
    for (const run of runs) t.equal(await store.findRun(run.meta.id), run.key)
  })

  await t.test('an outcome is read, replaced and forgotten', async t => {
    const store = await open(t)
    const run = newRun(store)
    await store.commit([started(run)])
    t.equal(await store.readOutcome(run.key), undefined)
    await store.commit([{ type: 'outcome-recorded', key: run.key, outcome: { type: 'error', value: text('no') } }])
    t.same(plain(await store.readOutcome(run.key)), plain({ type: 'error', value: text('no') }))
    await store.commit([{ type: 'outcome-recorded', key: run.key, outcome: { type: 'result', value: bytes() } }])
    t.same(plain(await store.readOutcome(run.key)), { type: 'result', value: 'bytes:' })
    await store.commit([{ type: 'outcome-forgotten', key: run.key }])
    t.equal(await store.readOutcome(run.key), undefined)
  })

  await t.test('a journal is read in order, in parts, and without those of its neighbours', async t => {
    const store = await open(t)
    const [a, b, c] = [newRun(store), newRun(store), newRun(store)] as const
    await store.commit([a, b, c].map(started))
    const entries = Array.from({ length: 300 }, (_, position) => text(`entry ${position}`))
    for (let from = 0; from < 300; from += 100) {
      await store.commit([a, b].flatMap(run => entries.slice(from, from + 100)
        .map((entry, i): Change => ({ type: 'entry-appended', key: run.key, position: from + i, entry }))))
    }
    t.same(plain(await store.readJournal(b.key, 0, 1_000)), plain(entries))
    t.same(plain(await store.readJournal(b.key, 255, 3)), plain(entries.slice(255, 258)))
    t.same(await store.readJournal(b.key, 300, 10), [])
    t.same(await store.readJournal(b.key, 0, 0), [])
    t.same(await store.readJournal(c.key, 0, 10), [])
    t.equal((await store.loadRun(b.key))!.journalLength, 300)
    t.equal((await store.loadRun(c.key))!.journalLength, 0)
  })

  await t.test('a journal forgets its entries from a position on, and goes on from there', async t => {
    const store = await open(t)
    const [run, other] = [newRun(store), newRun(store)] as const
    const append = (key: RunKey, position: number, entry: string): Change => ({ type: 'entry-appended', key, position, entry: text(entry) })
    await store.commit([started(run), started(other), ...[0, 1, 2, 3].map(i => append(run.key, i, `old ${i}`)), append(other.key, 0, 'kept')])
    await store.commit([
      append(run.key, 4, 'old 4'), { type: 'entries-forgotten', key: run.key, fromPosition: 2 }, append(run.key, 2, 'new 2'),
    ])
    t.same(plain(await store.readJournal(run.key, 0, 10)), plain(['old 0', 'old 1', 'new 2'].map(text)))
    t.equal((await store.loadRun(run.key))!.journalLength, 3)
    await store.commit([{ type: 'entries-forgotten', key: run.key, fromPosition: 0 }, { type: 'entries-forgotten', key: run.key, fromPosition: 0 }])
    t.same(await store.readJournal(run.key, 0, 10), [])
    t.equal((await store.loadRun(run.key))!.journalLength, 0)
    t.equal((await store.readJournal(other.key, 0, 10)).length, 1)
  })

  await t.test('large and empty values come back whole', async t => {
    const store = await open(t)
    const run = newRun(store, { args: new Uint8Array(3_000_000).fill(7) as never })
    const entries = [bytes(), new Uint8Array(65_531).fill(1), new Uint8Array(65_532).fill(2), new Uint8Array(5_000_000).fill(3), bytes(4)]
    await store.commit([started(run), ...entries.map((entry, position): Change => ({ type: 'entry-appended', key: run.key, position, entry: entry as never }))])
    const read = await store.readJournal(run.key, 0, 10)
    t.ok(entries.every((entry, i) => Buffer.compare(entry, read[i]!) === 0))
    t.equal(Buffer.compare((await store.loadRun(run.key))!.meta.args, run.meta.args), 0)
  })

  await t.test('no key is given out twice', async t => {
    const store = await open(t)
    const keys = Array.from({ length: 1_000 }, () => store.newRunKey())
    t.equal(new Set(keys).size, 1_000)
    t.same([...keys].sort((a, b) => a - b), keys, 'and they rise')
  })
}

async function conformsInCommits(t: Test, open: OpenStore): Promise<void> {
  await t.test('starting an id that is taken answers with the run that has it, and writes nothing of the refused run', async t => {
    const store = await open(t)
    const first = newRun(store, { id: 'same' })
    await store.commit([started(first)])
    const refused = newRun(store, { id: 'same', parent: { key: first.key, id: 'same', index: 0 }, deduplicationId: 'd' })
    const neighbour = newRun(store)
    const results = await store.commit([
      { type: 'entry-appended', key: refused.key, position: 0, entry: bytes(1) },
      started(refused),
      { type: 'timer-set', key: refused.key, slot: -1, dueAtMs: 5 },
      { type: 'wait-recorded', key: refused.key, index: 0, wait: bytes(1) },
      { type: 'awaiter-added', child: refused.key, parent: first.key, index: 0 },
      { type: 'awaiter-added', child: first.key, parent: refused.key, index: 0 },
      { type: 'outcome-recorded', key: refused.key, outcome: { type: 'result', value: bytes(1) } },
      moved(refused, 'running').change,
      started(neighbour),
    ])
    const taken = { type: 'already-started', key: first.key }
    t.same(results, [taken, taken, taken, taken, taken, taken, taken, taken, { type: 'started' }])
    t.equal(await store.findRun('same'), first.key)
    t.equal(await store.findRun(neighbour.meta.id), neighbour.key)
    t.equal(await store.loadRun(refused.key), undefined)
    t.same(await store.scanTimers(undefined, 10), [])
    t.same(await store.children(first.key, undefined, 10), [])
    t.same((await store.loadRun(first.key))!.awaiters, [])
    t.equal(await store.findDuplicate(undefined, 'd'), undefined)
    t.same(await store.readJournal(refused.key, 0, 10), [])
    t.equal(await store.readOutcome(refused.key), undefined)
  })

  await t.test('of two starts with one id in one commit the first goes through', async t => {
    const store = await open(t)
    const [a, b] = [newRun(store, { id: 'same' }), newRun(store, { id: 'same' })] as const
    t.same(await store.commit([started(a), started(b)]), [{ type: 'started' }, { type: 'already-started', key: a.key }])
    t.equal(await store.findRun('same'), a.key)
  })

  await t.test('an empty commit is answered', async t => {
    t.same(await (await open(t)).commit([]), [])
  })

  await t.test('a run that starts, moves and finishes in one commit leaves only its last state in the indexes', async t => {
    const store = await open(t)
    const run = newRun(store)
    const running = moved(run, 'running', { incarnation: 1 })
    const done = moved(running.run, 'succeeded', { finishedAtMs: 9 })
    await store.commit([started(run), running.change, done.change])
    t.same(await store.scanQueue(undefined, 10), [])
    t.same(await store.runsInStatus('enqueued', undefined, 10), [])
    t.same(await store.runsInStatus('running', undefined, 10), [])
    t.same(await store.runsInStatus('succeeded', undefined, 10), [run.key])
    t.same(plain((await store.loadRun(run.key))!.progress), plain(done.run.progress))
  })

  await t.test('a run that moves twice in one commit leaves nothing where it was before', async t => {
    const store = await open(t)
    const run = newRun(store)
    await store.commit([started(run)])
    const running = moved(run, 'running')
    const again = moved(running.run, 'enqueued', { queuePosition: 5 })
    await store.commit([running.change, again.change])
    t.same(await store.scanQueue(undefined, 10), [{ priority: 0, position: 5, key: run.key }])
    t.same(await store.runsInStatus('running', undefined, 10), [])
    t.same(await store.runsInStatus('enqueued', undefined, 10), [run.key])
  })

  await t.test('a commit that cannot be written changes nothing', async t => {
    const store = await open(t)
    const run = newRun(store)
    await t.rejects(async () => store.commit([started(run), { type: 'timer-set', key: run.key, slot: 0, dueAtMs: 1 }, started(run)]))
    t.equal(await store.findRun(run.meta.id), undefined)
    t.same(await store.scanTimers(undefined, 10), [])
  })

  await t.test('a thousand runs of one commit are all there', async t => {
    const store = await open(t)
    const runs = Array.from({ length: 1_000 }, () => newRun(store))
    const results = await store.commit(runs.map(started))
    t.ok(results.every(result => result.type === 'started'))
    t.equal(await store.countRuns({ order: 'newest-first' }), 1_000)
  })
}

async function conformsInRows(t: Test, open: OpenStore): Promise<void> {
  await t.test('waits are loaded by index, replaced and removed', async t => {
    const store = await open(t)
    const [run, other] = [newRun(store), newRun(store)] as const
    const wait = (index: number, value: string): Change => ({ type: 'wait-recorded', key: run.key, index, wait: text(value) })
    await store.commit([started(run), started(other), wait(10, 'ten'), wait(2, 'two'), wait(300, 'many'), wait(2, 'two again')])
    t.same(plain((await store.loadRun(run.key))!.waits), plain([
      { index: 2, wait: text('two again') }, { index: 10, wait: text('ten') }, { index: 300, wait: text('many') },
    ]))
    await store.commit([{ type: 'wait-removed', key: run.key, index: 10 }, { type: 'wait-removed', key: run.key, index: 11 }])
    await store.commit([wait(2, 'short-lived'), { type: 'wait-removed', key: run.key, index: 2 }])
    t.same((await store.loadRun(run.key))!.waits.map(({ index }) => index), [300], 'also one that was there before, set and removed in one commit')
    await store.commit([{ type: 'wait-removed', key: run.key, index: 300 }, wait(300, 'back')])
    t.same(plain((await store.loadRun(run.key))!.waits), plain([{ index: 300, wait: text('back') }]))
    t.same((await store.loadRun(other.key))!.waits, [])
  })

  await t.test('awaiters are loaded by parent and index, and removed one by one', async t => {
    const store = await open(t)
    const [child, a, b] = [newRun(store), newRun(store), newRun(store)] as const
    const row = (type: 'awaiter-added' | 'awaiter-removed', parent: RunKey, index: number): Change => ({ type, child: child.key, parent, index })
    await store.commit([
      ...[child, a, b].map(started), row('awaiter-added', b.key, 1), row('awaiter-added', a.key, 9), row('awaiter-added', a.key, 3), row('awaiter-added', a.key, 3),
    ])
    t.same((await store.loadRun(child.key))!.awaiters, [{ parent: a.key, index: 3 }, { parent: a.key, index: 9 }, { parent: b.key, index: 1 }])
    await store.commit([row('awaiter-removed', a.key, 3), row('awaiter-added', b.key, 2), row('awaiter-removed', b.key, 2)])
    t.same((await store.loadRun(child.key))!.awaiters, [{ parent: a.key, index: 9 }, { parent: b.key, index: 1 }])
  })

  await t.test('children are read in order of start, in pages', async t => {
    const store = await open(t)
    const parent = newRun(store)
    const children = Array.from({ length: 5 }, (_, index) => newRun(store, { parent: { key: parent.key, id: parent.meta.id, index } }))
    await store.commit([started(parent), ...[...children].reverse().map(started)])
    const keys = children.map(({ key }) => key)
    t.same(await store.children(parent.key, undefined, 3), keys.slice(0, 3))
    t.same(await store.children(parent.key, keys[2], 3), keys.slice(3))
    t.same(await store.children(parent.key, keys[4], 3), [])
    t.same(await store.children(keys[0]!, undefined, 3), [])
  })
}

async function conformsInOrder(t: Test, open: OpenStore): Promise<void> {
  await t.test('the queue is in order of priority, then position, then key, in pages', async t => {
    const store = await open(t)
    const places = [[0, 1], [-5, 2], [-5, -3.5], [10, 0], [0, 1], [-0.5, 0], [0, 0.25]] as const
    const runs = places.map(([priority, queuePosition], i) => newRun(store, { priority, ...(i % 2 === 0 ? { queue: `q${i}` } : {}) }, 'enqueued', { queuePosition }))
    await store.commit(runs.map(started))
    const expected = runs
      .map(({ key, meta, progress }) => ({ ...(meta.queue === undefined ? {} : { queue: meta.queue }), priority: meta.priority, position: progress.queuePosition, key }))
      .sort((a, b) => a.priority - b.priority || a.position - b.position || a.key - b.key)
    t.same(await store.scanQueue(undefined, 100), expected)
    t.same(await store.scanQueue(expected[2], 3), expected.slice(3, 6))
    t.same(await store.scanQueue(expected.at(-1), 3), [])
    t.same(await store.scanQueue(undefined, 0), [])
  })

  await t.test('a run leaves the queue when it is no longer enqueued, and moves in it when its place changes', async t => {
    const store = await open(t)
    const [a, b] = [newRun(store, {}, 'enqueued', { queuePosition: 1 }), newRun(store, {}, 'enqueued', { queuePosition: 2 })] as const
    await store.commit([started(a), started(b)])
    await store.commit([moved(a, 'enqueued', { queuePosition: 3 }).change])
    t.same((await store.scanQueue(undefined, 10)).map(({ key }) => key), [b.key, a.key])
    const noted = moved(b, 'enqueued', { crashes: 1 })
    await store.commit([noted.change])
    t.equal((await store.scanQueue(undefined, 10)).length, 2, 'a change that keeps the place keeps it')
    await store.commit([moved(noted.run, 'running').change])
    t.same((await store.scanQueue(undefined, 10)).map(({ key }) => key), [a.key])
  })

  await t.test('timers are in order of due time, then key, then slot, in pages', async t => {
    const store = await open(t)
    const [a, b] = [newRun(store), newRun(store)] as const
    const rows = [
      { dueAtMs: 5, key: b.key, slot: 0 }, { dueAtMs: 5, key: a.key, slot: 7 }, { dueAtMs: 5, key: a.key, slot: -4 }, { dueAtMs: 5.5, key: a.key, slot: 0 },
      { dueAtMs: 2 ** 45, key: a.key, slot: 1 }, { dueAtMs: 0, key: b.key, slot: 3 }, { dueAtMs: -1, key: b.key, slot: -1 },
    ]
    await store.commit([started(a), started(b), ...rows.map((row): Change => ({ type: 'timer-set', ...row }))])
    const sorted = [...rows].sort((x, y) => x.dueAtMs - y.dueAtMs || x.key - y.key || x.slot - y.slot)
    t.same(await store.scanTimers(undefined, 100), sorted)
    t.same(await store.scanTimers(sorted[1], 2), sorted.slice(2, 4))
    t.same(await store.scanTimers(sorted.at(-1), 2), [])
    t.same(await store.scanTimers({ dueAtMs: 5, key: a.key, slot: 0 }, 1), [sorted[3]], 'after a row that is not there')
  })

  await t.test('a timer is cleared, alone, and one that is set and cleared in one commit was never there', async t => {
    const store = await open(t)
    const run = newRun(store)
    const timer = (type: 'timer-set' | 'timer-cleared', dueAtMs: number): Change => ({ type, key: run.key, slot: 1, dueAtMs })
    await store.commit([started(run), timer('timer-set', 1), timer('timer-set', 2), timer('timer-set', 3), timer('timer-cleared', 3)])
    t.same((await store.scanTimers(undefined, 10)).map(({ dueAtMs }) => dueAtMs), [1, 2])
    await store.commit([timer('timer-set', 1), timer('timer-cleared', 1), timer('timer-cleared', 9)])
    t.same((await store.scanTimers(undefined, 10)).map(({ dueAtMs }) => dueAtMs), [2])
    await store.commit([timer('timer-cleared', 2), timer('timer-set', 2)])
    t.same((await store.scanTimers(undefined, 10)).map(({ dueAtMs }) => dueAtMs), [2])
  })

  await t.test('runs in a status are read in order of creation, in pages that outlast their change of status', async t => {
    const store = await open(t)
    const runs = [5, 3, 9, 1, 3].map(createdAtMs => newRun(store, { createdAtMs }, 'running'))
    await store.commit(runs.map(started))
    const expected = [...runs].sort((a, b) => a.meta.createdAtMs - b.meta.createdAtMs || a.key - b.key).map(({ key }) => key)
    t.same(await store.runsInStatus('running', undefined, 100), expected)
    const page = await store.runsInStatus('running', undefined, 2)
    t.same(page, expected.slice(0, 2))
    await store.commit([moved(runs.find(({ key }) => key === page[1])!, 'waiting').change])
    t.same(await store.runsInStatus('running', page[1], 100), expected.slice(2))
    t.same(await store.runsInStatus('failed', undefined, 100), [])
  })
}
