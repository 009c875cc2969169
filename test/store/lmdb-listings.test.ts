/** What the LMDB store's indexes spare a listing. */
import t from 'tap'
import type { RunQuery } from '../../lib/store/contract.ts'
import { openLmdbStore } from '../../lib/store/lmdb/index.ts'
import { newRun, started } from './runs.ts'

t.test('a rare condition finds its runs among many on the first page, whatever common conditions stand beside it', async t => {
  const store = await openLmdbStore({ folder: t.testdir(), durability: 'process-crash' })
  t.teardown(() => store.close())
  const rare = newRun(store, { id: 'rare', workflow: 'rare', queue: 'rare', tags: { all: 'yes', rare: 'yes' }, createdAtMs: 0 }, 'enqueued')
  const others = Array.from({ length: 10_100 }, () => newRun(store, { queue: 'common', tags: { all: 'yes' } }, 'enqueued'))
  const failed = newRun(store, { queue: 'common', tags: { all: 'yes' }, createdAtMs: 1 }, 'failed')
  store.commit([rare, failed, ...others].map(started))
  const common = { tags: { all: 'yes' }, statuses: ['enqueued'], workflows: ['w', 'rare'] } as const
  const queries: readonly Omit<RunQuery, 'order'>[] = [
    { workflows: ['rare'] }, { queues: ['rare'] }, { tags: { rare: 'yes' } },
    { ...common, workflows: ['rare'] }, { ...common, queues: ['rare'] }, { ...common, tags: { all: 'yes', rare: 'yes' } },
  ]
  for (const query of queries) {
    const page = store.listRuns({ ...query, order: 'newest-first' }, { limit: 2, values: false })
    t.same(page.runs.map(({ meta }) => meta.id), ['rare'], JSON.stringify(query))
    t.equal(page.next, undefined)
  }
  const byStatus = store.listRuns({ statuses: ['failed'], tags: { all: 'yes' }, queues: ['common'], workflows: ['w'], order: 'newest-first' }, { limit: 2, values: false })
  t.same(byStatus.runs.map(({ meta }) => meta.key), [failed.key])
  t.equal(byStatus.next, undefined)
})
