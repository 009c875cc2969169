/** What every store must do when runs are listed and counted. */
import type { Test } from 'tap'
import type { RunKey } from '../../lib/model/run.ts'
import type { RunQuery, Store } from '../../lib/store/contract.ts'
import type { OpenStore } from './conformance.ts'
import { bytes, moved, newRun, plain, started, type Started, text } from './runs.ts'

/** All pages of a query. */
export async function listAll(store: Store, query: RunQuery, limit = 3): Promise<RunKey[]> {
  const keys: RunKey[] = []
  let after: string | undefined
  do {
    const page = await store.listRuns(query, { limit, values: false, ...(after === undefined ? {} : { after }) })
    keys.push(...page.runs.map(({ meta }) => meta.key))
    after = page.next
  } while (after !== undefined)
  return keys
}

/** Thirty runs: creation times repeat and do not rise with the keys. */
async function thirtyRuns(store: Store): Promise<Started[]> {
  const root = newRun(store, { id: 'root', createdAtMs: 50 }, 'waiting')
  const runs = Array.from({ length: 29 }, (_, i) => newRun(store, {
    id: `${i % 3 === 0 ? 'mail' : 'order'}/${i}`,
    workflow: i % 4 === 0 ? 'big' : 'small',
    createdAtMs: 100 + (i * 7) % 11,
    tags: i % 2 === 0 ? { region: 'eu', size: `${i % 3}`, ...(i % 8 === 0 && { urgent: '' }) } : {},
    ...(i % 5 === 0 ? { queue: 'slow' } : i % 5 === 1 ? { queue: 'fast' } : {}),
    ...(i % 6 === 0 ? { parent: { key: root.key, id: 'root', index: i } } : {}),
  }, i % 7 === 0 ? 'running' : 'enqueued'))
  const all = [root, ...runs]
  await store.commit(all.map(started))
  const failed = runs.slice(20).map(run => moved(run, 'failed'))
  await store.commit(failed.map(({ change }) => change))
  return [root, ...runs.slice(0, 20), ...failed.map(({ run }) => run)]
}

const QUERIES: Readonly<Record<string, { readonly query: Omit<RunQuery, 'order'>, readonly matches: (run: Started) => boolean }>> = {
  'every run': { query: {}, matches: () => true },
  'ids, of which some are unknown or no ids at all': {
    query: { ids: ['order/1', 'mail/3', 'nobody', 'order/1', '', 'a\ud800'] }, matches: ({ meta }) => meta.id === 'order/1' || meta.id === 'mail/3',
  },
  'no ids': { query: { ids: [] }, matches: () => false },
  'a prefix of ids': { query: { idPrefix: 'mail/' }, matches: ({ meta }) => meta.id.startsWith('mail/') },
  'the empty prefix': { query: { idPrefix: '' }, matches: () => true },
  'a prefix that no id has': { query: { idPrefix: 'mail0' }, matches: () => false },
  'a tag that no run has': { query: { tags: { region: 'us' } }, matches: () => false },
  'a tag whose value runs into that of another': { query: { tags: { siz: 'e0' } }, matches: () => false },
  'names that no run can have': { query: { workflows: ['', 'a\ud800'], queues: ['x'.repeat(600)], tags: { region: '' } }, matches: () => false },
  'a tag without a value': { query: { tags: { urgent: '' } }, matches: ({ meta }) => meta.tags.urgent === '' },
  'one tag': { query: { tags: { region: 'eu' } }, matches: ({ meta }) => meta.tags.region === 'eu' },
  'workflows, of which one is given twice': { query: { workflows: ['big', 'none', 'big'] }, matches: ({ meta }) => meta.workflow === 'big' },
  'a queue, a workflow and a status': {
    query: { queues: ['slow'], workflows: ['small'], statuses: ['enqueued'] },
    matches: ({ meta, progress }) => meta.queue === 'slow' && meta.workflow === 'small' && progress.status === 'enqueued',
  },
  'a tag and times': {
    query: { tags: { region: 'eu' }, createdAfterMs: 102, createdBeforeMs: 105 },
    matches: ({ meta }) => meta.tags.region === 'eu' && meta.createdAtMs > 102 && meta.createdAtMs < 105,
  },
  'one workflow': { query: { workflows: ['big'] }, matches: ({ meta }) => meta.workflow === 'big' },
  'one status': { query: { statuses: ['running'] }, matches: ({ progress }) => progress.status === 'running' },
  'several statuses': { query: { statuses: ['failed', 'running', 'failed'] }, matches: ({ progress }) => progress.status === 'running' || progress.status === 'failed' },
  'no statuses': { query: { statuses: [] }, matches: () => false },
  'queues': { query: { queues: ['slow', 'fast'] }, matches: ({ meta }) => meta.queue !== undefined },
  'a parent': { query: { parentId: 'root' }, matches: ({ meta }) => meta.parent !== undefined },
  'a parent that is not there': { query: { parentId: 'nobody' }, matches: () => false },
  'tags': { query: { tags: { region: 'eu', size: '1' } }, matches: ({ meta }) => meta.tags.region === 'eu' && meta.tags.size === '1' },
  'a tag that every object has': { query: { tags: { toString: 'x' } }, matches: () => false },
  'times, both bounds outside': {
    query: { createdAfterMs: 102, createdBeforeMs: 105 }, matches: ({ meta }) => meta.createdAtMs > 102 && meta.createdAtMs < 105,
  },
  'a status and times': {
    query: { statuses: ['enqueued', 'failed'], createdAfterMs: 102, createdBeforeMs: 105 },
    matches: ({ meta, progress }) => meta.createdAtMs > 102 && meta.createdAtMs < 105 && progress.status !== 'running',
  },
  'everything at once': {
    query: { idPrefix: 'order', workflows: ['small', 'other'], statuses: ['enqueued'], tags: { region: 'eu' }, createdAfterMs: 100 },
    matches: ({ meta, progress }) => meta.id.startsWith('order') && meta.workflow === 'small' && progress.status === 'enqueued' && meta.tags.region === 'eu' && meta.createdAtMs > 100,
  },
}

export async function conformsInListings(t: Test, open: OpenStore): Promise<void> {
  for (const [what, { query, matches }] of Object.entries(QUERIES)) {
    await t.test(`listing by ${what} gives each matching run once, in order of creation, whatever the page size`, async t => {
      const store = await open(t)
      const runs = await thirtyRuns(store)
      const expected = runs.filter(matches)
        .sort((a, b) => a.meta.createdAtMs - b.meta.createdAtMs || a.key - b.key).map(({ key }) => key)
      for (const limit of [1, 4, 100]) {
        t.same(await listAll(store, { ...query, order: 'oldest-first' }, limit), expected, `oldest first, ${limit} a page`)
        t.same(await listAll(store, { ...query, order: 'newest-first' }, limit), [...expected].reverse(), `newest first, ${limit} a page`)
      }
      t.equal(await store.countRuns({ ...query, order: 'newest-first' }), expected.length, 'and they are counted')
    })
  }

  await t.test('a page that holds the last match has no next', async t => {
    const store = await open(t)
    const runs = await thirtyRuns(store)
    const page = await store.listRuns({ order: 'oldest-first' }, { limit: runs.length, values: false })
    t.equal(page.runs.length, runs.length)
    t.notOk('next' in page && page.next !== undefined)
  })

  await t.test('a listing with values carries arguments and outcomes, one without them does not', async t => {
    const store = await open(t)
    const [done, running] = [newRun(store, { args: bytes(5) }), newRun(store, { args: bytes(6) }, 'running')] as const
    await store.commit([
      started(done), started(running), moved(done, 'succeeded').change,
      { type: 'outcome-recorded', key: done.key, outcome: { type: 'result', value: text('yes') } },
    ])
    const query = { order: 'oldest-first' } as const
    const full = await store.listRuns(query, { limit: 10, values: true })
    t.same(plain(full.runs.map(({ meta, outcome }) => [meta.args, outcome])), plain([[bytes(5), { type: 'result', value: text('yes') }], [bytes(6), undefined]]))
    const bare = await store.listRuns(query, { limit: 10, values: false })
    t.same(bare.runs.map(({ meta, outcome, progress }) => [meta.args.length, outcome, progress.status]), [[0, undefined, 'succeeded'], [0, undefined, 'running']])
  })

  for (const order of ['oldest-first', 'newest-first'] as const) {
    await t.test(`a cursor of ${order} stays right while runs come and go`, async t => {
      const store = await open(t)
      const runs = [10, 20, 30, 40, 50].map(createdAtMs => newRun(store, { createdAtMs }, 'running'))
      await store.commit(runs.map(started))
      const query = { statuses: ['running'], order } as const
      const first = await store.listRuns(query, { limit: 2, values: false })
      const inOrder = order === 'oldest-first' ? runs : [...runs].reverse()
      t.same(first.runs.map(({ meta }) => meta.key), inOrder.slice(0, 2).map(({ key }) => key))
      // The run the cursor stands on, one before it and the next one leave; one comes on either side.
      const [before, after] = [15, 35].map(createdAtMs => newRun(store, { createdAtMs }, 'running')) as [Started, Started]
      await store.commit([moved(inOrder[1]!, 'failed').change, moved(inOrder[2]!, 'failed').change, started(before), started(after)])
      const second = await store.listRuns(query, { limit: 10, values: false, after: first.next! })
      const expected = order === 'oldest-first' ? [after, runs[3]!, runs[4]!] : [after, runs[1]!, before, runs[0]!]
      t.same(second.runs.map(({ meta }) => meta.key), expected.map(({ key }) => key))
    })
  }

  for (const cursor of ['', 'x', '1', '1_', '_1', '1_2_3', '1_-2', '1_2.5', 'NaN_1']) {
    await t.test(`the cursor "${cursor}", which no page gave, is refused`, async t => {
      const store = await open(t)
      await t.rejects(async () => store.listRuns({ order: 'newest-first' }, { limit: 1, values: false, after: cursor }), { code: 'TROUPE_INVALID_OPTION' })
    })
  }

  await t.test('a prefix that ends in the middle of a character finds the ids that go on with it', async t => {
    const store = await open(t)
    const runs = ['a😀', 'a😁', 'ab'].map(id => newRun(store, { id }))
    await store.commit(runs.map(started))
    t.same(await listAll(store, { idPrefix: 'a\ud83d', order: 'oldest-first' }), runs.slice(0, 2).map(({ key }) => key))
    t.same(await listAll(store, { idPrefix: '\ud83d', order: 'oldest-first' }), [])
    t.same(await listAll(store, { idPrefix: 'a', order: 'oldest-first' }), runs.map(({ key }) => key))
  })

  await t.test('a scan that finds little stops after a bounded number of rows and goes on from there', async t => {
    const store = await open(t)
    // Many have the tag and many are of the workflow, but hardly any is both.
    const runs = Array.from({ length: 20_100 }, (_, i) => newRun(store, {
      id: `many/${i}`, workflow: i % 2 === 0 && i !== 20_080 ? 'even' : 'odd', tags: i % 2 === 0 ? { even: 'yes' } : {},
    }))
    await store.commit(runs.map(started))
    const query = { workflows: ['odd'], tags: { even: 'yes' }, order: 'oldest-first' } as const
    const first = await store.listRuns(query, { limit: 5, values: false })
    t.same(first.runs, [])
    t.ok(first.next)
    t.same(await listAll(store, query), [runs[20_080]!.key])
    t.equal(store.countRuns(query), 1)
    t.same(await listAll(store, { ...query, idPrefix: 'many/' }), [runs[20_080]!.key], 'also where a prefix has too many to sort')
  })
}
