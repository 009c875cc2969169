import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { Troupe, UnknownRunError } from 'troupe'
import type { RunHandle } from 'troupe'
import { createMemoryStore } from '../../lib/store/memory/index.ts'
import { listAll, openTroupe, recordingLogger, rejection, storeFolder, storeImage, until } from '../harness.ts'
import { inlineLink } from '../harness-inline.ts'
import { ManualClock } from '../manual-clock.ts'
import { faultyStore } from '../store/faulty-store.ts'
import { fails, family } from '../fixtures/operations/family.js'
import type { Member } from '../fixtures/operations/family.ts'

const workflows = new URL('../fixtures/operations/family.js', import.meta.url)
const LATER = new Date(Date.now() + 86_400_000)
const HOUR_MS = 3_600_000

t.setTimeout(110_000)

async function idsOf(troupe: Troupe): Promise<readonly string[]> {
  return (await listAll(troupe)).map(({ id }) => id).sort()
}

async function grow(troupe: Troupe, member: Member): Promise<RunHandle<string>> {
  return troupe.start(family, [member], { id: member.id })
}

async function isWaiting(run: RunHandle<unknown>): Promise<void> {
  await until(`${run.id} waits`, async () => (await run.info()).waitsFor === 'a message')
}

async function openAt(t: Test, clock: ManualClock): Promise<Troupe> {
  const troupe = await Troupe.openOver({ store: storeFolder(t), workflows, threads: 1, durability: 'process-crash', logger: recordingLogger() }, inlineLink({ clock }))
  t.teardown(() => troupe.close({ mode: 'abandon' }))
  return troupe
}

t.test('runs that finished before the time are deleted, and no others', async t => {
  const clock = new ManualClock()
  const troupe = await openAt(t, clock)
  const waiting = await grow(troupe, { id: 'unfinished', waits: true })
  await isWaiting(waiting)
  const started = await grow(troupe, { id: 'started early, finished late', waits: true })
  await isWaiting(started)
  for (const id of ['old 1', 'old 2']) await (await grow(troupe, { id })).result()
  clock.turn(HOUR_MS)
  const boundary = new Date(clock.nowMs())
  await (await grow(troupe, { id: 'at the time' })).result()
  await started.send('end')
  await started.result()
  await troupe.start(family, [{ id: 'delayed' }], { id: 'delayed', delaySeconds: 3600 })
  t.same(await troupe.prune({ finishedBefore: boundary }), { runs: 2 })
  t.same(await idsOf(troupe), ['at the time', 'delayed', 'started early, finished late', 'unfinished'])
  t.same(await troupe.prune({ finishedBefore: boundary }), { runs: 0 }, 'a second time there is nothing left')
  t.equal(await started.result(), 'started early, finished late 0')
  await waiting.send('end')
  t.equal(await waiting.result(), 'unfinished 0')
})

t.test('only runs of the statuses that are named are deleted', async t => {
  const troupe = await openTroupe(t, { workflows })
  const runs = { succeeded: await grow(troupe, { id: 'succeeded' }), failed: await troupe.start(fails, [], { id: 'failed' }), cancelled: await grow(troupe, { id: 'cancelled', waits: true }) }
  await runs.succeeded.result()
  await rejection(runs.failed.result())
  await isWaiting(runs.cancelled)
  await runs.cancelled.cancel()
  await rejection(runs.cancelled.result())
  t.same(await troupe.prune({ finishedBefore: LATER, status: [] }), { runs: 0 })
  t.same(await troupe.prune({ finishedBefore: LATER, status: ['quarantined'] }), { runs: 0 })
  t.same(await troupe.prune({ finishedBefore: LATER, status: ['failed'] }), { runs: 1 })
  t.same(await idsOf(troupe), ['cancelled', 'succeeded'])
  t.same(await troupe.prune({ finishedBefore: LATER, status: ['cancelled', 'quarantined'] }), { runs: 1 })
  t.same(await troupe.prune({ finishedBefore: LATER }), { runs: 1 })
  t.match((await troupe.stats()).runs, { succeeded: 0, failed: 0, cancelled: 0 })
})

t.test('finished children go with their parent and not before; unfinished ones stay, and go later by themselves', async t => {
  const troupe = await openTroupe(t, { workflows })
  const parent = await grow(troupe, { id: 'parent', waits: true, children: [{ id: 'child', children: [{ id: 'grandchild' }] }, { id: 'survivor', waits: true, children: [{ id: 'heir' }] }] })
  await isWaiting(parent)
  const survivor = await troupe.get<string>('survivor')
  await isWaiting(survivor)
  t.same(await troupe.prune({ finishedBefore: LATER }), { runs: 0 }, 'the children of an unfinished parent stay')
  await parent.send('end')
  await parent.result()
  t.same(await troupe.prune({ finishedBefore: LATER }), { runs: 3 })
  t.same(await idsOf(troupe), ['heir', 'survivor'])
  t.equal((await survivor.info()).parentId, 'parent')
  await survivor.send('end')
  t.equal(await survivor.result(), 'survivor 0')
  t.same(await troupe.prune({ finishedBefore: LATER }), { runs: 2 })
  t.same(await idsOf(troupe), [])
})

t.test('a handle of a deleted run says that there is none; whoever asked meanwhile is answered, too', async t => {
  const troupe = await openTroupe(t, { workflows })
  for (let round = 0; round < 10; round++) {
    const run = await grow(troupe, { id: `run ${round}` })
    await run.result()
    // Something that is to be recorded first: the answers wait for it.
    const under = troupe.start(family, [{ id: 'later' }], { delaySeconds: 86_400 })
    const asked = [run.result(), run.info(), run.steps(), run.getEvent('none'), run.readStream('none').next(), run.fork({ beforeStep: 0, id: `fork ${round}` })].map(each => each.then(() => 'answered', (error: unknown) => error))
    const pruned = troupe.prune({ finishedBefore: LATER })
    asked.push(...[run.result(), run.info()].map(each => each.then(() => 'answered', (error: unknown) => error)))
    for (const answer of await Promise.all(asked)) t.ok(answer === 'answered' || answer instanceof UnknownRunError, String(answer))
    t.ok((await pruned).runs >= 1)
    await under
    for (const call of [() => run.result(), () => run.info(), () => run.steps(), () => run.cancel(), () => run.resume(), () => run.send(1), () => run.getEvent('e'), () => run.fork({ beforeStep: 0 }), () => troupe.get(run.id)]) {
      const error = await rejection(call())
      t.ok(error instanceof UnknownRunError && error.runId === run.id)
    }
  }
})

t.test('an id that was deleted is free again, and its messages, events and keys are forgotten', async t => {
  const folder = t.testdir({})
  const store = join(folder, 'store')
  const troupe = await openTroupe(t, { workflows, store })
  const first = await troupe.start(family, [{ id: 'again' }], { id: 'again', deduplicationId: 'd', tags: { n: '1' } })
  await first.result()
  await first.send('never read', { idempotencyKey: 'key' })
  const pruned = troupe.prune({ finishedBefore: LATER })
  const second = await troupe.start(family, [{ id: 'again', waits: true }], { id: 'again', deduplicationId: 'd', tags: { n: '2' } })
  t.same(await pruned, { runs: 1 })
  await isWaiting(second)
  t.match(await second.info(), { tags: { n: '2' }, status: 'waiting' })
  t.equal((await listAll(troupe, { tags: { n: '1' } })).length, 0)
  await troupe.close({ mode: 'abandon' })
  const after = await openTroupe(t, { workflows, store })
  t.same(await idsOf(after), ['again'])
  await (await after.get('again')).send('end', { idempotencyKey: 'key' })
  t.equal(await (await after.get('again')).result(), 'again 0')
})

t.test('what was deleted is deleted after a restart, and nothing else is', async t => {
  const store = storeFolder(t)
  const troupe = await openTroupe(t, { workflows, store })
  for (let n = 0; n < 5; n++) await (await grow(troupe, { id: `old ${n}`, children: [{ id: `child ${n}` }] })).result()
  await troupe.prune({ finishedBefore: LATER })
  await (await grow(troupe, { id: 'new', children: [{ id: 'child of new' }] })).result()
  const image = await storeImage(troupe)
  await troupe.close()
  const after = await openTroupe(t, { workflows, store })
  t.same(await storeImage(after), image)
  t.same(await idsOf(after), ['child of new', 'new'])
})

t.test('the store reuses the room of what was deleted', async t => {
  const troupe = await openTroupe(t, { workflows })
  const ballast = new Uint8Array(50_000)
  const sizes: number[] = []
  for (let round = 0; round < 7; round++) {
    const runs = await troupe.startMany(family, Array.from({ length: 100 }, (_, n) => ({ args: [{ id: `${round}/${n}` }, ballast] as [Member, Uint8Array] })))
    await Promise.all(runs.map(run => run.result()))
    t.same(await troupe.prune({ finishedBefore: LATER }), { runs: 100 })
    sizes.push((await troupe.stats()).storeBytes)
  }
  t.comment(`bytes of the store after each round: ${sizes.join(' ')}`)
  t.ok(sizes[0]! > 0)
  // What one round frees the next but one can use, so the second takes new room as well, and room is kept ready beyond that; from then on there is enough.
  t.ok(sizes.at(-1)! - sizes[2]! <= sizes[0]! / 4, 'four more rounds take no more than a quarter of one')
})

t.test('while many are deleted the host is answered', async t => {
  const troupe = await openTroupe(t, { workflows })
  const runs = await troupe.startMany(family, Array.from({ length: 1_000 }, (_, n) => ({ args: [{ id: `${n}` }] as [Member] })))
  await Promise.all(runs.map(run => run.result()))
  const order: string[] = []
  const pruning = troupe.prune({ finishedBefore: LATER }).then(({ runs: deleted }) => { order.push(`pruned ${deleted}`) })
  const answered = troupe.stats().then(() => { order.push('stats') })
  const counted = troupe.count().then(count => { order.push(count > 0 && count < 1_000 ? 'some are left' : `count ${count}`) })
  await Promise.all([pruning, answered, counted])
  t.same(order, ['stats', 'some are left', 'pruned 1000'])
  t.equal(await troupe.count(), 0)
})

t.test('what is asked of a finished run in the turn in which it is deleted goes ahead of that', async t => {
  const logger = recordingLogger()
  const troupe = await openTroupe(t, { workflows, logger })
  const run = await grow(troupe, { id: 'run', waits: true })
  await isWaiting(run)
  await run.cancel()
  await rejection(run.result())
  const again = [run.resume(), run.cancel()]
  t.same(await troupe.prune({ finishedBefore: new Date() }), { runs: 0 }, 'it has finished a second time since')
  await Promise.all(again)
  t.equal((await run.info()).status, 'cancelled')
  const [, pruned] = await Promise.all([run.send('never read', { idempotencyKey: 'key' }), troupe.prune({ finishedBefore: LATER })])
  t.same(pruned, { runs: 1 })
  t.same(await idsOf(troupe), [])
  t.same(logger.lines.filter(({ level }) => level === 'error'), [])
})

t.test('while the store refuses nothing is deleted, and when it takes commits again what was asked before goes ahead', async t => {
  let refusals = 0
  let isRefusing = false
  const store = faultyStore(createMemoryStore(), { faultOf: () => {
    if (!isRefusing) return undefined
    refusals++
    return 'refused'
  } })
  const troupe = await Troupe.openOver({ store: '/nowhere', workflows, threads: 1, logger: recordingLogger() }, inlineLink({ openStore: () => store }))
  t.teardown(() => troupe.close({ mode: 'abandon' }))
  const run = await grow(troupe, { id: 'run' })
  await run.result()
  isRefusing = true
  const sent = run.send('never read')
  await until('the store has refused', () => refusals > 0)
  const pruned = troupe.prune({ finishedBefore: LATER })
  const before = refusals
  await until('it has refused again', () => refusals > before)
  t.equal(store.countRuns({ order: 'oldest-first' }), 1)
  isRefusing = false
  await sent
  t.same(await pruned, { runs: 1 })
})
