import { join } from 'node:path'
import t from 'tap'
import { InvalidOptionError } from 'troupe'
import { listAll, openTroupe, rejection, storeImage } from '../harness.ts'
import { parentOf, sized, sizedLater, throwing } from '../fixtures/steps/schemas.js'
import { readTrace } from '../fixtures/trace.js'

const troupe = await openTroupe(t, { workflows: new URL('../fixtures/steps/schemas.js', import.meta.url) })

t.test('arguments that a schema takes reach the workflow as the schema gave them back', async t => {
  for (const workflow of [sized, sizedLater, 'sized', 'sizedLater'] as const) {
    const run = await troupe.start(workflow, [{ width: 2 }])
    t.same(await run.result(), { width: 2, unit: 'px' })
    t.same((await run.info()).args, [{ width: 2, unit: 'px' }])
  }
})

t.test('arguments that a schema refuses are refused at start, by function and by name, and nothing is started', async t => {
  const before = await storeImage(troupe)
  const refused: readonly [args: unknown[], option: string, message: RegExp][] = [
    [[{ width: 3 }], 'args', /width is odd/],
    [[{}], 'args[0][width]', /width is missing/],
    [[], 'args[0][width]', /width is missing/],
    [[{ width: 2 }, 'more'], 'args[1]', /one argument is enough/],
  ]
  for (const workflow of [sized, sizedLater, 'sized', 'sizedLater'] as const) {
    for (const [args, option, message] of refused) {
      const error = await rejection(troupe.start(workflow as (...args: unknown[]) => unknown, args, { id: 'never' }))
      if (!(error instanceof InvalidOptionError)) return t.fail('another error', { error })
      t.equal(error.option, option)
      t.match(error.message, message)
      t.match(error.message, /Starting workflow "sized/)
    }
  }
  t.same(await storeImage(troupe), before)
})

t.test('startMany() starts none when the schema refuses the arguments of one', async t => {
  const before = await storeImage(troupe)
  for (const workflow of [sized, sizedLater]) {
    const error = await rejection(troupe.startMany(workflow, [{ args: [{ width: 2 }] }, { args: [{ width: 3 }] }, { args: [{ width: 5 }] }]))
    t.match(error, { code: 'TROUPE_INVALID_OPTION', option: 'args' })
  }
  t.same(await storeImage(troupe), before)
  const runs = await troupe.startMany(sizedLater, [{ args: [{ width: 2 }] }, { args: [{ width: 4, unit: 'em' }] }])
  t.same(await Promise.all(runs.map(run => run.result())), [{ width: 2, unit: 'px' }, { width: 4, unit: 'em' }])
})

t.test('what a schema throws is what the start is refused with', async t => {
  const before = await storeImage(troupe)
  t.match(await rejection(troupe.start(throwing, [1])), { name: 'RangeError', message: 'the schema is broken' })
  t.same(await storeImage(troupe), before)
})

t.test('a start that attaches to a run is not asked for its arguments again', async t => {
  const first = await troupe.start(sized, [{ width: 2 }], { id: 'known' })
  const second = await troupe.start(sized, [{ width: 3 }], { id: 'known' })
  t.equal(second.id, 'known')
  t.same(await second.result(), await first.result())
})

t.test('the arguments of children are checked, too: the parent gets the error, live and on replay', async t => {
  const seen = join(t.testdir({}), 'seen')
  const good = await troupe.start(parentOf, [2, seen])
  t.same(await good.result(), { called: { width: 2, unit: 'px' }, started: { width: 2, unit: 'px' } })
  const bad = await troupe.start(parentOf, [3, seen], { id: 'odd' })
  const refusal = { name: 'InvalidOptionError', code: 'TROUPE_INVALID_OPTION', option: 'args' }
  t.match(await bad.result(), { called: refusal, started: refusal })
  const lives = readTrace(seen)
  t.equal(lives.length, 4)
  t.same(lives[0], lives[1])
  t.same(lives[2], lives[3])
  t.same(await listAll(troupe, { parentId: 'odd' }), [], 'no child was started')
})
