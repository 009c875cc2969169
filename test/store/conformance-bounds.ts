/** What every store must do with places held in queues, counted starts and settings. */
import type { Test } from 'tap'
import type { RunKey } from '../../lib/model/run.ts'
import type { Change, StartRow } from '../../lib/store/contract.ts'
import type { OpenStore } from './conformance.ts'
import { NAMES, NO_NAMES } from './conformance-mailbox.ts'
import { bytes, moved, newRun, plain, started, text } from './runs.ts'

export async function conformsInBounds(t: Test, open: OpenStore): Promise<void> {
  await t.test('runs of named queues that hold a place are read in order of their keys, in pages', async t => {
    const store = await open(t)
    const runs = Array.from({ length: 7 }, (_, i) => newRun(store, {
      ...(i === 3 ? {} : { queue: NAMES[i]! }), ...(i % 2 === 0 ? { queueKey: `customer ${i}` } : {}),
    }, 'running', i === 4 ? {} : { holdsPlace: true }))
    await store.commit(runs.map(started))
    const expected = runs.filter((_, i) => i !== 3 && i !== 4)
      .map(({ key, meta: { queue, queueKey } }) => ({ key, queue, ...(queueKey === undefined ? {} : { queueKey }) }))
    t.same(store.scanPlaces(undefined, 100), expected)
    t.same(store.scanPlaces(expected[1]!.key, 2), expected.slice(2, 4))
    t.same(store.scanPlaces(runs[3]!.key, 1), expected.slice(3, 4), 'after a run that holds none')
    t.same(store.scanPlaces(expected.at(-1)!.key, 10), [])
    t.same(store.scanPlaces(undefined, 0), [])
  })

  await t.test('a place comes and goes with its run\'s word, whatever else changes', async t => {
    const store = await open(t)
    const run = newRun(store, { queue: 'q' })
    const places = (): readonly RunKey[] => store.scanPlaces(undefined, 10).map(({ key }) => key)
    await store.commit([started(run)])
    t.same(places(), [])
    const running = moved(run, 'running', { holdsPlace: true })
    await store.commit([running.change])
    t.same(places(), [run.key])
    t.equal(store.loadRun(run.key)!.progress.holdsPlace, true)
    const waiting = moved(running.run, 'waiting')
    await store.commit([waiting.change])
    t.same(places(), [run.key])
    const { holdsPlace: _, ...free } = waiting.run.progress
    const after = { ...free, status: 'succeeded' as const }
    await store.commit([{ type: 'run-changed', meta: run.meta, before: waiting.run.progress, after }])
    t.same(places(), [])
    t.notOk('holdsPlace' in store.loadRun(run.key)!.progress)
    const again = { ...after, status: 'running' as const, holdsPlace: true as const }
    await store.commit([{ type: 'run-changed', meta: run.meta, before: after, after: again }, { type: 'run-changed', meta: run.meta, before: again, after }])
    t.same(places(), [], 'one taken and given up in one commit was never there')
  })

  await t.test('counted starts are read by queue, oldest first, until they are uncounted', async t => {
    const store = await open(t)
    const [a, b] = [newRun(store), newRun(store)] as const
    await store.commit([started(a), started(b)])
    const rows = [[5, b.key], [5, a.key], [0.5, b.key], [-1, a.key], [2 ** 44, a.key]] as const
    const start = (type: 'start-counted' | 'start-uncounted', queue: string, [atMs, key]: readonly [number, RunKey]): Change => ({ type, start: { queue, atMs, key } })
    for (const queue of NAMES) await store.commit(rows.map(row => start('start-counted', queue, row)))
    for (const queue of NAMES) {
      const expected: StartRow[] = [[-1, a.key], [0.5, b.key], [5, a.key], [5, b.key], [2 ** 44, a.key]].map(([atMs, key]) => ({ queue, atMs: atMs!, key: key as RunKey }))
      t.same(store.countedStarts(queue), expected)
    }
    await store.commit([
      start('start-uncounted', 'a', rows[0]), start('start-uncounted', 'a', rows[3]), start('start-uncounted', 'a', [7, a.key]),
      start('start-counted', 'a', [9, a.key]), start('start-uncounted', 'a', [9, a.key]),
    ])
    t.same(store.countedStarts('a').map(({ atMs }) => atMs), [0.5, 5, 2 ** 44])
    t.equal(store.countedStarts('ab').length, 5)
    t.same(store.countedStarts('b'), [])
    for (const queue of NO_NAMES) {
      await t.rejects(async () => store.commit([start('start-counted', queue, rows[0])]), { code: 'TROUPE_INTERNAL' })
      t.same(store.countedStarts(queue), [])
    }
  })

  await t.test('settings are read by kind, in order of their names, replaced and removed', async t => {
    const store = await open(t)
    const put = (kind: 'queue' | 'schedule', name: string, record: string): Change => ({ type: 'setting-put', kind, name, record: text(record) })
    t.same(store.settings('queue'), [])
    const names = [...NAMES, '\uffff', '😀', 'z']
    await store.commit([...names.map(name => put('queue', name, `queue ${name}`)), put('schedule', 'a', 'schedule a'), put('queue', 'a', 'replaced')])
    const sorted = names.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    t.same(plain(store.settings('queue')), plain(sorted.map(name => ({ name, record: text(name === 'a' ? 'replaced' : `queue ${name}`) }))))
    t.same(plain(store.settings('schedule')), plain([{ name: 'a', record: text('schedule a') }]))
    await store.commit([
      ...names.map((name): Change => ({ type: 'setting-removed', kind: 'queue', name })), { type: 'setting-removed', kind: 'queue', name: 'unknown' },
      put('queue', 'z', 'back'),
    ])
    t.same(plain(store.settings('queue')), plain([{ name: 'z', record: text('back') }]))
    await store.commit([put('schedule', 'passing', 'x'), { type: 'setting-removed', kind: 'schedule', name: 'passing' }])
    t.equal(store.settings('schedule').length, 1)
    for (const name of NO_NAMES) {
      await t.rejects(async () => store.commit([{ type: 'setting-put', kind: 'queue', name, record: bytes(1) }]), { code: 'TROUPE_INTERNAL' })
    }
  })
}
