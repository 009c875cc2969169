import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { InvalidOptionError, OutsideRunError } from 'troupe'
import { listAll, openTroupe, rejection, storeImage, until } from '../harness.ts'
import { badCalls, insideStep, outsideRuns } from '../fixtures/operations/bad-calls.js'
import type { Op } from '../fixtures/operations/script.ts'
import { SCRIPT } from './troupes.ts'

t.setTimeout(110_000)

const troupe = await openTroupe(t, { workflows: [SCRIPT, new URL('../fixtures/operations/bad-calls.js', import.meta.url)] })

// Something of everything to leave unchanged.
const done = await troupe.start<Op[], unknown>('script', [{ do: 'write', key: 'log', value: 1 }], { id: 'done' })
await done.result()
const waiting = await troupe.start<Op[], unknown>('script', [{ do: 'set', key: 'key', value: 1 }, { do: 'receive' }], { id: 'waiting' })
await until('it waits', async () => (await waiting.info()).status === 'waiting')

const NO_NAMES = ['', 7, null, {}, 'x'.repeat(513), 'ü'.repeat(257), '\udc00']
const NO_SECONDS = [-1, NaN, Infinity, -Infinity, '1', null, {}, 1e300]

function refusal(t: Test, option: string, error: unknown): void {
  if (!(error instanceof InvalidOptionError)) return void t.fail(`another answer where option ${option} was expected`, { error })
  t.equal(error.option, option, error.message)
  t.equal(error.code, 'TROUPE_INVALID_OPTION')
  t.match(error.message, / must .+; received /)
}

/** Each is refused by name, and the store stays as it was. */
async function refuses(t: Test, owner: string, call: (options: never) => Promise<unknown>, rows: Readonly<Record<string, readonly unknown[]>>, good: object = {}): Promise<void> {
  const before = await storeImage(troupe)
  for (const [option, values] of Object.entries(rows)) {
    for (const value of values) refusal(t, option, await rejection(call({ ...good, [option]: value } as never)))
  }
  for (const options of [null, 'text', 7, []]) refusal(t, `${owner} options`, await rejection(call(options as never)))
  t.same(await storeImage(troupe), before, 'the store is unchanged')
}

t.test('every bad option of send(), getEvent() and readStream() of a handle is refused by name', async t => {
  await refuses(t, 'send()', options => waiting.send('message', options), { topic: NO_NAMES, idempotencyKey: NO_NAMES, key: ['k'] })
  await refuses(t, 'getEvent()', options => waiting.getEvent('key', options), { timeoutSeconds: NO_SECONDS, timeout: [1] })
  await refuses(t, 'readStream()', options => done.readStream('log', options).next(),
    { from: [-1, 1.5, NaN, Infinity, '1', null], signal: [{}, null, 'abort', new AbortController()], until: [1] })
  for (const key of [...NO_NAMES, undefined]) {
    refusal(t, 'key', await rejection(waiting.getEvent(key as string)))
    refusal(t, 'key', await rejection(done.readStream(key as string).next()))
  }
  t.match(await waiting.info(), { status: 'waiting', waitsFor: 'a message' })
})

t.test('every bad option of fork() is refused by name, and nothing is started', async t => {
  await refuses(t, 'fork()', options => done.fork(options), { id: NO_NAMES, at: [1] }, { beforeStep: 0 })
  await refuses(t, 'fork()', options => done.fork(options), { beforeStep: [undefined, -1, 1.5, NaN, Infinity, '1', null, {}] })
  refusal(t, 'beforeStep', await rejection(done.fork(undefined as never)))
  t.equal((await listAll(troupe)).length, 2)
})

t.test('every bad option of prune() and backup() is refused by name, and nothing is deleted or made', async t => {
  const finishedBefore = new Date(Date.now() + 86_400_000)
  await refuses(t, 'prune()', options => troupe.prune(options),
    { status: ['failed', null, ['running'], ['waiting', 'failed'], ['done'], [7], {}], before: [1] }, { finishedBefore })
  await refuses(t, 'prune()', options => troupe.prune(options), { finishedBefore: [undefined, null, 0, Date.now(), '2026-01-01', new Date(NaN), {}] })
  refusal(t, 'finishedBefore', await rejection(troupe.prune(undefined as never)))
  const folder = t.testdir({})
  const before = await storeImage(troupe)
  for (const target of [undefined, null, '', 7, {}, `${folder}/a\0b`]) refusal(t, 'folder', await rejection(troupe.backup(target as string)))
  t.notOk(existsSync(join(folder, 'a')))
  t.same(await storeImage(troupe), before)
})

t.test('every bad option of an operation of a workflow is refused by name, and takes no place in the journal', async t => {
  const run = await troupe.start(badCalls, [])
  await run.send('end')
  const [refused, message] = await run.result()
  t.equal(message, 'end', 'nothing but this was received')
  t.ok(refused.length > 80)
  for (const { expected, error } of refused) refusal(t, expected, error)
  t.match(await run.steps(), [{ index: 0, kind: 'receive' }])
  t.equal((await run.steps()).length, 1)
  t.equal(await run.getEvent('key'), undefined)
})

t.test('where nothing can be recorded, inside a step and outside runs, the operations are OutsideRunError that names them', async t => {
  const before = await storeImage(troupe)
  const outside = await outsideRuns('waiting')
  t.same(await storeImage(troupe), before)
  const inside = await (await troupe.start(insideStep, [])).result()
  for (const refused of [outside, inside]) {
    t.equal(refused.length, 7)
    for (const [operation, error] of refused) {
      t.ok(error instanceof OutsideRunError && error.operation === operation && error.code === 'TROUPE_OUTSIDE_RUN', `${operation}: ${String(error)}`)
    }
  }
})
