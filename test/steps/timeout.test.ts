import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { StepRetriesExhaustedError, StepTimeoutError } from 'troupe'
import type { StepInfo } from 'troupe'
import { openTroupe, recordingLogger, rejection, until } from '../harness.ts'
import { hanging } from '../fixtures/steps/hanging.js'
import type { Hang } from '../fixtures/steps/hanging.js'
import { readTrace } from '../fixtures/trace.js'

const logger = recordingLogger()
const troupe = await openTroupe(t, { workflows: new URL('../fixtures/steps/hanging.js', import.meta.url), logger })

function place(t: Test): { readonly trace: string, readonly gate: string, readonly said: string } {
  const folder = t.testdir({})
  return { trace: join(folder, 'trace'), gate: join(folder, 'gate'), said: join(folder, 'said') }
}

/** Runs it to its end, opening the gate for late words once the step has its outcome. */
async function runHang(t: Test, hang: Omit<Hang, 'trace' | 'gate'>) {
  const { trace, gate, said } = place(t)
  const run = await troupe.start(hanging, [{ ...hang, trace, gate }, said])
  const before = await until('the step has its outcome', async () => {
    const [step] = await run.steps()
    return step?.finishedAt !== undefined && step
  })
  writeFileSync(gate, '')
  await until('every late word was said', () => readTrace(trace).filter(fact => 'late' in (fact as object)).length === hang.hangs)
  writeFileSync(said, '')
  const outcome = await run.result()
  const [after] = await run.steps()
  return { outcome, before, after: after!, facts: readTrace(trace), info: await run.info() }
}

const timedOut = (attempt: number, timeoutSeconds: number) => ({ aborted: attempt, isTimeout: true, code: 'TROUPE_STEP_TIMEOUT', name: 'StepTimeoutError', stepName: 'hanging', timeoutSeconds })

function unchanged(t: Test, before: StepInfo, after: StepInfo): void {
  t.same(JSON.parse(JSON.stringify(after)), JSON.parse(JSON.stringify(before)), 'the late word changed nothing')
}

for (const late of ['returns', 'rejects'] as const) {
  t.test(`an attempt that hangs is aborted once with a StepTimeoutError, and it changes nothing when it ${late} late`, async t => {
    const { outcome, before, after, facts, info } = await runHang(t, { hangs: 1, late, timeoutSeconds: 0.1 })
    const { error } = outcome as { readonly error: unknown }
    if (!(error instanceof StepTimeoutError)) return t.fail('another outcome', { outcome })
    t.match(error, { code: 'TROUPE_STEP_TIMEOUT', stepName: 'hanging', timeoutSeconds: 0.1 })
    t.same(facts, [{ attempt: 1, abortedAtStart: false }, timedOut(1, 0.1), { late: 1 }])
    t.match(after, { status: 'failed', attempts: [{ attempt: 1 }] })
    t.ok(after.error instanceof StepTimeoutError)
    unchanged(t, before, after)
    t.match(info, { status: 'succeeded', incarnation: 1, crashes: 0 }, 'its thread lived on: no rejection was left unhandled')
  })

  t.test(`each attempt has its own signal and its own outcome, and earlier ones that ${late === 'returns' ? 'return' : 'reject'} late change nothing`, async t => {
    const { outcome, before, after, facts, info } = await runHang(t, { hangs: 2, late, timeoutSeconds: 0.5, maxAttempts: 3 })
    t.same(outcome, { value: { attempt: 3, aborted: false } })
    t.same(facts.filter(fact => !('late' in (fact as object))), [
      { attempt: 1, abortedAtStart: false }, timedOut(1, 0.5),
      { attempt: 2, abortedAtStart: false }, timedOut(2, 0.5),
      { attempt: 3, abortedAtStart: false },
    ])
    t.match(after, { status: 'succeeded', attempts: [{ attempt: 1 }, { attempt: 2 }, { attempt: 3, error: undefined }] })
    t.ok(after.attempts.slice(0, 2).every(({ error }) => error instanceof StepTimeoutError))
    unchanged(t, before, after)
    t.match(info, { incarnation: 1, crashes: 0 })
  })
}

t.test('the next attempt has a fresh budget, and the backoff is not charged to it', async t => {
  // Backoff and first attempt alone take more than one budget.
  const { outcome, after } = await runHang(t, { hangs: 1, late: 'returns', timeoutSeconds: 1, maxAttempts: 2, intervalSeconds: 1.1 })
  t.same(outcome, { value: { attempt: 2, aborted: false } })
  const [first, second] = after.attempts
  t.ok(first!.finishedAt!.getTime() - first!.startedAt.getTime() >= 1000, 'the first had all of its budget')
  t.ok(second!.startedAt.getTime() - first!.finishedAt!.getTime() >= 1100, 'the backoff began when it was over')
})

t.test('attempts that all time out end with every timeout in order', async t => {
  const { outcome } = await runHang(t, { hangs: 2, late: 'rejects', timeoutSeconds: 0.05, maxAttempts: 2 })
  const { error } = outcome as { readonly error: unknown }
  t.ok(error instanceof StepRetriesExhaustedError)
  t.match((error as StepRetriesExhaustedError).errors, [{ code: 'TROUPE_STEP_TIMEOUT' }, { code: 'TROUPE_STEP_TIMEOUT' }])
})

t.test('a cancel aborts the signal once, with the error of the run', async t => {
  const { trace, gate, said } = place(t)
  const run = await troupe.start(hanging, [{ trace, gate, hangs: 1, late: 'returns', timeoutSeconds: 3600 }, said])
  await until('the attempt has begun', () => readTrace(trace).length === 1)
  await run.cancel({ graceSeconds: 3600 })
  await until('the signal was aborted', () => readTrace(trace).length === 2)
  writeFileSync(gate, '')
  t.match(await rejection(run.result()), { code: 'TROUPE_RUN_CANCELLED' })
  await until('the step came to its end', () => readTrace(trace).length === 3)
  t.match(readTrace(trace), [{ attempt: 1, abortedAtStart: false }, { aborted: 1, isTimeout: false, code: 'TROUPE_RUN_CANCELLED' }, { late: 1 }])
})

t.test('nothing of all this ended a thread or was worth a warning', async t => {
  t.same(logger.lines.filter(({ level }) => level === 'warn' || level === 'error'), [])
})
