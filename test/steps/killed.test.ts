import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { StepRetriesExhaustedError } from 'troupe'
import { openTroupe, rejection, until } from '../harness.ts'
import { spawnProgram } from '../store/processes.ts'
import type { Child } from '../store/processes.ts'
import { attempts, look } from '../fixtures/steps/attempts.js'
import type { Plan } from '../fixtures/steps/attempts.js'
import type { HostOrder } from '../fixtures/steps/host.js'
import { QuotaError } from '../fixtures/steps/errors.js'
import { readTrace } from '../fixtures/trace.js'

/** What a SIGKILL of the host leaves of a step's attempts. */
const workflows = new URL('../fixtures/steps/attempts.js', import.meta.url)
/** Quick at first, and an hour after the second failure. */
const HOUR_AT_SECOND = { retriesAllowed: true, intervalSeconds: 0.001, backoffRate: 1e9 } as const

function spawnHost(t: Test, order: HostOrder, env: NodeJS.ProcessEnv = {}): Child {
  return spawnProgram(t, new URL('../fixtures/steps/host.js', import.meta.url), [JSON.stringify(order)], env)
}

function attemptsIn(file: string): unknown[] {
  return readTrace(file).map(fact => (fact as { readonly attempt: number }).attempt)
}

t.test('killed during attempt 3 of 4, the step goes on as 3 and 4, and the final error holds all four in order', async t => {
  const folder = t.testdir({})
  const [store, file, gate] = [join(folder, 'store'), join(folder, 'trace'), join(folder, 'gate')]
  const plan: Plan = {
    trace: file, failures: ['quota', 'caused', 'strange', 'plain'], hold: { attempt: 3, gate },
    options: { retriesAllowed: true, maxAttempts: 4, intervalSeconds: 0.001 },
  }
  const host = spawnHost(t, { store, id: 'a', plan, say: 'result' })
  await until('attempt 3 has begun', () => readTrace(file).length === 3)
  await host.kill()
  const troupe = await openTroupe(t, { workflows, store })
  const run = await troupe.get('a')
  await until('attempt 3 has begun again', () => readTrace(file).length === 4)
  const [step] = await run.steps()
  t.match(step, { status: 'running', attempts: [{ attempt: 1 }, { attempt: 2 }, { attempt: 3, error: undefined, finishedAt: undefined }] })
  t.ok(step!.attempts[0]!.error instanceof QuotaError, 'the error of attempt 1 came through with its class')
  writeFileSync(gate, '')
  const error = await rejection(run.result())
  if (!(error instanceof StepRetriesExhaustedError)) return t.fail('another error', { error })
  t.same(attemptsIn(file), [1, 2, 3, 3, 4])
  t.equal(error.attempts, 4)
  t.match(error.errors.map(look), [
    { class: 'QuotaError', code: 'E_QUOTA', cause: { isRange: true } },
    { message: 'outer', cause: { class: 'QuotaError' } },
    { name: 'StrangeError', isType: true },
    { message: 'plain' },
  ])
  t.match(await run.info(), { status: 'failed', crashes: 1, incarnation: 2 }, 'the death of the process is counted as a crash, not as an attempt')
})

async function killedInBackoff(t: Test): Promise<{ readonly store: string, readonly file: string, readonly plan: Plan, readonly due: number }> {
  const folder = t.testdir({})
  const [store, file] = [join(folder, 'store'), join(folder, 'trace')]
  const plan: Plan = { trace: file, failures: ['quota', 'caused'], options: HOUR_AT_SECOND }
  const host = spawnHost(t, { store, id: 'a', plan, say: 'backoff' })
  const { due } = JSON.parse((await host.nextLine())!) as { readonly due: number }
  await host.kill()
  t.same(attemptsIn(file), [1, 2])
  return { store, file, plan, due }
}

t.test('killed during an hour of backoff, the next attempt keeps its due time and nothing is tried at the next open()', async t => {
  const { store, file, due } = await killedInBackoff(t)
  for (let reopened = 1; reopened <= 2; reopened++) {
    // One place on one thread: whatever was woken by opening has had it before the next run gets it.
    const troupe = await openTroupe(t, { workflows, store, threads: 1, actorsPerThread: 1 })
    const run = await troupe.get('a')
    const other = await troupe.start(attempts, [{ trace: join(store, '../other'), failures: [] }])
    t.equal(await other.result(), 1)
    const [step] = await run.steps()
    t.match(step, { status: 'retrying', attempts: [{ attempt: 1 }, { attempt: 2 }] })
    t.equal(step!.attempts.length, 2)
    t.same(step!.nextAttemptAt, new Date(due), `due time after reopening ${reopened} times`)
    t.match(step!.attempts.map(({ error }) => look(error)), [{ class: 'QuotaError', code: 'E_QUOTA' }, { message: 'outer', cause: { class: 'QuotaError' } }])
    t.match(await run.info(), { status: 'waiting', incarnation: 1 }, 'it was not even spawned')
    await troupe.close()
  }
  t.same(attemptsIn(file), [1, 2])
})

t.test('when the due time has passed while no process ran, the attempt happens at once', async t => {
  const { store, file, plan, due } = await killedInBackoff(t)
  const clock = new URL('../fixtures/shifted-clock.js', import.meta.url)
  const host = spawnHost(t, { store, id: 'a', plan, say: 'result' }, {
    NODE_OPTIONS: `${process.env['NODE_OPTIONS'] ?? ''} --import=${clock.href}`, CLOCK_SHIFT_MS: '3600000',
  })
  t.same(JSON.parse((await host.nextLine())!), { result: 3 })
  await host.kill()
  t.same(attemptsIn(file), [1, 2, 3])
  const troupe = await openTroupe(t, { workflows, store })
  const [step] = await (await troupe.get('a')).steps()
  t.ok(step!.attempts[2]!.startedAt.getTime() >= due, 'not before its due time')
  t.match(step, { status: 'succeeded', result: 3, attempts: [{ attempt: 1 }, { attempt: 2 }, { attempt: 3 }] })
})
