import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { StepRetriesExhaustedError } from 'troupe'
import type { RunHandle, StepInfo } from 'troupe'
import { openTroupe, rejection, until } from '../harness.ts'
import { attempts, caughtTwice, look } from '../fixtures/steps/attempts.js'
import type { Plan, Thrown } from '../fixtures/steps/attempts.js'
import { QuotaError, StrangeError } from '../fixtures/steps/errors.js'
import { readTrace } from '../fixtures/trace.js'

const workflows = new URL('../fixtures/steps/attempts.js', import.meta.url)
const QUICK = { retriesAllowed: true, intervalSeconds: 0.001 } as const

// One for all tests of this file: opening takes longer than most of them.
const troupe = await openTroupe(t, { workflows })

function files(t: Test): { readonly file: string, readonly seen: string, readonly store: string } {
  const folder = t.testdir({})
  return { file: join(folder, 'trace'), seen: join(folder, 'seen'), store: join(folder, 'store') }
}

async function onlyStep(run: RunHandle<unknown>): Promise<StepInfo> {
  const steps = await run.steps()
  if (steps.length !== 1) throw new Error(`${steps.length} steps, where one was expected`)
  return steps[0]!
}

function gapsMs(step: StepInfo): number[] {
  return step.attempts.slice(1).map(({ startedAt }, index) => startedAt.getTime() - step.attempts[index]!.finishedAt!.getTime())
}

t.test('a step that fails once and may try twice gives its result, not before its delay of 1 s', async t => {
  const { file } = files(t)
  const run = await troupe.start(attempts, [{ trace: file, failures: ['quota'], options: { retriesAllowed: true, maxAttempts: 2 } }])
  t.equal(await run.result(), 2)
  const step = await onlyStep(run)
  t.ok(gapsMs(step)[0]! >= 1000, `${gapsMs(step)[0]} ms lay between the attempts`)
  t.match(step, { index: 0, name: 'planned', kind: 'step', status: 'succeeded', result: 2, attempts: [{ attempt: 1 }, { attempt: 2 }] })
  t.ok(step.attempts[0]!.error instanceof QuotaError, 'the error of the failed attempt is kept')
  t.equal(step.attempts[1]!.error, undefined)
  t.same(readTrace(file), [{ attempt: 1, maxAttempts: 2 }, { attempt: 2, maxAttempts: 2 }])
})

t.test('a step that always fails ends with a typed error that holds each error in order, with class, code and cause', async t => {
  const { file } = files(t)
  const run = await troupe.start(attempts, [{ trace: file, failures: ['quota', 'strange', 'caused'], options: QUICK }])
  const error = await rejection(run.result())
  if (!(error instanceof StepRetriesExhaustedError)) return t.fail('another error', { error })
  t.match(error, { code: 'TROUPE_STEP_RETRIES_EXHAUSTED', stepName: 'planned', attempts: 3 })
  t.equal(error.errors.length, 3)
  const [first, second, third] = error.errors
  t.ok(first instanceof QuotaError && first.code === 'E_QUOTA' && first.limit === 7 && first.cause instanceof RangeError, 'the first')
  t.ok(second instanceof TypeError && second.name === 'StrangeError' && !(second instanceof StrangeError), 'the second: not registered, so its nearest class')
  t.ok(third instanceof Error && third.cause instanceof QuotaError, 'the third')
  t.equal(error.cause, third, 'the cause is the last of them')
  const step = await onlyStep(run)
  t.equal(step.status, 'failed')
  t.ok(step.error instanceof StepRetriesExhaustedError)
  t.same(step.attempts.map(({ attempt, error }) => [attempt, look(error)]), error.errors.map((each, index) => [index + 1, look(each)]))
})

t.test('with retries off a step runs once, and asking again for the run gives the same error with no further attempt', async t => {
  const { file, store } = files(t)
  const troupe = await openTroupe(t, { workflows, store })
  const plan: Plan = { trace: file, failures: ['quota', 'plain'] }
  const options = { id: 'once' }
  const run = await troupe.start(attempts, [plan], options)
  const first = look(await rejection(run.result()))
  t.match(first, { class: 'QuotaError', code: 'E_QUOTA' })
  t.same(look(await rejection(run.result())), first)
  t.same(look(await rejection((await troupe.get('once')).result())), first)
  t.same(look(await rejection((await troupe.start(attempts, [plan], options)).result())), first)
  await troupe.close()
  const again = await openTroupe(t, { workflows, store })
  t.same(look(await rejection((await again.start(attempts, [plan], options)).result())), first)
  t.same(readTrace(file), [{ attempt: 1, maxAttempts: 1 }])
})

for (const shouldRetry of ['never', 'never, later'] as const) {
  t.test(`what shouldRetry declines (${shouldRetry}) reaches the workflow as it is, is recorded, and replay does not run the step again`, async t => {
    const { file, seen } = files(t)
    const run = await troupe.start(caughtTwice, [{ trace: file, failures: ['quota'], options: QUICK, shouldRetry }, seen])
    t.match(await run.result(), { caught: true, look: { class: 'QuotaError', code: 'E_QUOTA', isQuota: true } })
    const lives = readTrace(seen)
    t.equal(lives.length, 2, 'it was caught in two lives')
    t.same(lives[0], lives[1])
    t.same(readTrace(file), [{ attempt: 1, maxAttempts: 3 }, { asked: 1 }])
    t.ok((await onlyStep(run)).error instanceof QuotaError)
  })
}

t.test('a fatal error on the last attempt comes out itself, not wrapped', async t => {
  const { file } = files(t)
  const plan: Plan = { trace: file, failures: ['quota', 'strange'], options: { ...QUICK, maxAttempts: 2 }, shouldRetry: 'unless strange' }
  const run = await troupe.start(attempts, [{ ...plan, shouldRetry: 'never' }])
  t.ok(await rejection(run.result()) instanceof QuotaError)
  const last = await troupe.start(attempts, [plan])
  t.match(look(await rejection(last.result())), { name: 'StrangeError', message: 'never seen' })
  const step = await onlyStep(last)
  t.equal(step.attempts.length, 2)
  t.match(look(step.error), { name: 'StrangeError' })
})

for (const [shouldRetry, limit] of [['throws', 99], ['rejects', 98]] as const) {
  t.test(`when shouldRetry ${shouldRetry === 'throws' ? 'throws' : 'rejects'}, that error is the outcome`, async t => {
    const { file } = files(t)
    const run = await troupe.start(attempts, [{ trace: file, failures: ['plain', 'plain'], options: QUICK, shouldRetry }])
    const error = await rejection(run.result())
    t.ok(error instanceof QuotaError && error.limit === limit)
    t.same(readTrace(file), [{ attempt: 1, maxAttempts: 3 }, { asked: 1 }])
    t.match((await onlyStep(run)).attempts, [{ attempt: 1, error: { message: 'plain' } }], 'the attempt keeps its own')
  })
}

t.test('shouldRetry is never called when retries are off', async t => {
  const { file } = files(t)
  const run = await troupe.start(attempts, [{ trace: file, failures: ['plain'], shouldRetry: 'throws' }])
  t.match(await rejection(run.result()), { message: 'plain' })
  t.same(readTrace(file), [{ attempt: 1, maxAttempts: 1 }])
})

t.test('a NonRetryableError ends the retries and is the outcome, whatever the options and shouldRetry', async t => {
  const { file } = files(t)
  const run = await troupe.start(attempts, [{ trace: file, failures: ['plain', 'non-retryable'], options: { ...QUICK, maxAttempts: 9 }, shouldRetry: 'unless strange' }])
  t.match(look(await rejection(run.result())), { class: 'NonRetryableError', message: 'never again' })
  t.same(readTrace(file), [{ attempt: 1, maxAttempts: 9 }, { asked: 1 }, { attempt: 2, maxAttempts: 9 }])
})

t.test('there is no delay after the last attempt', async t => {
  const { file } = files(t)
  // After a second failure the formula says an hour.
  const options = { ...QUICK, maxAttempts: 2, backoffRate: 3_600_000 }
  const run = await troupe.start(attempts, [{ trace: file, failures: ['plain', 'plain'], options }])
  t.ok(await rejection(run.result()) instanceof StepRetriesExhaustedError)
  const step = await onlyStep(run)
  t.same(step.finishedAt, step.attempts[1]!.finishedAt)
  t.equal(step.nextAttemptAt, undefined)
})

/** A step in backoff, with its recorded delay: from the end of the last failed attempt to the due time of the next. */
async function backoffMs(plan: Plan): Promise<number> {
  const run = await troupe.start(attempts, [plan])
  const step = await until('the long backoff is recorded', async () => {
    const [step] = await run.steps()
    return step?.attempts.length === plan.failures.length && step.status === 'retrying' ? step : undefined
  })
  await run.cancel()
  return step.nextAttemptAt!.getTime() - step.attempts.at(-1)!.finishedAt!.getTime()
}

t.test('recorded due times follow the formula from the first delay on, caps and 30 days included', async t => {
  const { file } = files(t)
  const month = 30 * 86_400
  const delays: readonly [expectedSeconds: number, failures: readonly Thrown[], options: NonNullable<Plan['options']>][] = [
    [600, ['plain'], { retriesAllowed: true, intervalSeconds: 600 }],
    [3600, ['plain'], { retriesAllowed: true, intervalSeconds: 90_000 }], // capped from the first one on
    [1800, ['plain', 'plain'], { ...QUICK, backoffRate: 1_800_000 }],
    [3600, ['plain', 'plain'], { ...QUICK, backoffRate: 1e300 }],
    [month, ['plain'], { retriesAllowed: true, intervalSeconds: month, maxIntervalSeconds: 2 * month }],
    [2 * month, ['plain', 'plain'], { ...QUICK, backoffRate: 1e308, maxIntervalSeconds: 2 * month }],
    [7200, ['retry-after'], { retriesAllowed: true, intervalSeconds: 600 }], // RetryAfterError replaces the policy's delay
  ]
  for (const [expectedSeconds, failures, options] of delays) {
    const ms = await backoffMs({ trace: file, failures, options })
    // The due time counts from when the failure is recorded: a little later than it happened, never earlier.
    t.ok(ms >= expectedSeconds * 1000 && ms < expectedSeconds * 1000 + 60_000, `${ms} ms recorded for a delay of ${expectedSeconds} s`)
  }
  t.equal(readTrace(file).length, delays.flatMap(([, failures]) => failures).length, 'no attempt was made early')
})

t.test('jitter only ever shortens a recorded delay', async t => {
  const { file } = files(t)
  for (let trial = 0; trial < 5; trial++) {
    const ms = await backoffMs({ trace: file, failures: ['plain'], options: { retriesAllowed: true, intervalSeconds: 100_000, maxIntervalSeconds: 200_000, jitter: 0.25 } })
    t.ok(ms >= 75_000_000 && ms < 100_060_000, `${ms} ms`)
  }
})

t.test('a RetryAfterError replaces the delay once, and counts as an attempt like others', async t => {
  const { file } = files(t)
  const options = { retriesAllowed: true, intervalSeconds: 3600, maxAttempts: 3 }
  const run = await troupe.start(attempts, [{ trace: file, failures: ['retry-at-once', 'retry-at-once', 'retry-at-once'], options }])
  const error = await rejection(run.result())
  t.ok(error instanceof StepRetriesExhaustedError && error.attempts === 3)
})

for (const thrown of ['null', 'undefined', 'text', 'frozen', 'cyclic'] as const) {
  t.test(`a step may throw ${thrown}: it is kept as it is, live, on replay and at the host`, async t => {
    const { file, seen } = files(t)
    const twice = await troupe.start(caughtTwice, [{ trace: file, failures: [thrown] }, seen])
    await twice.result()
    const lives = readTrace(seen)
    t.equal(lives.length, 2)
    t.same(lives[0], lives[1])
    const error = await rejection((await troupe.start(attempts, [{ trace: file, failures: [thrown] }])).result())
    t.same(JSON.parse(JSON.stringify(look(error))), lives[0])
    const expected = { 'null': null, 'undefined': undefined, 'text': 'text', 'frozen': { message: 'frozen' }, 'cyclic': { message: 'chases its own tail', cause: { message: 'the tail' } } }
    t.match(error, expected[thrown])
    if (thrown === 'cyclic') t.equal(((error as Error).cause as Error).cause, error)
  })

  t.test(`attempts that throw ${thrown} end with it among the errors`, async t => {
    const { file } = files(t)
    const error = await rejection((await troupe.start(attempts, [{ trace: file, failures: [thrown, 'plain', thrown], options: QUICK }])).result())
    if (!(error instanceof StepRetriesExhaustedError)) return t.fail('another error', { error })
    t.equal(error.errors.length, 3)
    t.same(look(error.errors[0]), look(error.errors[2]))
    t.match(error.errors[1], { message: 'plain' })
  })
}

t.test('a registered error class is instanceof itself live, on replay, in an AggregateError, as a cause, and at the host', async t => {
  const { file, seen } = files(t)
  for (const thrown of ['quota', 'aggregate', 'caused', 'strange'] as const) {
    const run = await troupe.start(caughtTwice, [{ trace: file, failures: [thrown] }, seen])
    const { look: last } = await run.result() as { look: object }
    const [live, replayed] = readTrace(seen).slice(-2)
    t.same(live, replayed, `${thrown}: live equals replay`)
    t.same(last, replayed)
    const atHost = await rejection((await troupe.start(attempts, [{ trace: file, failures: [thrown] }])).result())
    t.same(JSON.parse(JSON.stringify(look(atHost))), live, `${thrown}: the host sees what the workflow saw`)
    if (thrown === 'quota') t.ok(atHost instanceof QuotaError && atHost.doubled === 14, 'its methods work')
    if (thrown === 'aggregate') t.ok(atHost instanceof AggregateError && atHost.errors[0] instanceof QuotaError)
    if (thrown === 'caused') t.ok((atHost as Error).cause instanceof QuotaError)
  }
})
