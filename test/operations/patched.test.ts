/** Two modules over one store: runs recorded by the one go on under the other. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { NondeterminismError } from 'troupe'
import type { RunHandle, Troupe } from 'troupe'
import { openTroupe, rejection, until } from '../harness.ts'
import { untilWaits } from './troupes.ts'

const BEFORE = new URL('../fixtures/operations/change-before.js', import.meta.url)
const AFTER = new URL('../fixtures/operations/change-after.js', import.meta.url)

t.setTimeout(110_000)

interface Change {
  readonly troupe: Troupe
  readonly folder: string
  /** The same run, under the changed code. */
  after(): Promise<Troupe>
}

async function change(t: Test): Promise<Change> {
  const folder = t.testdir({})
  const store = join(folder, 'store')
  const troupe = await openTroupe(t, { workflows: BEFORE, store, threads: 1 })
  return {
    troupe, folder,
    after: async () => {
      await troupe.close({ mode: 'abandon' })
      return openTroupe(t, { workflows: AFTER, store, threads: 1 })
    },
  }
}

async function finish(run: RunHandle<unknown>): Promise<unknown> {
  await run.send('end', { topic: 'end' })
  return run.result()
}

t.test('patched() is false where a run was recorded before the change, and true where it had not been yet', async t => {
  const { troupe, after } = await change(t)
  const early = await troupe.start('line', [], { id: 'early' })
  await untilWaits(early, /^a message$/)
  const late = await troupe.start('line', [], { id: 'late' })
  await late.send('go on')
  await untilWaits(late, /topic "end"/)

  const changed = await after()
  await (await changed.get('early')).send('go on')
  t.same(await finish(await changed.get('early')), ['alpha', 'new omega', { fore: false, changed: true }])
  t.same(await finish(await changed.get('late')), ['alpha', 'omega', { fore: false, changed: false }])
})

t.test('patched() is true for new runs, in all of their lives', async t => {
  const { folder, after } = await change(t)
  const changed = await after()
  const run = await changed.start('line', [join(folder, 'died')], { id: 'new' })
  await run.send('go on')
  t.same(await finish(run), ['fore', 'alpha', 'new omega', { fore: true, changed: true }])
  t.match(await run.info(), { crashes: 1, incarnation: 2 })
  t.match((await run.steps()).filter(({ kind }) => kind === 'patch').map(({ name, status }) => `${name} ${status}`), ['fore succeeded', 'omega succeeded'])
})

t.test('in a loop, rounds that were done before are false, and those after are true, on replay too', async t => {
  const { troupe, after } = await change(t)
  const run = await troupe.start('loop', [], { id: 'run' })
  await run.send('go on')
  await until('the second round is done', async () => (await run.steps()).length === 4)
  await untilWaits(run, /message/)
  const changed = await after()
  const again = await changed.get('run')
  await again.send('go on')
  await again.send('go on')
  await again.send('go on')
  t.same(await again.result(), ['round 0', 'round 1', 'round 2 new', 'round 3 new'])
})

t.test('concurrent branches ask each for itself: old ones go on as they were, new ones take the change, on replay too', async t => {
  const { troupe, folder, after } = await change(t)
  const run = await troupe.start('branches', [join(folder, 'old died')], { id: 'old' })
  await untilWaits(run, /topic "a".*topic "b".*topic "c"/)
  await run.send('go on', { topic: 'b' })
  await untilWaits(run, /^a message on topic "a", a message on topic "c"$/)
  await until('branch b is done', async () => (await run.steps()).some(({ name, status }) => name === 'b 2' && status === 'succeeded'))
  const changed = await after()
  const old = await changed.get('old')
  const fresh = await changed.start('branches', [join(folder, 'new died')])
  for (const topic of ['c', 'a']) await old.send('go on', { topic })
  for (const topic of ['b', 'c', 'a']) await fresh.send('go on', { topic })
  t.same(await old.result(), [['a 1', 'a 2', true], ['b 1', 'b 2', false], ['c 1', 'c 2', true]])
  t.same(await fresh.result(), ['a', 'b', 'c'].map(name => [`${name} 1`, `${name} 2`, true]))
  for (const each of [old, fresh]) t.ok((await each.info()).crashes > 0, 'it was replayed')
})

t.test('a mismatch names the version of the module that the run was started with, and the one that is there now', async t => {
  const { troupe, after } = await change(t)
  const run = await troupe.start('broken', [], { id: 'run' })
  await untilWaits(run, /message/)
  const changed = await after()
  const again = await changed.get('run')
  await again.send('go on')
  const error = await rejection(again.result())
  t.ok(error instanceof NondeterminismError)
  t.match(error, { index: 0, recorded: 'step "alpha"', called: 'step "beta"', runId: 'run' })
  // What a fork has of its origin was recorded by the origin's module; with nothing of it, it is a run of the module that is there.
  const [fork, anew] = [await again.fork({ beforeStep: 1 }), await again.fork({ beforeStep: 0 })]
  const ofFork = await rejection(fork.result())
  t.ok(ofFork instanceof NondeterminismError)
  const withoutId = (text: string): string => text.replace(/ "[^"]*"/, '')
  t.equal(withoutId((ofFork as Error).message), withoutId((error as Error).message))
  await anew.send('go on')
  t.equal(await anew.result(), 'omega')
  const { message } = error as Error
  const [, was, is] = /started by version (\w+) of its workflow's module, and that is now version (\w+)\./.exec(message) ?? []
  for (const [module, version] of [[BEFORE, was], [AFTER, is]] as const) {
    t.ok(version !== undefined && createHash('sha256').update(readFileSync(module)).digest('hex').startsWith(version), message)
  }
})
