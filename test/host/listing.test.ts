import t from 'tap'
import type { Test } from 'tap'
import type { RunFilter } from 'troupe'
import { TestTroupe } from 'troupe/testing'
import { listAll, openTroupe, rejection, until } from '../harness.ts'
import { doubled, echo, failing, parent, sleeper } from '../fixtures/host/plain.js'

const troupe = await openTroupe(t, { workflows: new URL('../fixtures/host/plain.js', import.meta.url) })

// In this order, some of each kind, a few milliseconds apart so that times of creation tell them apart.
async function apart(): Promise<void> {
  const nowMs = Date.now()
  await until('the clock has moved', () => Date.now() > nowMs)
}
await (await troupe.start(doubled, [1], { id: 'a/1', tags: { color: 'red', size: 'xl', urgent: '' } })).result()
await apart()
await (await troupe.start(doubled, [2], { id: 'a/2', queue: 'q', tags: { color: 'red' } })).result()
await apart()
await rejection((await troupe.start(failing, ['no'], { id: 'b/1', queue: 'q', tags: { color: 'blue' } })).result())
await apart()
const asleep = await troupe.start(sleeper, [], { id: 'a/3', queue: 'p', tags: { color: 'red', size: 's' } })
await apart()
await troupe.start(echo, ['later'], { id: 'c', delaySeconds: 86_400 })
await apart()
const cancelled = await troupe.start(sleeper, [], { id: 'b/2' })
await cancelled.cancel()
await rejection(cancelled.result())
await apart()
await (await troupe.start(parent, ['b/child'], { id: 'b' })).result()
await until('the sleeper sleeps', async () => (await asleep.info()).status === 'waiting')

const OLDEST_FIRST = ['a/1', 'a/2', 'b/1', 'a/3', 'c', 'b/2', 'b', 'b/child']

async function select(t: Test, filter: RunFilter | undefined, expected: readonly string[]): Promise<void> {
  const name = JSON.stringify(filter) ?? 'no filter'
  const newestFirst = [...OLDEST_FIRST].reverse().filter(id => expected.includes(id))
  t.same((await listAll(troupe, filter)).map(({ id }) => id), newestFirst, name)
  t.same((await listAll(troupe, { ...filter, order: 'oldest-first' })).map(({ id }) => id), newestFirst.toReversed(), `${name}, oldest first`)
  t.equal(await troupe.count(filter), expected.length, `${name}, counted`)
}

t.test('without conditions all runs are listed, the newest first', async t => {
  await select(t, undefined, OLDEST_FIRST)
  await select(t, {}, OLDEST_FIRST)
  await select(t, { order: 'newest-first' }, OLDEST_FIRST)
})

t.test('each condition selects its runs', async t => {
  await select(t, { ids: ['c', 'a/1', 'nobody'] }, ['a/1', 'c'])
  await select(t, { ids: [] }, [])
  await select(t, { idPrefix: 'a/' }, ['a/1', 'a/2', 'a/3'])
  await select(t, { idPrefix: 'b' }, ['b/1', 'b/2', 'b', 'b/child'])
  await select(t, { idPrefix: 'z' }, [])
  await select(t, { workflow: 'doubled' }, ['a/1', 'a/2', 'b/child'])
  await select(t, { workflow: ['failing', 'echo'] }, ['b/1', 'c'])
  await select(t, { workflow: 'nothing' }, [])
  await select(t, { status: 'succeeded' }, ['a/1', 'a/2', 'b', 'b/child'])
  await select(t, { status: ['failed', 'cancelled'] }, ['b/1', 'b/2'])
  await select(t, { status: 'waiting' }, ['a/3'])
  await select(t, { status: 'delayed' }, ['c'])
  await select(t, { status: ['enqueued', 'running', 'quarantined'] }, [])
  await select(t, { queue: 'q' }, ['a/2', 'b/1'])
  await select(t, { queue: ['q', 'p'] }, ['a/2', 'b/1', 'a/3'])
  await select(t, { parentId: 'b' }, ['b/child'])
  await select(t, { parentId: 'a/1' }, [])
  await select(t, { parentId: 'nobody' }, [])
  await select(t, { tags: { color: 'red' } }, ['a/1', 'a/2', 'a/3'])
  await select(t, { tags: { color: 'red', size: 'xl' } }, ['a/1'])
  await select(t, { tags: { urgent: '' } }, ['a/1'])
  await select(t, { tags: { color: '' } }, [])
  await select(t, { tags: { color: 'green' } }, [])
  await select(t, { tags: {} }, OLDEST_FIRST)
})

t.test('bounds on the time of creation are strict on both sides', async t => {
  const [first, , third] = await listAll(troupe, { order: 'oldest-first' })
  await select(t, { createdAfter: first!.createdAt }, OLDEST_FIRST.slice(1))
  await select(t, { createdBefore: third!.createdAt }, OLDEST_FIRST.slice(0, 2))
  await select(t, { createdAfter: first!.createdAt, createdBefore: third!.createdAt }, ['a/2'])
  await select(t, { createdAfter: third!.createdAt, createdBefore: first!.createdAt }, [])
})

t.test('all conditions must hold', async t => {
  await select(t, { idPrefix: 'a', status: 'succeeded', tags: { color: 'red' } }, ['a/1', 'a/2'])
  await select(t, { queue: 'q', workflow: 'doubled', status: 'succeeded', ids: ['a/2', 'b/1'] }, ['a/2'])
  await select(t, { parentId: 'b', workflow: 'sleeper' }, [])
})

t.test('limit bounds a listing from its beginning, and a count', async t => {
  const ids = async (filter: RunFilter): Promise<string[]> => (await listAll(troupe, filter)).map(({ id }) => id)
  t.same(await ids({ limit: 2 }), ['b/child', 'b'])
  t.same(await ids({ limit: 2, order: 'oldest-first' }), ['a/1', 'a/2'])
  t.same(await ids({ limit: 1, status: 'failed' }), ['b/1'])
  t.same(await ids({ limit: 0 }), [])
  t.equal((await ids({ limit: 99 })).length, 8)
  t.equal(await troupe.count({ limit: 3 }), 3)
  t.equal(await troupe.count({ limit: 99 }), 8)
  t.equal(await troupe.count({ limit: 0 }), 0)
})

t.test('a listing is without values unless they are asked for', async t => {
  const [small] = await listAll(troupe, { ids: ['a/2'] })
  t.match(small, { id: 'a/2', workflow: 'doubled', status: 'succeeded', args: [], queue: 'q', tags: { color: 'red' }, incarnation: 1, crashes: 0 })
  t.notOk('result' in small!)
  const [bare] = await listAll(troupe, { ids: ['b/1'] })
  t.notOk('error' in bare!)
  const [whole] = await listAll(troupe, { ids: ['a/2'], values: true })
  t.match(whole, { args: [2], result: 4 })
  const [failed] = await listAll(troupe, { ids: ['b/1'], values: true })
  t.ok(failed!.error instanceof RangeError)
  t.same(failed!.args, ['no'])
  const [child] = await listAll(troupe, { ids: ['b/child'] })
  t.equal(child!.parentId, 'b')
})

t.test('a listing of several pages gives each run once, in order, and may be left early', async t => {
  const many = await openTroupe(t, { workflows: new URL('../fixtures/host/plain.js', import.meta.url) })
  await many.startMany(echo, Array.from({ length: 450 }, (_, n) => ({ args: [n], options: { id: `run-${String(n).padStart(3, '0')}`, delaySeconds: 3600 } })))
  const ids = (await listAll(many, { order: 'oldest-first' })).map(({ id }) => id)
  t.equal(ids.length, 450)
  t.same(ids, [...new Set(ids)].sort())
  t.same((await listAll(many)).map(({ id }) => id), ids.toReversed())
  t.equal((await listAll(many, { limit: 250 })).length, 250)
  let seen = 0
  for await (const run of many.list()) if (++seen === 3) t.equal(run.id, 'run-447')
  for await (const _ of many.list()) break
  t.equal(seen, 450)
  t.equal(await many.count(), 450)
})

t.test('a count of several conditions over more runs than a page has is whole', async t => {
  const inMemory = await TestTroupe.open({ workflows: new URL('../fixtures/host/plain.js', import.meta.url) })
  t.teardown(() => inMemory.close())
  const count = 10_050
  await inMemory.startMany('echo', Array.from({ length: count }, (_, index) => ({ args: [], options: { delaySeconds: 3600, tags: { odd: String(index % 2) } } })))
  t.equal(await inMemory.count({ workflow: 'echo', status: 'delayed' }), count)
  t.equal(await inMemory.count({ workflow: 'echo', tags: { odd: '1' } }), count / 2)
  t.equal(await inMemory.count({ workflow: 'echo', status: 'running' }), 0)
})
