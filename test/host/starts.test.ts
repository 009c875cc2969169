import { join } from 'node:path'
import t from 'tap'
import { RunIdTakenError } from 'troupe'
import { listAll, openTroupe, rejection, until } from '../harness.ts'
import { counted, doubled, echo, failing, sleeper } from '../fixtures/host/plain.js'
import { readTrace } from '../fixtures/trace.js'

const workflows = new URL('../fixtures/host/plain.js', import.meta.url)
const troupe = await openTroupe(t, { workflows })

t.test('a start with a known id attaches to its run, while it is at work and when it is finished', async t => {
  const file = join(t.testdir({}), 'trace')
  const first = await troupe.start(counted, [file, 1], { id: 'same' })
  const second = await troupe.start(counted, [file, 2], { id: 'same' })
  t.equal(second.id, 'same')
  t.equal(await first.result(), 1)
  t.equal(await second.result(), 1, 'the arguments of the first count')
  t.equal(await (await troupe.start('counted', [file, 3], { id: 'same', priority: 5, tags: { late: 'yes' } })).result(), 1)
  t.same(readTrace(file), [{ body: 1 }, { step: 1 }], 'the body and its step ran once')
  t.match(await first.info(), { args: [file, 1], priority: 0, tags: {} })
})

t.test('a hundred starts at once with one id start one run', async t => {
  const file = join(t.testdir({}), 'trace')
  const runs = await Promise.all(Array.from({ length: 100 }, (_, n) => troupe.start(counted, [file, n], { id: 'crowd' })))
  const results = new Set(await Promise.all(runs.map(run => run.result())))
  t.equal(results.size, 1)
  t.equal(readTrace(file).length, 2)
  t.equal(await troupe.count({ ids: ['crowd'] }), 1)
})

t.test('of two workflows that are started at once under one id, one has it', async t => {
  const outcomes = await Promise.allSettled([troupe.start(doubled, [1], { id: 'disputed' }), troupe.start(echo, [1], { id: 'disputed' })])
  const refused = outcomes.filter(outcome => outcome.status === 'rejected')
  t.equal(refused.length, 1)
  t.ok(refused[0]!.reason instanceof RunIdTakenError && refused[0]!.reason.runId === 'disputed')
  t.equal(await troupe.count({ ids: ['disputed'] }), 1)
})

t.test('a start that attaches over a restart finds its run, too', async t => {
  const folder = t.testdir({})
  const [store, file] = [join(folder, 'store'), join(folder, 'trace')]
  const before = await openTroupe(t, { workflows, store })
  await (await before.start(counted, [file, 7], { id: 'kept' })).result()
  await before.close()
  const after = await openTroupe(t, { workflows, store })
  t.equal(await (await after.start(counted, [file, 8], { id: 'kept' })).result(), 7)
  t.ok(await rejection(after.start(doubled, [1], { id: 'kept' })) instanceof RunIdTakenError)
  t.equal(readTrace(file).length, 2)
})

t.test('ids that are not given are UUIDs of version 7, each its own, in the order of their starts', async t => {
  const ids: string[] = []
  for (let n = 0; n < 20; n++) ids.push((await troupe.start(echo, [n])).id)
  for (const id of ids) t.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  t.equal(new Set(ids).size, ids.length)
  const times = ids.map(id => id.slice(0, 13))
  t.same(times, [...times].sort())
})

t.test('an id may be any text of 512 bytes, and finds its run again', async t => {
  for (const id of ['x'.repeat(512), 'ü'.repeat(256), 'a/b/../c', 'with\nline and \0 zero', '日本 🎭', ' ']) {
    const run = await troupe.start(echo, [id], { id })
    t.equal(run.id, id)
    t.same(await (await troupe.get(id)).result(), [id])
  }
})

t.test('startMany() starts all, and gives the handles in the order of the runs', async t => {
  const runs = await troupe.startMany(doubled, [3, 1, 2].map(n => ({ args: [n] as [number], options: { id: `many-${n}` } })))
  t.same(runs.map(({ id }) => id), ['many-3', 'many-1', 'many-2'])
  t.same(await Promise.all(runs.map(run => run.result())), [6, 2, 4])
  t.same(await troupe.startMany(doubled, []), [])
})

t.test('startMany() attaches to runs that are there, and to itself', async t => {
  await troupe.start(sleeper, [], { id: 'there' })
  const runs = await troupe.startMany(sleeper, [{ args: [] }, { args: [], options: { id: 'there' } }, { args: [], options: { id: 'new' } }, { args: [], options: { id: 'new' } }])
  t.same(runs.slice(1).map(({ id }) => id), ['there', 'new', 'new'])
  t.equal(await troupe.count({ ids: ['there', 'new'] }), 2)
})

t.test('startMany() of very many, which cross to the supervisor in parts, is one call all the same', async t => {
  await troupe.start(echo, ['before'], { id: 'among many' })
  const idOf = (index: number): string => index === 100 || index === 4100 ? 'twice' : index === 4200 ? 'among many' : `very many ${index}`
  const requests = Array.from({ length: 4500 }, (_, index) => ({ args: [index] as [number], options: { id: idOf(index), delaySeconds: 3600 } }))
  const runs = await troupe.startMany(echo, requests)
  t.same(runs.map(({ id }) => id), requests.map((_, index) => idOf(index)))
  t.equal(await troupe.count({ idPrefix: 'very many ' }), 4497)
  t.equal(await troupe.count({ ids: ['twice'], status: 'delayed' }), 1)
  t.same(await (await troupe.get('among many')).result(), ['before'])

  const before = await troupe.count()
  await t.rejects(troupe.startMany(echo, [...requests.map(({ args }) => ({ args })), { args: [() => {}] }]), { code: 'TROUPE_UNSERIALIZABLE_VALUE' })
  const taken = await rejection(troupe.startMany(doubled, [...requests.map(({ args }) => ({ args })), { args: [1], options: { id: 'twice' } }]))
  t.ok(taken instanceof RunIdTakenError)
  t.equal(await troupe.count(), before, 'and all or none')
})

t.test('startMany() starts none when one of them is refused', async t => {
  await troupe.start(sleeper, [], { id: 'in the way' })
  const before = await troupe.count()
  const runs = ['before', 'in the way', 'after'].map(id => ({ args: [1] as [number], options: { id } }))
  const error = await rejection(troupe.startMany(doubled, runs))
  t.ok(error instanceof RunIdTakenError && error.runId === 'in the way')
  t.equal(await troupe.count(), before)
  t.equal(await troupe.count({ ids: ['before', 'after'] }), 0)
})

t.test('a delayed run waits for its time', async t => {
  const later = await troupe.start(echo, ['later'], { delaySeconds: 3600 })
  t.match(await later.info(), { status: 'delayed', incarnation: 0, startedAt: undefined })
  const soon = await troupe.start(echo, ['soon'], { delaySeconds: 0.2 })
  t.same(await soon.result(), ['soon'])
  const { createdAt, startedAt } = await soon.info()
  t.ok(startedAt!.getTime() - createdAt.getTime() >= 200, 'not before its delay')
  t.match(await later.info(), { status: 'delayed' })
  await later.cancel()
  t.match(await later.info(), { status: 'cancelled', incarnation: 0 })
})

t.test('a deduplication id attaches to the unfinished run of its queue, and to no finished one', async t => {
  const options = { deduplicationId: 'customer 7', queue: 'mail' }
  const first = await troupe.start(sleeper, [], options)
  t.equal((await troupe.start(sleeper, [], options)).id, first.id)
  const [many] = await troupe.startMany(sleeper, [{ args: [], options }])
  t.equal(many!.id, first.id)
  t.not((await troupe.start(sleeper, [], { ...options, queue: 'other' })).id, first.id)
  t.not((await troupe.start(sleeper, [], { ...options, deduplicationId: 'customer 8' })).id, first.id)
  await first.cancel()
  await rejection(first.result())
  t.not((await troupe.start(sleeper, [], options)).id, first.id)
})

t.test('runs with a lower number as priority go first, and those of one priority in order of start', async t => {
  const folder = t.testdir({})
  const [store, file] = [join(folder, 'store'), join(folder, 'trace')]
  const narrow = await openTroupe(t, { workflows, store, threads: 1, actorsPerThread: 1 })
  const runs = await narrow.startMany(counted, [[1, 5], [2, 5], [3, 0], [4, 2 ** 31 - 1], [5, 0]].map(([n, priority]) => ({ args: [file, n!] as [string, number], options: { priority: priority! } })))
  await Promise.all(runs.map(run => run.result()))
  t.same(readTrace(file).flatMap(fact => (fact as { readonly body?: number }).body ?? []), [3, 5, 1, 2, 4])
})

t.test('a timeout of a start ends its run and says so', async t => {
  const run = await troupe.start(sleeper, [], { timeoutSeconds: 0.05 })
  t.match(await rejection(run.result()), { code: 'TROUPE_RUN_TIMEOUT', runId: run.id, timeoutSeconds: 0.05 })
  t.match(await run.info(), { status: 'failed' })
})

t.test('what a run was started with is what info() tells', async t => {
  const tags = { customer: '7', 'odd name': 'grüße' }
  const run = await troupe.start(failing, ['why'], { id: 'told', queue: 'q', priority: 3, tags })
  await rejection(run.result())
  const info = await until('it is finished', async () => {
    const info = await run.info()
    return info.finishedAt !== undefined && info
  })
  t.match(info, { id: 'told', workflow: 'failing', status: 'failed', args: ['why'], queue: 'q', priority: 3, tags, incarnation: 1, crashes: 0 })
  t.ok(info.error instanceof RangeError && info.error.message === 'why')
  t.ok(info.createdAt <= info.startedAt! && info.startedAt! <= info.finishedAt! && info.finishedAt! <= info.updatedAt)
  t.same([info.parentId, info.forkedFrom, info.result], [undefined, undefined, undefined])
  const [listed] = await listAll(troupe, { ids: ['told'], values: true })
  t.same({ ...listed!, error: undefined }, { ...info, error: undefined }, 'a listing with values tells the same')
})
