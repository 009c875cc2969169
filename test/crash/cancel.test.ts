import t from 'tap'
import { writeFileSync } from 'node:fs'
import type { Test } from 'tap'
import { RunCancelledError } from 'troupe'
import type { RunHandle, Troupe } from 'troupe'
import type { generations, lingers, parent, sleeps, spins, works } from '../fixtures/crash/ends.ts'
import { openTroupe, recordingLogger, rejection, until } from '../harness.ts'
import { countOf, factsOf, placesOf } from './threads.ts'

type Args<W extends (...args: never[]) => unknown> = Parameters<W>

const ENDS = new URL('../fixtures/crash/ends.js', import.meta.url)

t.setTimeout(300_000)

async function startAndWait(troupe: Troupe, workflow: string, args: unknown[], trace: string, what: string, id?: string): Promise<RunHandle<unknown>> {
  const handle = await troupe.start(workflow, args, id === undefined ? {} : { id })
  await until(`${workflow} says "${what}"`, () => countOf(trace, what, handle.id) > 0)
  return handle
}

async function endsCancelled(t: Test, handle: RunHandle<unknown>): Promise<void> {
  const error = await rejection(handle.result())
  t.ok(error instanceof RunCancelledError, String(error))
  t.match(error, { runId: handle.id, code: 'TROUPE_RUN_CANCELLED' })
  const { status, error: recorded } = await handle.info()
  t.equal(status, 'cancelled')
  t.ok(recorded instanceof RunCancelledError)
}

t.test('cancel ends a sleep at once, and is not its outcome', async t => {
  const { store, trace } = placesOf(t)
  const troupe = await openTroupe(t, { store, workflows: ENDS })
  const handle = await startAndWait(troupe, 'sleeps', [trace], trace, 'asleep')
  await until('it sleeps', async () => (await handle.info()).status === 'waiting')
  await handle.cancel()
  await endsCancelled(t, handle)
  t.match(await handle.steps(), [{ name: 'note', status: 'succeeded' }, { kind: 'sleep', status: 'running', error: undefined }])
  t.equal(countOf(trace, 'awake'), 0)
})

t.test('cancel ends a backoff at once, and is not the outcome of the step', async t => {
  const { store, trace } = placesOf(t)
  const troupe = await openTroupe(t, { store, workflows: ENDS })
  const handle = await startAndWait(troupe, 'backsOff', [trace], trace, 'attempt 1')
  await until('it backs off', async () => (await handle.steps())[0]?.status === 'retrying')
  await handle.cancel()
  await endsCancelled(t, handle)
  const [step] = await handle.steps()
  t.match(step, { name: 'fails', status: 'retrying', error: undefined })
  t.same(step?.attempts.map(({ attempt, error }) => [attempt, error?.message]), [[1, 'planned']])
  await handle.resume()
  await until('attempts are fresh after resume()', () => countOf(trace, 'attempt 1') === 2)
})

t.test('cancel ends the wait for a child at once; the child goes on', async t => {
  const { store, trace, gate } = placesOf(t)
  const troupe = await openTroupe(t, { store, workflows: ENDS })
  const handle = await troupe.start<Args<typeof parent>, string>('parent', [trace, 0, gate], { id: 'p' })
  await until('the child runs', () => countOf(trace, 'asleep', 'p/0') > 0)
  await handle.cancel()
  await endsCancelled(t, handle)
  t.match(await handle.steps(), [{ kind: 'child', status: 'running', error: undefined, childId: 'p/0' }])
  writeFileSync(gate, '')
  t.equal(await (await troupe.get('p/0')).result(), 'slept')
  await handle.resume()
  t.equal(await handle.result(), 'slept', 'a resumed parent has the outcome its child reached meanwhile')
  t.equal(countOf(trace, 'asleep'), 1)
})

t.test('cancel with children ends children and their children, called and started', async t => {
  const { store, trace } = placesOf(t)
  const troupe = await openTroupe(t, { store, workflows: ENDS })
  const called = await troupe.start<Args<typeof parent>, string>('parent', [trace, 2], { id: 'p' })
  await until('the youngest sleeps', () => countOf(trace, 'asleep', 'p/0/0/0') > 0)
  await called.cancel({ children: true })
  for (const id of ['p', 'p/0', 'p/0/0', 'p/0/0/0']) await endsCancelled(t, await troupe.get(id))
  const starter = await startAndWait(troupe, 'startsChild', [trace, 'named'], trace, 'started named')
  await starter.cancel({ children: true })
  await endsCancelled(t, starter)
  await endsCancelled(t, await troupe.get('named'))
})

t.test('a family is cancelled as one: nobody in it goes on because of the end of another', async t => {
  const { store, trace } = placesOf(t)
  const troupe = await openTroupe(t, { store, workflows: ENDS })
  for (let i = 0; i < 10; i++) {
    const oldest = await troupe.start<Args<typeof generations>, undefined>('generations', [trace, 3, `g${i}`], { id: `g${i}` })
    const youngest = await until('the youngest is there', () => troupe.get(`g${i}/0/0/0`).catch(() => undefined))
    await until('it is at its wait', () => countOf(trace, 'waits', youngest.id) > 0)
    await until('the wait is in the store', async () => (await youngest.steps()).length > 0)
    await oldest.cancel({ children: true })
    for (let id = oldest.id; id.length <= youngest.id.length; id += '/0') await endsCancelled(t, await troupe.get(id))
  }
  t.equal(countOf(trace, 'goes on'), 0)
})

t.test('cancel aborts the signal of a running step with RunCancelledError, which is not recorded as its outcome', async t => {
  const { store, trace } = placesOf(t)
  const troupe = await openTroupe(t, { store, workflows: ENDS })
  const handle = await startAndWait(troupe, 'obeys', [trace], trace, 'in step')
  await handle.cancel()
  await endsCancelled(t, handle)
  const aborted = await until('the step was told', () => factsOf(trace).find(({ what }) => what === 'aborted'))
  t.match(aborted, { name: 'RunCancelledError', code: 'TROUPE_RUN_CANCELLED', runId: handle.id })
  t.same((await handle.steps()).filter(({ status }) => status !== 'running'), [], 'no outcome and no failed attempt')
  await handle.resume()
  await until('the step runs again after resume()', () => countOf(trace, 'in step') === 2)
  t.match((await handle.steps())[0]?.attempts, [{ attempt: 1 }])
})

t.test('cancelled after its last step, a run does not succeed; resume() finishes it without running the step again', async t => {
  const { store, trace, gate } = placesOf(t)
  const troupe = await openTroupe(t, { store, workflows: ENDS })
  const handle = await troupe.start<Args<typeof lingers>, string>('lingers', [trace, gate])
  await until('the last step is done', () => countOf(trace, 'past the last step') > 0)
  await handle.cancel()
  writeFileSync(gate, '')
  await endsCancelled(t, handle)
  await handle.resume()
  t.equal(await handle.result(), 'returned')
  t.equal(countOf(trace, 'last step'), 1)
})

for (const where of ['step', 'body'] as const) {
  t.test(`a thread whose actor does not answer (in a ${where}) is ended after graceSeconds; its neighbours go on and carry no blame`, async t => {
    const { store, trace, gate } = placesOf(t)
    const logger = recordingLogger()
    const troupe = await openTroupe(t, { store, workflows: ENDS, threads: 1, actorsPerThread: 8, logger })
    const neighbours: RunHandle<number>[] = []
    for (let i = 0; i < 3; i++) neighbours.push(await troupe.start<Args<typeof works>, number>('works', [trace, gate, 5], { id: `n${i}` }))
    await until('the neighbours have worked', () => [0, 1, 2].every(i => countOf(trace, 'work 4', `n${i}`) > 0))
    const handle = await troupe.start<Args<typeof spins>, void>('spins', [trace, where])
    await until('it spins', () => countOf(trace, 'spinning') > 0)
    await handle.cancel({ graceSeconds: 0.05 })
    await endsCancelled(t, handle)
    t.same((await handle.steps()).map(({ name, status }) => [name, status]), [['note', 'succeeded']])
    writeFileSync(gate, '')
    for (const neighbour of neighbours) {
      t.equal(await neighbour.result(), 5)
      t.match(await neighbour.info(), { crashes: 0 })
      for (let i = 0; i < 4; i++) t.equal(countOf(trace, `work ${i}`, neighbour.id), 1, 'what was acknowledged is done')
    }
    t.ok(logger.lines.some(({ fields }) => fields['event'] === 'thread-ended-by-supervisor' && fields['runId'] === handle.id), 'the log names the culprit')
  })
}

t.test('enqueued and delayed runs are cancelled without ever running', async t => {
  const { store, trace, gate } = placesOf(t)
  const troupe = await openTroupe(t, { store, workflows: ENDS, threads: 1, actorsPerThread: 1 })
  const holder = await troupe.start<Args<typeof works>, number>('works', [trace, gate, 1])
  await until('the only place is taken', () => countOf(trace, 'work 0') > 0)
  const enqueued = await troupe.start<Args<typeof sleeps>, string>('sleeps', [trace])
  const delayed = await troupe.start<Args<typeof sleeps>, string>('sleeps', [trace], { delaySeconds: 3600 })
  t.match([(await enqueued.info()).status, (await delayed.info()).status], ['enqueued', 'delayed'])
  for (const handle of [enqueued, delayed]) {
    await handle.cancel()
    await endsCancelled(t, handle)
    t.match(await handle.info(), { incarnation: 0, startedAt: undefined })
  }
  writeFileSync(gate, '')
  t.equal(await holder.result(), 1)
  t.equal(countOf(trace, 'asleep'), 0)
  await delayed.resume()
  await until('a resumed one runs', () => countOf(trace, 'asleep', delayed.id) > 0)
})

t.test('a finished run stays as it is', async t => {
  const { store, trace, gate } = placesOf(t)
  writeFileSync(gate, '')
  const troupe = await openTroupe(t, { store, workflows: ENDS })
  const handle = await troupe.start<Args<typeof works>, number>('works', [trace, gate, 2])
  t.equal(await handle.result(), 2)
  const before = await handle.info()
  await handle.cancel()
  await handle.resume()
  t.same(await handle.info(), before)
})

t.test('a cancel that was promised survives the end of the Troupe', async t => {
  const { store, trace } = placesOf(t)
  const troupe = await openTroupe(t, { store, workflows: ENDS, threads: 1 })
  const handle = await startAndWait(troupe, 'spins', [trace, 'step'], trace, 'spinning')
  await handle.cancel({ graceSeconds: 3600 })
  await troupe.close({ mode: 'abandon' })
  const again = await openTroupe(t, { store, workflows: ENDS, threads: 1 })
  await endsCancelled(t, await again.get(handle.id))
  t.equal(countOf(trace, 'spinning'), 1)
})
