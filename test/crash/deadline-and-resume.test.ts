import t from 'tap'
import { writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { RunTimeoutError, StepRetriesExhaustedError } from 'troupe'
import type { failsAndRests, failsLast, hurries, naps, sleeps } from '../fixtures/crash/ends.ts'
import { openTroupe, rejection, until } from '../harness.ts'
import { countOf, factsOf, placesOf } from './threads.ts'

type Args<W extends (...args: never[]) => unknown> = Parameters<W>

const ENDS = new URL('../fixtures/crash/ends.js', import.meta.url)

t.setTimeout(300_000)

t.test("a run's deadline ends its sleep at once, and is not the sleep's outcome", async t => {
  const { store, trace } = placesOf(t)
  const troupe = await openTroupe(t, { store, workflows: ENDS })
  const handle = await troupe.start<Args<typeof sleeps>, string>('sleeps', [trace], { timeoutSeconds: 0.1 })
  const error = await rejection(handle.result())
  t.ok(error instanceof RunTimeoutError)
  t.match(error, { runId: handle.id, timeoutSeconds: 0.1, code: 'TROUPE_RUN_TIMEOUT' })
  const { status, startedAt, finishedAt } = await handle.info()
  t.equal(status, 'failed')
  t.ok(finishedAt!.getTime() - startedAt!.getTime() >= 100, 'not before its time')
  t.notOk((await handle.steps()).some(step => step.status === 'failed'))
})

t.test("a run's deadline counts from its first spawn, over restarts", async t => {
  const { store, trace } = placesOf(t)
  const troupe = await openTroupe(t, { store, workflows: ENDS })
  const { id } = await troupe.start<Args<typeof hurries>, void>('hurries', [trace])
  // On a slow machine its time may be over before.
  await until('it sleeps', async () => ['waiting', 'failed'].includes((await (await troupe.get(id)).info()).status))
  const { startedAt } = await (await troupe.get(id)).info()
  await troupe.close({ mode: 'abandon' })
  await delay(startedAt!.getTime() + 4000 - Date.now()) // its deadline passes while nobody is there
  const again = await openTroupe(t, { store, workflows: ENDS })
  // Were its time counted anew from this opening, a short sleep begun after it would be over first.
  const sleeper = await again.start<Args<typeof naps>, string>('naps', [2])
  const handle = await again.get(id)
  t.ok(await rejection(handle.result()) instanceof RunTimeoutError)
  await sleeper.result()
  const info = await handle.info()
  t.same(info.startedAt, startedAt)
  t.equal(info.incarnation, 1, 'it was not spawned again for that')
  t.ok(info.finishedAt! < (await sleeper.info()).finishedAt!, 'it had not its time anew')
})

t.test('a sleep that began after a forgotten failure is forgotten with it', async t => {
  const { store, trace, gate } = placesOf(t)
  const troupe = await openTroupe(t, { store, workflows: ENDS })
  const handle = await troupe.start<Args<typeof failsAndRests>, string>('failsAndRests', [trace, gate])
  t.match(await rejection(handle.result()), { message: 'not yet' })
  t.match(await handle.steps(), [{ index: 0, status: 'failed' }, { index: 1, kind: 'sleep', status: 'running' }, { index: 2, name: 'note' }])
  writeFileSync(gate, '')
  await handle.resume()
  t.equal(await handle.result(), 'went on')
  t.match(await handle.steps(), [{ index: 0, status: 'succeeded' }, { index: 1, name: 'second', status: 'succeeded' }])
})

t.test('resume() of a failed run forgets the last failed operation and does it again, with fresh attempts', async t => {
  const { store, trace, gate } = placesOf(t)
  const troupe = await openTroupe(t, { store, workflows: ENDS })
  const handle = await troupe.start<Args<typeof failsLast>, string[]>('failsLast', [trace, gate])
  t.ok(await rejection(handle.result()) instanceof StepRetriesExhaustedError)
  await handle.resume()
  t.ok(await rejection(handle.result()) instanceof StepRetriesExhaustedError, 'it may fail again')
  writeFileSync(gate, '')
  await handle.resume()
  t.same(await handle.result(), ['caught', 'done'])
  t.same(factsOf(trace).map(({ what }) => what), [
    'first', 'caught',
    'last, attempt 1', 'last, attempt 2', 'last, attempt 1', 'last, attempt 2', 'last, attempt 1',
  ], 'what succeeded, and the failure that was caught, is kept')
  t.match((await handle.steps()).at(-1), { name: 'last', status: 'succeeded', attempts: [{ attempt: 1 }] })
  t.match(await handle.info(), { status: 'succeeded', error: undefined, result: ['caught', 'done'] })
})

t.test('resume() of a run that failed in its child resumes the child', async t => {
  const { store, trace, gate } = placesOf(t)
  const troupe = await openTroupe(t, { store, workflows: ENDS })
  const handle = await troupe.start<Args<typeof failsLast>, string[]>('failsInChild', [trace, gate], { id: 'p' })
  t.ok(await rejection(handle.result()) instanceof StepRetriesExhaustedError)
  writeFileSync(gate, '')
  await handle.resume()
  t.same(await handle.result(), ['caught', 'done'])
  t.equal(countOf(trace, 'parent'), 1)
  t.equal(countOf(trace, 'first'), 1, 'the child, too, goes on from its last checkpoint')
  t.match(await (await troupe.get('p/1')).info(), { status: 'succeeded' })
})

t.test('resume() of a run that failed outside its operations runs its body again, over what is recorded', async t => {
  const { store, trace, gate } = placesOf(t)
  const troupe = await openTroupe(t, { store, workflows: ENDS })
  const handle = await troupe.start<Args<typeof failsLast>, string>('failsOutside', [trace, gate])
  t.match(await rejection(handle.result()), { message: 'not yet' })
  writeFileSync(gate, '')
  await handle.resume()
  t.equal(await handle.result(), 'done')
  t.same(factsOf(trace).map(({ what }) => what), ['only step', 'body', 'body'])
})
