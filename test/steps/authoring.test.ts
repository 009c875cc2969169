import t from 'tap'
import { InvalidOptionError, OutsideRunError } from 'troupe'
import { currentRun, currentStep, now, random, randomUUID, runStep, sleep, startChild, step, workflow } from 'troupe/workflow'
import type { StepOptions } from 'troupe/workflow'
import { openTroupe, rejection } from '../harness.ts'
import { aliasing, anonymous, failingSync, nested, Report, surroundings, syncStep, written } from '../fixtures/steps/authoring.js'
import { join } from 'node:path'
import { readTrace } from '../fixtures/trace.js'

const troupe = await openTroupe(t, { workflows: new URL('../fixtures/steps/authoring.js', import.meta.url) })

/** The InvalidOptionError that a definition is refused with. */
function refusal(define: () => unknown): InvalidOptionError {
  try {
    define()
  } catch (error) {
    if (error instanceof InvalidOptionError) return error
    throw error
  }
  throw new Error('It was not refused')
}

const decoratorOf = (decorate: unknown) => decorate as (method: () => Promise<void>, context: unknown) => unknown

t.test('decorated methods are steps, static and of instances, and keep their this', async t => {
  const run = await troupe.start(Report.build, ['- '])
  t.same(await run.result(), ['- 1 (3 of 10)', '- 2 (3 of 10)', 'total 6', '- end', 'total'])
  const steps = await run.steps()
  t.same(steps.map(({ name, kind, attempts }) => [name, kind, attempts.length]), [
    ['line', 'step', 3], ['line', 'step', 3], ['total', 'step', 1], ['closing words', 'step', 1],
  ])
})

t.test('a decorated static method is a workflow under its own name or the one it was given', async t => {
  t.equal((await (await troupe.start(Report.build, ['> '])).info()).workflow, 'report')
  const run = await troupe.start(Report.byItsOwnName, [])
  t.equal((await run.info()).workflow, 'byItsOwnName')
  t.equal(await run.result(), 'total')
  t.equal(await (await troupe.start('byItsOwnName', [])).result(), 'total', 'by name, too')
})

t.test('@workflow on a method of an instance is refused with the reason', async t => {
  const error = refusal(() => class { @workflow() async build(): Promise<void> {} })
  t.equal(error.option, '@workflow')
  t.match(error.message, /static.*an instance has no durable identity.*"build"/)
})

t.test('decorators on anything but methods are refused', async t => {
  const method = async (): Promise<void> => {}
  for (const [name, decorate] of [['@step', step({ name: 'x' })], ['@workflow', workflow({ name: 'x' })]] as const) {
    for (const context of ['the second argument of an experimental decorator', undefined, null, ...['class', 'field', 'getter', 'setter', 'accessor'].map(kind => ({ kind, name: 'x', static: true }))]) {
      t.equal(refusal(() => decoratorOf(decorate)(method, context)).option, name)
    }
  }
})

t.test('a bad option of a decorator is refused where the class is defined', async t => {
  t.equal(refusal(() => class { @step({ maxAttempts: 0 }) async line(): Promise<void> {} }).option, 'maxAttempts')
  t.equal(refusal(() => class { @workflow({ maxRespawns: -1 }) static async build(): Promise<void> {} }).option, 'maxRespawns')
})

t.test('sync and async functions, wrapped or in place, are steps alike and give promises', async t => {
  const run = await troupe.start(written, [1])
  t.same(await run.result(), [2, 4, 5])
  t.same((await run.steps()).map(({ index, name }) => [index, name]), [[0, 'syncStep'], [1, 'inPlace'], [2, 'named']])
  t.equal(syncStep.stepName, 'syncStep')
  t.equal(written.workflowName, 'written')
})

t.test('every bad value of a step option is refused at definition, by name', async t => {
  const notNumbers = [NaN, Infinity, -Infinity, '3', null, {}, [], true, 3n]
  const bad: Readonly<Record<keyof StepOptions, readonly unknown[]>> = {
    name: ['', 7, null, {}, 'x'.repeat(513), '\ud800'],
    retriesAllowed: [1, 'true', null, {}],
    maxAttempts: [0, -1, 1.5, ...notNumbers],
    intervalSeconds: [-1, -0.001, 1e300, ...notNumbers],
    backoffRate: [0, 0.999, -1, ...notNumbers],
    maxIntervalSeconds: [-1, 1e300, ...notNumbers],
    jitter: [-0.1, 1.1, ...notNumbers],
    shouldRetry: [true, 'yes', {}, null],
    timeoutSeconds: [0, -1, 1e300, ...notNumbers],
  }
  for (const [option, values] of Object.entries(bad)) {
    for (const value of values) {
      const error = refusal(() => step(function resize() {}, { [option]: value }))
      t.equal(error.option, option)
      t.equal(error.code, 'TROUPE_INVALID_OPTION')
      t.match(error.message, new RegExp(`"${option}" must .+; received `))
    }
  }
})

t.test('an unknown option of step() or workflow() is refused by name, as is what is no object', async t => {
  t.equal(refusal(() => step(function resize() {}, { maxAttemps: 3 } as StepOptions)).option, 'maxAttemps')
  t.match(refusal(() => step(function resize() {}, { retries: 3 } as StepOptions)).message, /maxAttempts/, 'the known ones are listed')
  t.equal(refusal(() => workflow(async function w() {}, { timeout: 3 } as object)).option, 'timeout')
  for (const options of [null, 3, 'retry', [], true]) {
    t.equal(refusal(() => step(function resize() {}, options as unknown as StepOptions)).option, 'step() options')
    t.equal(refusal(() => workflow(async function w() {}, options as unknown as object)).option, 'workflow() options')
  }
})

t.test('every bad value of a workflow option is refused at definition, by name', async t => {
  const bad: Readonly<Record<string, readonly unknown[]>> = {
    name: ['', 7, null],
    maxRespawns: [-1, 1.5, NaN, Infinity, '5'],
    respawnWindowSeconds: [-1, NaN, Infinity, '600'],
    timeoutSeconds: [0, -1, NaN, Infinity, '3'],
    queue: ['', 7, {}],
    isolated: ['yes', 1, null],
    args: [{}, 'string', 7, null, { '~standard': {} }],
  }
  for (const [option, values] of Object.entries(bad)) {
    for (const value of values) t.equal(refusal(() => workflow(async function w() {}, { [option]: value } as object)).option, option)
  }
})

t.test('whole sets of good options are taken', async t => {
  const options: StepOptions = {
    name: 'all', retriesAllowed: true, maxAttempts: 1, intervalSeconds: 0, backoffRate: 1, maxIntervalSeconds: 0, jitter: 1, shouldRetry: () => true, timeoutSeconds: 0.001,
  }
  t.equal(step(() => 1, options).stepName, 'all')
  t.equal(step(function named() {}, { name: undefined } as object).stepName, 'named', 'undefined counts as not given')
})

t.test('an anonymous step without a name is refused', async t => {
  t.equal(refusal(() => step(() => 1)).option, 'name')
  t.equal(refusal(() => workflow(async () => 1)).option, 'name')
  const run = await troupe.start(anonymous, [])
  const refusals = await run.result() as InvalidOptionError[]
  t.ok(refusals.every(error => error instanceof InvalidOptionError), 'in place, it comes as a rejection')
  t.same(refusals.map(({ option }) => option), ['name', 'name', 'fn', 'maxAttempts'])
  t.same(await run.steps(), [], 'nothing was recorded under no name')
})

t.test('currentRun() and currentStep() say what the code that runs belongs to', async t => {
  const started = await troupe.start(surroundings, [], { id: 'around' })
  const { body, inStep, once, after, child } = await started.result()
  const run = { id: 'around', workflow: 'surroundings', incarnation: 1 }
  const at = { index: 0, name: 'look', attempt: 1, maxAttempts: 4, aborted: false }
  t.same(body, { run, step: null })
  t.same(inStep, [{ run, step: at }, { run, step: at }], 'in a step, and after an await in it')
  t.same(once, { index: 1, name: 'once', attempt: 1, maxAttempts: 1, aborted: false }, 'without retries there is one attempt')
  t.same(after, { run, step: null }, 'after the steps')
  t.match(child, { run: { id: 'around/2', workflow: 'child', incarnation: 1 }, step: null })
  t.equal(currentRun(), undefined)
  t.equal(currentStep(), undefined)
})

t.test('outside a run steps and workflows are ordinary calls, and durable operations their ordinary counterparts', async t => {
  t.equal(await syncStep(1), 2)
  t.same(await written(1), [2, 4, 5])
  t.match(await rejection(failingSync()), { name: 'RangeError', message: 'at once' })
  const list: number[] = []
  const push = step(function push(into: number[]) { into.push(1) }, { retriesAllowed: true })
  await push(list)
  t.same(list, [1], 'its arguments are not copied')
  t.equal(await runStep(() => 3, { name: 'three' }), 3)
  t.equal(await Report.total(1, 2), 'total 3')
  t.equal(typeof await now(), 'number')
  t.ok(await random() < 1)
  t.match(await randomUUID(), /^[0-9a-f-]{36}$/)
  t.equal(await sleep(0), undefined)
  for (const seconds of [NaN, Infinity, -1, '1' as never]) t.match(await rejection(sleep(seconds)), { code: 'TROUPE_INVALID_OPTION', option: 'seconds' })
  const error = await rejection(startChild(written, [1]))
  t.ok(error instanceof OutsideRunError)
})

t.test('a step that calls a step makes one checkpoint, and everything inside it is an ordinary call', async t => {
  const file = join(t.testdir({}), 'trace')
  const run = await troupe.start(nested, [file])
  t.same(await run.result(), { value: 10, again: 20, types: ['number', 'number', 'string'], refused: 'TROUPE_OUTSIDE_RUN' })
  t.same(readTrace(file), [{ inner: 1, within: 'outer' }, { inner: 2, within: 'outer' }])
  t.match(await run.steps(), [{ index: 0, name: 'outer', status: 'succeeded' }])
  t.equal((await run.steps()).length, 1)
})

t.test('what a step does to its arguments is not seen by its caller, as it is not seen on replay', async t => {
  t.same(await (await troupe.start(aliasing, [])).result(), { list: [1], length: 2 })
})
