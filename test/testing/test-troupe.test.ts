/** What a user tests workflows with, seen as its user sees it. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { InvalidOptionError, NondeterminismError, Troupe, TroupeClosedError } from 'troupe'
import { checkHistory, StillAtWorkError, TestClock, TestTroupe } from 'troupe/testing'
import type { TestTroupeOptions } from 'troupe/testing'
import { recordingLogger, rejection } from '../harness.ts'

const fixture = (name: string): URL => new URL(`../fixtures/testing/${name}.js`, import.meta.url)
const workflows = fixture('workflows')

async function open(t: Test, options: Partial<TestTroupeOptions> = {}): Promise<TestTroupe> {
  const troupe = await TestTroupe.open({ workflows, logger: recordingLogger(), ...options })
  t.teardown(() => troupe.close())
  return troupe
}

function notes(t: Test): { readonly file: string, readonly folder: string, read(): string[] } {
  const folder = t.testdir({})
  const file = join(folder, 'notes')
  writeFileSync(file, '')
  return { file, folder, read: () => readFileSync(file, 'utf8').split('\n').filter(line => line !== '') }
}

t.test('a year of sleeps passes as the clock is turned, and the workflow sees the times that it fell due at', async t => {
  const troupe = await open(t)
  t.ok(troupe instanceof Troupe)
  const startMs = troupe.clock.now.getTime()
  const run = await troupe.start('subscription', [12])
  const monthMs = 30 * 24 * 3600 * 1000
  await troupe.clock.advance(29 * 24 * 3600)
  t.equal((await run.info()).status, 'waiting')
  t.equal((await run.steps()).length, 1)
  await troupe.clock.advance(340 * 24 * 3600)
  t.same(await run.result(), Array.from({ length: 12 }, (_, i) => startMs + (i + 1) * monthMs))
  t.same((await run.info()).createdAt, new Date(startMs))
  t.equal(troupe.clock.now.getTime() - startMs, 369 * 24 * 3600 * 1000)
})

t.test('nothing falls due before its time, to the millisecond', async t => {
  const troupe = await open(t)
  const run = await troupe.start('approval', [])
  await troupe.clock.advance(48 * 3600 - 0.001)
  t.equal((await run.info()).status, 'waiting')
  await troupe.clock.advance(0.001)
  t.equal((await run.info()).status, 'succeeded')
  t.equal(await run.result(), 'nobody answered')
  const answered = await troupe.start('approval', [])
  await answered.send('yes', { topic: 'answer' })
  await troupe.clock.advance(0)
  t.equal((await answered.info()).status, 'succeeded')
  t.equal(await answered.result(), 'yes')
})

t.test('schedules and the delays of retries follow the clock', async t => {
  const { file, read } = notes(t)
  const troupe = await open(t, { clock: new TestClock({ startsAt: new Date('2031-05-01T12:00:00Z') }) })
  await troupe.setSchedule('report', 'nightly', [file], { cron: '0 3 * * *', timezone: 'UTC' })
  await troupe.clock.advanceTo(new Date('2031-05-03T03:00:00Z'))
  t.same(read(), ['2031-05-02T03:00:00.000Z', '2031-05-03T03:00:00.000Z'])
  await troupe.removeSchedule('report')
  writeFileSync(file, '')
  const run = await troupe.start('patient', [file])
  await troupe.clock.advance(0)
  t.equal(read().length, 1)
  await troupe.clock.advance(3599)
  t.equal(read().length, 1)
  await troupe.clock.advance(1)
  t.equal(read().length, 2)
  await troupe.clock.advance(7200)
  t.match(await rejection(run.result()), { code: 'TROUPE_STEP_RETRIES_EXHAUSTED' })
})

t.test('a clock that is turned while a step never ends gives up, naming the run', async t => {
  const troupe = await open(t, { clock: new TestClock({ patienceSeconds: 0.05 }) })
  const run = await troupe.start('endless', [], { id: 'endless-1' })
  const error = await rejection(troupe.clock.advance(1))
  t.ok(error instanceof StillAtWorkError)
  t.same((error as StillAtWorkError).runIds, [run.id])
  t.match((error as StillAtWorkError).message, 'endless-1')
})

for (const beforeOperation of [0, 1, 2, 'end'] as const) {
  t.test(`a crash before ${beforeOperation === 'end' ? 'the end' : `operation ${beforeOperation}`} happens once, repeats nothing that is recorded, and changes no result`, async t => {
    const { file, read } = notes(t)
    const troupe = await open(t)
    const crash = troupe.crashNow({ run: 'r', beforeOperation })
    const run = await troupe.start('threeSteps', [file], { id: 'r' })
    t.equal(await run.result(), 'one two three')
    await crash
    t.equal((await run.info()).crashes, 1)
    t.equal((await run.info()).incarnation, 2)
    const lines = read()
    const words = ['one', 'two', 'three']
    t.same([...new Set(lines)], words)
    // The step that the crash hit may have run in the life that was lost.
    for (const [index, word] of words.entries()) {
      const times = lines.filter(line => line === word).length
      if (beforeOperation === 'end' || index < beforeOperation) t.equal(times, 1, word)
      else t.ok(times <= 2, word)
    }
  })
}

t.test('a crash of a run that waits is felt as it goes on, and one that never came rejects as the Troupe is closed', async t => {
  const troupe = await open(t)
  const run = await troupe.start('subscription', [2], { id: 's' })
  await troupe.clock.advance(0)
  const crash = troupe.crashNow({ run: 's' })
  await troupe.clock.advance(31 * 24 * 3600)
  await crash
  await troupe.clock.advance(31 * 24 * 3600)
  t.equal((await run.result() as readonly number[]).length, 2)
  t.equal((await run.info()).crashes, 1)
  const never = troupe.crashNow({ run: 'nobody' })
  await troupe.close()
  t.ok(await rejection(never) instanceof TroupeClosedError)
})

t.test('with replayEveryStep a run lives anew after each recorded operation, and its steps run once', async t => {
  const { file, read } = notes(t)
  const troupe = await open(t, { replayEveryStep: true })
  const run = await troupe.start('threeSteps', [file])
  t.equal(await run.result(), 'one two three')
  t.same(read(), ['one', 'two', 'three'])
  const { incarnation, crashes } = await run.info()
  t.equal(incarnation, 4)
  t.equal(crashes, 0)
  writeFileSync(file, '')
  const parallel = await troupe.start('sideBySide', [file])
  await troupe.clock.advance(10)
  t.equal(await parallel.result(), 'abcd')
  t.same(read().sort(), ['a', 'b', 'c', 'd'])
  t.ok((await parallel.info()).incarnation >= 3)
})

t.test('code that goes by what only its thread remembers passes without replayEveryStep, and diverges with it', async t => {
  const { file } = notes(t)
  const plain = await open(t, { threads: 1 })
  t.equal(await (await plain.start('forgetful', [file])).result(), 1)
  const replaying = await open(t, { threads: 1, replayEveryStep: true })
  const error = await rejection((await replaying.start('forgetful', [file])).result())
  t.ok(error instanceof NondeterminismError, String(error))
})

t.test('a folder carries runs from one TestTroupe to the next, and time with the clock that is passed on', async t => {
  const { file, folder, read } = notes(t)
  const store = join(folder, 'store')
  const first = await open(t, { store })
  await first.start('trip', [file], { id: 'trip-1' })
  await first.clock.advance(3600)
  await first.close()
  const second = await open(t, { store, clock: first.clock })
  await second.clock.advance(3599)
  t.same(read(), ['booked', 'left'])
  await second.clock.advance(1)
  t.equal(await (await second.get('trip-1')).result(), 'arrived')
})

t.test('histories that the code can carry on are found fit, others are named, and nothing is done or changed', async t => {
  const { file, folder, read } = notes(t)
  const store = join(folder, 'store')
  const troupe = await open(t, { store })
  await troupe.start('trip', [file], { id: 'early' })
  await troupe.clock.advance(3600)
  await troupe.start('trip', [file], { id: 'late' })
  await troupe.start('approval', [], { id: 'asked' })
  await troupe.clock.advance(0)
  t.same(await troupe.checkHistory(), { checked: 3, findings: [] })
  await troupe.close()
  const before = read()

  t.same(await checkHistory(store, { workflows }), { checked: 3, findings: [] })
  const longer = await checkHistory(store, { workflows: fixture('longer') })
  t.equal(longer.checked, 3)
  // Under this code the early run would end without the sleep that it is in.
  t.same(longer.findings.map(({ runId, workflow }) => [runId, workflow]), [['early', 'trip'], ['asked', 'approval']])
  t.match(longer.findings[0]!.problem, /index 3: recorded was sleep, called was nothing/)
  t.match(longer.findings[1]!.problem, /no module defines workflow "approval"/)
  const changed = await checkHistory(store, { workflows: fixture('changed') })
  t.same(changed.findings.filter(({ error }) => error !== undefined).map(({ runId, error }) => [runId, error!.index, error!.recorded, error!.called]),
    [['early', 1, 'sleep', 'step "noted"'], ['late', 1, 'sleep', 'step "noted"']])
  t.same(read(), before, 'no step ran')

  const again = await open(t, { store, clock: troupe.clock })
  await again.clock.advance(7200)
  t.equal(await (await again.get('late')).result(), 'arrived')
  t.same(await again.checkHistory({ runs: 'all' }), { checked: 3, findings: [] })
  const { findings } = await again.checkHistory({ runs: 'all', workflows: [fixture('longer')] })
  t.same(findings.map(({ runId }) => runId), ['early', 'late', 'asked'])
})

t.test('options that make no sense are refused by name', async t => {
  const refused = async (promise: Promise<unknown>): Promise<string> => {
    const error = await rejection(promise)
    t.ok(error instanceof InvalidOptionError, String(error))
    return (error as InvalidOptionError).option
  }
  const troupe = await open(t)
  t.equal(await refused(TestTroupe.open({ workflows, clock: {} as never })), 'clock')
  t.equal(await refused(TestTroupe.open({ workflows, replayEveryStep: 1 as never })), 'replayEveryStep')
  t.equal(await refused(TestTroupe.open({ workflows, nothing: 1 } as never)), 'nothing')
  t.equal(await refused(troupe.clock.advance(-1)), 'seconds')
  t.equal(await refused(troupe.crashNow({ run: '' })), 'run')
  t.equal(await refused(troupe.crashNow({ run: 'r', beforeOperation: -1 })), 'beforeOperation')
  t.equal(await refused(troupe.checkHistory({ runs: 'some' as never })), 'runs')
  t.throws(() => new TestClock({ startsAt: new Date(NaN) }), InvalidOptionError)
})
