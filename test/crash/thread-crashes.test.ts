import t from 'tap'
import { RunQuarantinedError, StepCrashedError, StepRetriesExhaustedError } from 'troupe'
import type { crashesOnce, crashesOutside, crashesWithProgress, catchingCrash, crashingStep, Way } from '../fixtures/crash/crashes.ts'
import { openTroupe, recordingLogger, rejection } from '../harness.ts'
import { countOf, CRASHES, factsOf, placesOf } from './threads.ts'

type Args<W extends (...args: never[]) => unknown> = Parameters<W>

const WAYS: readonly (readonly [Way, string])[] = [
  ['exit', 'exited with code 3'],
  ['uncaught', 'threw an error that nobody caught: TypeError: caught by nobody'],
  ['rejection', 'had an unhandled rejection: TypeError: handled by nobody'],
  ['heap', 'ran out of memory'],
]

t.setTimeout(300_000)

for (const [way, problem] of WAYS) {
  t.test(`a step that ends its thread alone there (${way}) has failed attempts, and the run goes on from its last checkpoint`, async t => {
    const { store, trace } = placesOf(t)
    const logger = recordingLogger()
    const troupe = await openTroupe(t, { store, workflows: CRASHES, threads: 1, threadHeapMiB: 48, logger })
    const handle = await troupe.start<Args<typeof crashingStep>, number>('crashingStep', [trace, way, 2, { retriesAllowed: true, maxAttempts: 3, intervalSeconds: 0.01 }])
    t.equal(await handle.result(), 3)
    t.same(factsOf(trace).map(({ what, attempt }) => `${what} ${attempt}`), ['before 1', 'fragile 1', 'fragile 2', 'fragile 3', 'after 1'])
    const [, fragile] = await handle.steps()
    t.same(fragile?.attempts.map(({ attempt, error }) => [attempt, error instanceof StepCrashedError]), [[1, true], [2, true], [3, false]])
    t.match(fragile?.attempts[0]?.error, { code: 'TROUPE_STEP_CRASHED', stepName: 'fragile' })
    t.match(fragile?.attempts[0]?.error, { message: `its thread ${problem}` })
    t.match(await handle.info(), { crashes: 2, incarnation: 3, status: 'succeeded' })
    t.equal(logger.lines.filter(({ fields }) => fields['event'] === 'step-crashed').length, 2, 'each is in the log')
    t.equal((await troupe.stats()).respawns, 2)
  })

  t.test(`without retries the crash (${way}) is the step's outcome, which the workflow may catch`, async t => {
    const { store, trace } = placesOf(t)
    const troupe = await openTroupe(t, { store, workflows: CRASHES, threads: 1, threadHeapMiB: 48 })
    const caught = await troupe.start<Args<typeof catchingCrash>, string>('catchingCrash', [trace, way, {}])
    t.equal(await caught.result(), 'StepCrashedError TROUPE_STEP_CRASHED fragile')
    t.equal(countOf(trace, 'fragile'), 1)
    t.match(await caught.steps(), [{ name: 'fragile', status: 'failed' }, { name: 'after', status: 'succeeded' }])
    const uncaught = await troupe.start<Args<typeof crashingStep>, number>('crashingStep', [trace, way, 9, {}])
    t.ok(await rejection(uncaught.result()) instanceof StepCrashedError)
    t.match(await uncaught.info(), { status: 'failed', crashes: 1 })
  })
}

t.test('crashes use up the attempts of a step like other failures', async t => {
  const { store, trace } = placesOf(t)
  const troupe = await openTroupe(t, { store, workflows: CRASHES, threads: 1 })
  const options = { retriesAllowed: true, maxAttempts: 2, intervalSeconds: 0.01 }
  const failed = await troupe.start<Args<typeof crashingStep>, number>('crashingStep', [trace, 'exit', 9, options])
  const error = await rejection(failed.result())
  t.ok(error instanceof StepRetriesExhaustedError)
  t.same((error as StepRetriesExhaustedError).errors.map(each => each instanceof StepCrashedError), [true, true])
  const caught = await troupe.start<Args<typeof catchingCrash>, string>('catchingCrash', [trace, 'exit', options])
  t.equal(await caught.result(), 'StepRetriesExhaustedError TROUPE_STEP_RETRIES_EXHAUSTED fragile StepCrashedError StepCrashedError')
})

t.test('outside steps five crashes are respawned, the next one quarantines; resume() starts afresh and finishes', async t => {
  const { store, trace } = placesOf(t)
  const logger = recordingLogger()
  const troupe = await openTroupe(t, { store, workflows: CRASHES, threads: 1, logger })
  const handle = await troupe.start<Args<typeof crashesOutside>, number>('crashesOutside', [trace, 'exit', 8, 0])
  const error = await rejection(handle.result())
  t.ok(error instanceof RunQuarantinedError)
  t.match(error, { runId: handle.id, crashes: 6, code: 'TROUPE_RUN_QUARANTINED' })
  t.match(await handle.info(), { status: 'quarantined', crashes: 6, incarnation: 6 })
  t.equal((await handle.info()).lastTrouble?.text, 'its thread exited with code 3: crash 6 without progress. It is set aside until resume().')
  t.match(error, { message: 'after 6 crashes without progress; the last time its thread exited with code 3.' })
  t.equal(countOf(trace, 'body'), 6)
  t.equal(countOf(trace, 'first'), 1, 'each life went on from the checkpoint')
  t.equal(logger.lines.filter(({ level, fields }) => level === 'error' && fields['event'] === 'run-quarantined').length, 1)
  await troupe.close({ mode: 'abandon' })

  const again = await openTroupe(t, { store, workflows: CRASHES, threads: 1 })
  const other = await again.start<Args<typeof crashesOutside>, number>('crashesOutside', [trace, 'exit', 0, 0])
  t.equal(await other.result(), 1)
  t.equal(countOf(trace, 'body', handle.id), 6, 'the next opening leaves it alone')
  const resumed = await again.get<number>(handle.id)
  t.ok(await rejection(resumed.result()) instanceof RunQuarantinedError)
  await resumed.resume()
  t.equal(await resumed.result(), 9, 'two more crashes are within its fresh allowance')
  t.equal(countOf(trace, 'first', handle.id), 1)
  t.match(await resumed.info(), { status: 'succeeded', crashes: 8 })
})

t.test('maxRespawns 0: the first crash outside a step quarantines', async t => {
  const { store, trace } = placesOf(t)
  const troupe = await openTroupe(t, { store, workflows: CRASHES, threads: 1 })
  const handle = await troupe.start<Args<typeof crashesOnce>, number>('crashesOnce', [trace, 'exit', 1, 0])
  t.match(await rejection(handle.result()), { code: 'TROUPE_RUN_QUARANTINED', crashes: 1 })
  t.equal(countOf(trace, 'body'), 1)
  await handle.resume()
  t.equal(await handle.result(), 2)
})

t.test('crashes further apart than respawnWindowSeconds do not add up; those within it do', async t => {
  const { store, trace } = placesOf(t)
  const troupe = await openTroupe(t, { store, workflows: CRASHES, threads: 1 })
  const seldom = await troupe.start<Args<typeof crashesOutside>, number>('crashesSeldom', [trace, 'exit', 4, 150])
  t.equal(await seldom.result(), 5)
  const often = await troupe.start<Args<typeof crashesOutside>, number>('crashesOften', [trace, 'exit', 4, 150])
  t.match(await rejection(often.result()), { code: 'TROUPE_RUN_QUARANTINED', crashes: 2 })
})

t.test('a checkpoint clears the count of crashes', async t => {
  const { store, trace } = placesOf(t)
  const troupe = await openTroupe(t, { store, workflows: CRASHES, threads: 1 })
  const handle = await troupe.start<Args<typeof crashesWithProgress>, number>('crashesWithProgress', [trace, 5])
  t.equal(await handle.result(), 5)
  t.match(await handle.info(), { crashes: 5, incarnation: 6 })
  for (let i = 0; i < 5; i++) t.equal(countOf(trace, `step ${i}`), 1)
})
