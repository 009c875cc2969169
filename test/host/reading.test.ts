import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { RunNotFinishedError } from 'troupe'
import { openTroupe, recordingLogger, rejection, until } from '../harness.ts'
import { doubled, failing, held, holding, parent, sleeper, various } from '../fixtures/host/plain.js'
import { readTrace } from '../fixtures/trace.js'

const workflows = new URL('../fixtures/host/plain.js', import.meta.url)
const troupe = await openTroupe(t, { workflows })

t.test('result() gives up after timeoutSeconds with RunNotFinishedError, and the run goes on', async t => {
  const run = await troupe.start(sleeper, [])
  for (const timeoutSeconds of [0, 0.02]) {
    const error = await rejection(run.result({ timeoutSeconds }))
    t.ok(error instanceof RunNotFinishedError && error.runId === run.id && error.code === 'TROUPE_RUN_NOT_FINISHED')
  }
  t.equal((await run.info()).finishedAt, undefined)
  const finished = await troupe.start(doubled, [4])
  t.equal(await finished.result(), 8)
  t.equal(await finished.result({ timeoutSeconds: 3600 }), 8)
})

t.test('result() stops waiting when its signal aborts, with its reason, and the run goes on', async t => {
  const run = await troupe.start(sleeper, [])
  const reason = new RangeError('enough')
  t.equal(await rejection(run.result({ signal: AbortSignal.abort(reason) })), reason)
  const controller = new AbortController()
  const waiting = rejection(run.result({ signal: controller.signal, timeoutSeconds: 3600 }))
  await run.info() // the question is on its way
  controller.abort(reason)
  t.equal(await waiting, reason)
  t.match(await rejection(run.result({ signal: AbortSignal.timeout(5) })), { name: 'TimeoutError' })
  t.equal((await run.info()).finishedAt, undefined)
  const finished = await troupe.start(doubled, [4])
  t.equal(await finished.result({ signal: new AbortController().signal }), 8)
})

t.test('any number of handles wait for one outcome', async t => {
  const folder = t.testdir({})
  const run = await troupe.start(held, [join(folder, 'gate'), join(folder, 'trace')])
  const waiting = [run.result(), run.result(), (await troupe.get(run.id)).result(), run.result({ timeoutSeconds: 3600 })]
  writeFileSync(join(folder, 'gate'), '')
  t.same(await Promise.all(waiting), ['through', 'through', 'through', 'through'])
})

t.test('info() tells each state of a run', async t => {
  const folder = t.testdir({})
  const run = await troupe.start(held, [join(folder, 'gate'), join(folder, 'trace')])
  await until('the step has begun', () => readTrace(join(folder, 'trace')).length > 0)
  t.match(await run.info(), { status: 'running', incarnation: 1, finishedAt: undefined })
  writeFileSync(join(folder, 'gate'), '')
  await run.result()
  t.match(await run.info(), { status: 'succeeded', result: 'through', error: undefined, crashes: 0 })
  const asleep = await troupe.start(sleeper, [])
  await until('it sleeps', async () => (await asleep.info()).status === 'waiting')
  await asleep.cancel()
  t.match(await rejection(asleep.result()), { code: 'TROUPE_RUN_CANCELLED', runId: asleep.id })
  t.match(await asleep.info(), { status: 'cancelled', error: { code: 'TROUPE_RUN_CANCELLED' }, result: undefined })
})

t.test('steps() tells every durable operation in order of its call, with its kind and its state', async t => {
  const folder = t.testdir({})
  const gate = join(folder, 'gate')
  const run = await troupe.start(various, [gate], { id: 'various' })
  const steps = await until('it waits for the gate', async () => {
    const steps = await run.steps()
    return steps.length === 8 && steps
  })
  t.match(steps, [
    { index: 0, name: 'now', kind: 'value', status: 'succeeded', result: Number },
    { index: 1, name: 'random', kind: 'value', status: 'succeeded', result: Number },
    { index: 2, name: 'randomUUID', kind: 'value', status: 'succeeded', result: String },
    { index: 3, name: 'sleep', kind: 'sleep', status: 'succeeded' },
    { index: 4, name: 'doubled', kind: 'child', status: 'succeeded', result: 4, childId: 'various/4' },
    { index: 5, name: 'broken', kind: 'step', status: 'failed', error: { name: 'RangeError' }, attempts: [{ attempt: 1, error: { name: 'RangeError' } }] },
    { index: 6, name: 'sleep', kind: 'sleep', status: 'running' },
    { index: 7, name: 'gate', kind: 'step', status: 'running', attempts: [{ attempt: 1 }] },
  ])
  for (const { status, startedAt, finishedAt } of steps) {
    t.equal(finishedAt !== undefined, status === 'succeeded' || status === 'failed')
    t.ok(finishedAt === undefined || startedAt <= finishedAt)
  }
  writeFileSync(gate, '')
  t.equal(await run.result(), 'done')
  const after = await run.steps()
  t.notOk(after.some(({ index }) => index === 6), 'what a succeeded run never waited for to its end is forgotten')
  t.match(after.at(-1), { index: 7, status: 'succeeded', attempts: [{ attempt: 1, finishedAt: Date }] })
})

t.test('the child of a run names its parent, and both have their outcomes', async t => {
  const run = await troupe.start(parent, ['of mine'], { id: 'mine' })
  t.equal(await run.result(), 42)
  const child = await troupe.get('of mine')
  t.equal(await child.result(), 42)
  t.match(await child.info(), { parentId: 'mine', workflow: 'doubled', args: [21] })
})

t.test('steps() of a run with thousands of them tells all', async t => {
  const run = await troupe.start('manySteps', [2500])
  t.equal(await run.result(), 2500)
  const steps = await run.steps()
  t.same(steps.map(({ index }) => index), Array.from({ length: 2500 }, (_, index) => index))
  t.ok(steps.every(({ result, index }) => result === index))
})

t.test('stats() tells what the Troupe holds, and counts since open()', async t => {
  const logger = recordingLogger()
  const fresh = await openTroupe(t, { workflows, threads: 2, logger })
  const empty = await fresh.stats()
  t.same(empty.runs, { enqueued: 0, delayed: 0, running: 0, waiting: 0, succeeded: 0, failed: 0, cancelled: 0, quarantined: 0 })
  t.equal(empty.threads.length, 2)
  t.equal(new Set(empty.threads.map(({ threadId }) => threadId)).size, 2)
  t.match(empty, { steps: { succeeded: 0, failed: 0, retries: 0 }, respawns: 0 })
  await (await fresh.start(doubled, [1])).result()
  await rejection((await fresh.start(failing, ['no'])).result())
  await fresh.start(doubled, [1], { delaySeconds: 3600 })
  const asleep = await fresh.start(sleeper, [])
  await until('it sleeps', async () => (await asleep.info()).status === 'waiting')
  await fresh.stats()
  const stats = await fresh.stats() // an idle thread's load since a moment ago
  t.same(stats.runs, { enqueued: 0, delayed: 1, running: 0, waiting: 1, succeeded: 1, failed: 1, cancelled: 0, quarantined: 0 })
  t.same(stats.steps, { succeeded: 1, failed: 1, retries: 0 })
  t.ok(stats.commits.count > empty.commits.count && stats.commits.entries >= stats.commits.count && stats.commits.lastMs >= 0)
  t.equal(stats.commits.waiting, 0)
  t.ok(stats.storeBytes > 0)
  for (const { actors, utilization, heapBytes, bufferBytes } of stats.threads) {
    t.ok(Number.isInteger(actors) && actors >= 0)
    t.ok(utilization >= 0 && utilization <= 1)
    t.ok(heapBytes >= 0 && bufferBytes >= 0)
  }
  const { p50, p99, max } = stats.eventLoopDelayMs
  t.ok(p50 >= 0 && p50 <= p99 && p99 <= max)
  t.same(logger.lines.filter(({ level }) => level !== 'debug' && level !== 'info'), [])
})

t.test('stats() tells what a thread holds outside its heap, while it holds it', async t => {
  const gate = join(t.testdir({}), 'gate')
  const bytes = 50_000_000
  const run = await troupe.start(holding, [gate, bytes])
  const holders = async (): Promise<number[]> => (await troupe.stats()).threads.filter(({ bufferBytes }) => bufferBytes >= bytes).map(({ threadId }) => threadId)
  const [holder] = await until('one thread holds it', async () => {
    const there = await holders()
    return there.length > 0 && there
  })
  const { threads } = await troupe.stats()
  t.ok(threads.find(({ threadId }) => threadId === holder)!.heapBytes < bytes, 'and not in its heap')
  t.ok(threads.some(({ threadId, bufferBytes }) => threadId !== holder && bufferBytes < bytes))
  writeFileSync(gate, '')
  t.equal(await run.result(), bytes)
})
