/** Whatever code does to its thread: those who share it finish, are never charged, and the host does not notice. */
import t from 'tap'
import { execFileSync } from 'node:child_process'
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { StepCrashedError, StepTimeoutError } from 'troupe'
import type { RunHandle, Troupe } from 'troupe'
import type { Abuse, AbuseFact } from '../fixtures/crash/abuse.ts'
import type { StepOptions } from 'troupe/workflow'
import { openTroupe, recordingLogger, rejection, until } from '../harness.ts'
import type { RecordingLogger } from '../harness.ts'
import { readTrace } from '../fixtures/trace.ts'
import { MEASURES_FROM_OUTSIDE } from '../../lib/supervisor/pulse.ts'
import { ownLoopDelay } from './loop-delay.ts'

const ABUSE = new URL('../fixtures/crash/abuse.js', import.meta.url)
const NEIGHBOURS = 8
const RETRIES = { retriesAllowed: true, maxAttempts: 9, intervalSeconds: 0.01 }
/** What the event loop of the host may compute without a pause, and what it may stand still for. */
const HOST_MS = 200

t.setTimeout(300_000)
// The first one mostly waits.
t.jobs = 2

interface Trial {
  readonly culprits: ReadonlyMap<Abuse, RunHandle<unknown>>
  readonly innocents: ReadonlyMap<Abuse, readonly RunHandle<unknown>[]>
  readonly logger: RecordingLogger
  readonly troupe: Troupe
}

/** One thread for each abuse, with a culprit and eight neighbours; resolves when all neighbours have finished. */
async function abuseAll(t: Test, abuses: readonly Abuse[], optionsOf: (abuse: Abuse) => StepOptions, open: object = {}): Promise<Trial> {
  const folder = t.testdir({})
  const [trace, gate] = [join(folder, 'trace'), join(folder, 'gate')]
  const logger = recordingLogger()
  const troupe = await openTroupe(t, { store: join(folder, 'store'), workflows: ABUSE, threads: abuses.length, actorsPerThread: NEIGHBOURS + 1, logger, ...open })
  const delay = await ownLoopDelay()
  const facts = (what: string): readonly AbuseFact[] => (readTrace(trace) as AbuseFact[]).filter(fact => fact.what === what)
  const culprits = new Map<Abuse, RunHandle<unknown>>()
  const innocents = new Map<Abuse, RunHandle<unknown>[]>()
  for (const abuse of abuses) {
    culprits.set(abuse, await troupe.start('abuser', [trace, abuse, NEIGHBOURS * abuses.length, 1, { ...RETRIES, ...optionsOf(abuse) }, ''], { id: abuse }))
    await until(`${abuse} has a thread`, () => facts('in').some(({ run }) => run === abuse))
  }
  const threadOf = new Map(facts('in').map(({ run, threadId }) => [run, threadId]))
  t.equal(new Set(threadOf.values()).size, abuses.length, 'one culprit a thread')
  // Each goes to the thread with the fewest, and the culprits wait until every place is taken.
  for (let i = 0; i < NEIGHBOURS; i++) {
    for (const abuse of abuses) innocents.set(abuse, [...innocents.get(abuse) ?? [], await troupe.start('innocent', [trace, gate], { id: `${abuse}-${i}` })])
  }
  await until('all culprits have begun', () => new Set(facts('abuse').map(({ run }) => run)).size === abuses.length)
  for (const [abuse, threadId] of threadOf) t.ok(facts('at-work').filter(fact => fact.threadId === threadId).length >= NEIGHBOURS, `${abuse} shares its thread with eight`)
  // Not at once: to make a file may wait for the flushes of others, and the host may not stand still.
  await writeFile(gate, '')
  for (const handles of innocents.values()) for (const handle of handles) t.equal(await handle.result(), 'worked')
  for (const handle of culprits.values()) await handle.result().catch(() => {})
  const { computedMs, stillMs } = await delay()
  t.ok(computedMs < HOST_MS && stillMs < HOST_MS, `the event loop of the host turned all the time (it computed for ${Math.round(computedMs)} ms, and stood still for ${Math.round(stillMs)} ms)`)
  return { culprits, innocents, logger, troupe }
}

async function neverCharged(t: Test, { innocents }: Trial): Promise<void> {
  for (const handles of innocents.values()) {
    for (const handle of handles) {
      t.match(await handle.info(), { status: 'succeeded' })
      t.same((await handle.steps()).map(({ attempts }) => attempts.length), [1, 1], `${handle.id}: no attempt of its was charged`)
    }
  }
}

/** The errors of its attempts but the last, which did no harm. One more than expected is the machine's doing, not more than a few. */
async function failuresOf(t: Test, culprit: RunHandle<unknown>): Promise<readonly Error[]> {
  const act = (await culprit.steps()).find(({ name }) => name === 'act')!
  const attempt = await culprit.result()
  const [last, ...earlier] = [...act.attempts].reverse()
  t.same([last?.attempt, last?.error, act.attempts.length], [attempt, undefined, attempt], `${culprit.id} was tried again, and succeeded`)
  t.ok(earlier.length > 0)
  return earlier.map(({ error }) => error!)
}

/** Ends a native call that waits for a writer of the pipe. Open for reading, too, the pipe takes it well that its reader is ended meanwhile. */
function letGo(pipe: string): void {
  closeSync(openSync(pipe, 'r+'))
}

t.test('a step past its time because of what somebody else does is not charged; code without a bound goes on, as long as it takes, and is named, and so is a native call that does not return', { buffered: true }, async t => {
  const folder = t.testdir({})
  const [trace, gate, pipe] = [join(folder, 'trace'), join(folder, 'gate'), join(folder, 'pipe')]
  execFileSync('sh', ['-c', 'mkfifo "$0"', pipe])
  const logger = recordingLogger()
  const troupe = await openTroupe(t, { store: join(folder, 'store'), workflows: ABUSE, threads: 4, actorsPerThread: 3, logger })
  const computes = await troupe.start('computes', [trace, 8], { id: 'computes' })
  const blocks = await troupe.start('blocks', [trace], { id: 'blocks', timeoutSeconds: 0.3 })
  await until('those two have threads to themselves', () => readTrace(trace).length === 2)
  const lineOf = (event: string, runId: string) => logger.lines.find(({ fields }) => fields['event'] === event && fields['runId'] === runId)
  const hog = await troupe.start('abuser', [trace, 'wait', 2, 1, {}, ''], { id: 'hog' })
  const native = await troupe.start('abuser', [trace, 'native', 2, 1, { timeoutSeconds: 0.2 }, pipe], { id: 'native' })
  const innocents: RunHandle<unknown>[] = []
  for (let i = 0; i < 4; i++) innocents.push(await troupe.start('innocent', [trace, gate, 3], { id: `innocent-${i}` }))
  await until('both have their threads', () => (readTrace(trace) as AbuseFact[]).filter(({ what }) => what === 'abuse').length === 2)
  writeFileSync(gate, '')
  const silent = await until('the hog is alone, and named', () => lineOf('thread-silent', 'hog'))
  t.match(silent, { level: 'info', fields: { step: 'act', attempt: 1 }, message: 'attempt 1 of step "act" of run "hog" does not yield. Nothing bounds it' })
  const stuck = await until('the native call is named', () => lineOf('thread-not-ending', 'native'))
  t.match(stuck, { level: 'warn', fields: { step: 'act' }, message: /attempt 1 of step "act" of run "native" is in native code that does not return/ })
  letGo(pipe)
  await hog.cancel({ graceSeconds: 0 })
  await t.rejects(hog.result(), { code: 'TROUPE_RUN_CANCELLED' })
  for (const innocent of innocents) {
    t.equal(await innocent.result(), 'worked')
    t.same((await innocent.steps()).map(({ attempts }) => attempts.length), [1, 1])
  }
  t.ok(await rejection(native.result()) instanceof StepTimeoutError)
  t.ok(logger.lines.some(({ fields }) => fields['event'] === 'thread-ended-late'))
  t.match(await rejection(blocks.result()), { code: 'TROUPE_RUN_TIMEOUT' }, 'a body that never yields is ended for the time of its run')
  t.equal(await computes.result(), 'computed')
  t.match(await computes.info(), { incarnation: 1, crashes: 0 }, 'it was given to nobody else, however long it did not answer')
  t.equal((readTrace(trace) as AbuseFact[]).filter(({ what }) => what === 'computes').length, 1)
})

t.test('code that never yields is ended after timeoutSeconds and a grace: the attempt has failed, its neighbours finish and are never charged', { buffered: true }, async t => {
  const trial = await abuseAll(t, ['loop', 'regex', 'wait', 'wasm'], () => ({ timeoutSeconds: 0.2 }))
  await neverCharged(t, trial)
  for (const [abuse, culprit] of trial.culprits) {
    for (const error of await failuresOf(t, culprit)) {
      t.ok(error instanceof StepTimeoutError, `${abuse}: ${String(error)}`)
      t.match(error, { stepName: 'act', timeoutSeconds: 0.2, code: 'TROUPE_STEP_TIMEOUT' })
    }
    const { crashes, lastTrouble } = await culprit.info()
    t.equal(crashes, 0, 'a timeout is no crash')
    t.match(lastTrouble?.text, /^attempt \d of step "act" took longer than its timeoutSeconds of 0.2 and did not yield: its thread was ended/)
    const line = trial.logger.lines.find(({ fields }) => fields['event'] === 'thread-ended-by-supervisor' && fields['runId'] === abuse)
    t.match(line, { level: 'warn', fields: { step: 'act', attempt: 1 }, message: `Attempt 1 of step "act" of run "${abuse}" is past its timeoutSeconds of 0.2` })
    t.match(line?.message, '8 other actors go on')
  }
  for (const handles of trial.innocents.values()) for (const handle of handles) t.match(await handle.info(), { crashes: 0, lastTrouble: undefined }, 'nobody crashed')
})

const PROBLEMS = {
  exit: 'its thread exited with code 3',
  rejection: 'its thread had an unhandled rejection: TypeError: handled by nobody',
  timer: 'its thread threw an error that nobody caught: TypeError: caught by nobody',
  heap: 'its thread ran out of memory',
  stack: 'Maximum call stack size exceeded',
  abort: 'process.abort() is not supported in workers',
  'late-loop': 'took longer than its timeoutSeconds of 0.3',
  'deaf-listener': 'took longer than its timeoutSeconds of 0.3',
} as const satisfies Partial<Record<Abuse, string>>

t.test('what ends a thread, or what does not yield and cannot be told whose it is, is charged once it is alone; who shared the thread finishes and is never charged', { buffered: true }, async t => {
  const abuses = Object.keys(PROBLEMS) as (keyof typeof PROBLEMS)[]
  const trial = await abuseAll(t, abuses, abuse => abuse === 'late-loop' || abuse === 'deaf-listener' ? { timeoutSeconds: 0.3 } : {}, { threadHeapMiB: 32 })
  await neverCharged(t, trial)
  for (const abuse of abuses) {
    const expected = abuse === 'stack' ? RangeError : abuse === 'abort' ? TypeError : PROBLEMS[abuse].includes('timeoutSeconds') ? StepTimeoutError : StepCrashedError
    for (const error of await failuresOf(t, trial.culprits.get(abuse)!)) {
      t.ok(error instanceof expected, `${abuse}: ${String(error)}`)
      t.match(error.message, PROBLEMS[abuse])
    }
  }
})

// Not beside another test: where threads cannot be measured from outside, what the process holds counts.
t.test('a thread that holds too much in its heap, whatever fills it and whether it answers or not, is ended, and the process lives on', { buffered: false }, async t => {
  const trial = await abuseAll(t, ['map', 'array', 'plateau'], () => ({}), { threadHeapMiB: 64 })
  await neverCharged(t, trial)
  for (const [abuse, culprit] of trial.culprits) {
    for (const error of await failuresOf(t, culprit)) {
      t.ok(error instanceof StepCrashedError)
      t.match(error.message, /its thread ran out of memory: .*, which is past the threadHeapMiB of 64, and it was ended/, abuse)
    }
  }
})

for (const abuses of [['buffers-at-once'], ['buffers', 'buffers-yielding']] as const) {
  t.test(`a thread that holds too much memory outside its heap, whether it answers or not, is ended, and the process lives on: ${abuses.join(', ')}`, { buffered: false }, async t => {
    const tooMuch = /held about \d+ MiB outside its heap .*, more than the threadBuffersMiB of 128, and was ended/
    const trial = await abuseAll(t, abuses, abuse => abuse === 'buffers-yielding' ? {} : { timeoutSeconds: 4 }, { threadBuffersMiB: 128 })
    await neverCharged(t, trial)
    for (const [abuse, culprit] of trial.culprits) {
      for (const error of await failuresOf(t, culprit)) {
        // What was freed may be kept by the process, and used again without its growing: then only its time ends what does not answer.
        if (abuse !== 'buffers-yielding' && !MEASURES_FROM_OUTSIDE && error instanceof StepTimeoutError) continue
        t.ok(error instanceof StepCrashedError, `${abuse}: ${String(error)}`)
        t.match(error.message, tooMuch)
      }
    }
    const { fields } = trial.logger.lines.find(({ message }) => tooMuch.test(message))!
    if (abuses.length === 1) t.match(fields, { event: 'thread-ended-by-supervisor', runIds: ['buffers-at-once'] }, 'the first time, when nothing has been freed yet, it is noticed')
  })
}

t.test('what a run that is over has left behind in a thread is charged to nobody else when it ends the thread', { buffered: true }, async t => {
  const folder = t.testdir({})
  const [trace, gate, bomb] = [join(folder, 'trace'), join(folder, 'gate'), join(folder, 'bomb')]
  const troupe = await openTroupe(t, { store: join(folder, 'store'), workflows: ABUSE, threads: 1 })
  t.equal(await (await troupe.start('leavesBomb', [trace, bomb])).result(), 'left')
  const innocent = await troupe.start('innocent', [trace, gate])
  const timesAtWork = (): number => (readTrace(trace) as AbuseFact[]).filter(({ what }) => what === 'at-work').length
  await until('the innocent is at work, alone there', () => timesAtWork() === 1)
  writeFileSync(bomb, '')
  await until('it is at work again', () => timesAtWork() === 2)
  writeFileSync(gate, '')
  t.equal(await innocent.result(), 'worked')
  t.match(await innocent.info(), { crashes: 1, lastTrouble: { text: /^its thread exited with code 5, while other runs were on it, too\. Nobody is blamed/ } })
  t.same((await innocent.steps()).map(({ attempts }) => attempts.length), [1, 1])
})
