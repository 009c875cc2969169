import { join } from 'node:path'
import t from 'tap'
import { UnserializableValueError } from 'troupe'
import { openTroupe, rejection } from '../harness.ts'
import { anyChild, digestOf, isSame, journey, large, REFUSED, refusedChildArgument, refusedOutcome, refusedResult, refusedStepArgument, SAMPLES, sharing } from '../fixtures/steps/values.js'
import type { Refused, Sample } from '../fixtures/steps/values.js'
import { readTrace } from '../fixtures/trace.js'

const troupe = await openTroupe(t, { workflows: new URL('../fixtures/steps/values.js', import.meta.url) })

for (const sample of Object.keys(SAMPLES) as Sample[]) {
  t.test(`${sample}: the same at the host, as an argument, as a step's result, live and on replay`, async t => {
    const seen = join(t.testdir({}), 'seen')
    const run = await troupe.start(journey, [sample, SAMPLES[sample](), seen])
    const { value, result } = await run.result()
    t.same(readTrace(seen), [{ life: 1, asArgument: true, asResult: true }, { life: 2, asArgument: true, asResult: true }])
    t.ok(isSame(sample, value), 'the argument that was given back')
    t.ok(isSame(sample, result), 'the result of the step that was given on')
    const info = await run.info()
    t.ok(isSame(sample, info.args[1]), 'info().args')
    t.ok(isSame(sample, (info.result as { readonly result: unknown }).result), 'info().result')
    t.ok(isSame(sample, (await run.steps())[0]!.result), 'steps()[0].result')
  })
}

t.test('views of one buffer are views of one buffer again', async t => {
  t.same(await (await troupe.start(sharing, [])).result(), { oneBuffer: true, offsets: [0, 4, 2] })
})

for (const name of Object.keys(REFUSED) as Refused[]) {
  const { make, path } = REFUSED[name]
  t.test(`${name}: refused on the first run, with the path, wherever it arises`, async t => {
    const seen = join(t.testdir({}), 'seen')
    const isRefusal = (error: unknown, root: string, what: RegExp): void => {
      if (!(error instanceof UnserializableValueError)) throw error
      t.equal(error.path, `${root}${path}`)
      t.equal(error.code, 'TROUPE_UNSERIALIZABLE_VALUE')
      t.match(error.message, what)
    }
    const run = await troupe.start(refusedResult, [name, seen])
    isRefusal(await rejection(run.result()), 'result', /^The result of step "make" of workflow "refusedResult"/)
    t.same(readTrace(seen), ['ran', { life: 1, path: `result${path}` }, { life: 2, path: `result${path}` }], 'one attempt, and the same error on replay')
    isRefusal((await run.steps())[0]!.error, 'result', /^The result of step "make"/)
    isRefusal(await rejection((await troupe.start(refusedOutcome, [name])).result()), 'result', /^The result of workflow "refusedOutcome"/)
    isRefusal(await rejection((await troupe.start(refusedStepArgument, [name])).result()), 'args[0]', /^The arguments of step "takeAny" of workflow "refusedStepArgument"/)
    isRefusal(await rejection((await troupe.start(refusedChildArgument, [name])).result()), 'args[0]', /^The arguments of child workflow "anyChild"/)
    const before = await troupe.count()
    isRefusal(await rejection(troupe.start(anyChild, [make()])), 'args[0]', /^The arguments of workflow "anyChild"/)
    isRefusal(await rejection(troupe.startMany(anyChild, [{ args: ['fine'] }, { args: [make()] }])), 'args[0]', /^The arguments of workflow "anyChild"/)
    t.equal(await troupe.count(), before, 'nothing was started')
  })
}

t.test('100 MB go through as an argument, as the result of a step, and as the result of a run', async t => {
  const bytes = Buffer.alloc(100 * 2 ** 20)
  for (let at = 0; at < bytes.length; at += 4096) bytes.writeUInt32LE(at, at)
  const { digest, turned } = await (await troupe.start(large, [bytes])).result()
  t.equal(digest, digestOf(bytes))
  t.equal(turned.length, bytes.length)
  t.equal(digestOf(turned.map(byte => 255 - byte)), digest)
})
