import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { TroupeClosedError } from 'troupe'
import type { Troupe } from 'troupe'
import { openTroupe, rejection, until } from '../harness.ts'
import { doubled, held, sleeper } from '../fixtures/host/plain.js'
import { readTrace } from '../fixtures/trace.js'

const workflows = new URL('../fixtures/host/plain.js', import.meta.url)

interface Place {
  readonly store: string
  readonly gate: string
  readonly file: string
}

function place(t: Test): Place {
  const folder = t.testdir({})
  return { store: join(folder, 'store'), gate: join(folder, 'gate'), file: join(folder, 'trace') }
}

async function startHeld(troupe: Troupe, { gate, file }: Place) {
  const run = await troupe.start(held, [gate, file], { id: 'held' })
  await until('the step waits at the gate', () => readTrace(file).length > 0)
  return run
}

t.test('close() waits for the run that holds a thread, and its outcome is there at the next open()', async t => {
  const at = place(t)
  const troupe = await openTroupe(t, { workflows, store: at.store })
  await startHeld(troupe, at)
  const closing = troupe.close()
  writeFileSync(at.gate, '')
  await closing
  t.same(readTrace(at.file), [{ entered: 1 }, 'after'])
  const again = await openTroupe(t, { workflows, store: at.store })
  const run = await again.get('held')
  t.match(await run.info(), { status: 'succeeded', result: 'through', crashes: 0, incarnation: 1 })
  t.equal(await run.result(), 'through')
})

t.test('close() gives up waiting after timeoutSeconds, and the next open() goes on from the last checkpoint', async t => {
  const at = place(t)
  const troupe = await openTroupe(t, { workflows, store: at.store })
  await startHeld(troupe, at)
  await troupe.close({ mode: 'drain', timeoutSeconds: 0.05 })
  const again = await openTroupe(t, { workflows, store: at.store })
  writeFileSync(at.gate, '')
  const run = await again.get('held')
  t.equal(await run.result(), 'through')
  t.same(readTrace(at.file), [{ entered: 1 }, { entered: 1 }, 'after'], 'the interrupted attempt was no failed one: its number is the same')
  t.match(await run.info(), { crashes: 0, incarnation: 2 })
})

t.test('close({ mode: abandon }) stops at once what runs, and the next open() goes on', async t => {
  const at = place(t)
  const troupe = await openTroupe(t, { workflows, store: at.store })
  await startHeld(troupe, at)
  await troupe.close({ mode: 'abandon' })
  writeFileSync(at.gate, '')
  const again = await openTroupe(t, { workflows, store: at.store })
  t.equal(await (await again.get('held')).result(), 'through')
  t.same(readTrace(at.file), [{ entered: 1 }, { entered: 1 }, 'after'])
})

t.test('a result() that waits at close() rejects with TroupeClosedError, and every later call does', async t => {
  const at = place(t)
  const troupe = await openTroupe(t, { workflows, store: at.store })
  const run = await startHeld(troupe, at)
  const waiting = rejection(run.result())
  const bounded = rejection(run.result({ timeoutSeconds: 3600 }))
  await troupe.close({ mode: 'abandon' })
  t.ok(await waiting instanceof TroupeClosedError)
  t.ok(await bounded instanceof TroupeClosedError)
  const calls: Readonly<Record<string, () => Promise<unknown>>> = {
    'start': () => troupe.start(doubled, [1]),
    'startMany': () => troupe.startMany(doubled, [{ args: [1] }]),
    'get': () => troupe.get('held'),
    'list': () => troupe.list().next(),
    'count': () => troupe.count(),
    'stats': () => troupe.stats(),
    'result': () => run.result(),
    'info': () => run.info(),
    'steps': () => run.steps(),
    'cancel': () => run.cancel(),
    'resume': () => run.resume(),
  }
  for (const [name, call] of Object.entries(calls)) {
    const error = await rejection(call())
    t.ok(error instanceof TroupeClosedError && error.code === 'TROUPE_CLOSED', name)
  }
})

t.test('closing twice, at once or later, is closing once', async t => {
  const troupe = await openTroupe(t, { workflows })
  await Promise.all([troupe.close(), troupe.close({ mode: 'abandon' })])
  await troupe.close()
})

t.test('await using closes at the end of the block', async t => {
  const at = place(t)
  let kept: Troupe
  {
    await using troupe = await openTroupe(t, { workflows, store: at.store })
    kept = troupe
    t.equal(await (await troupe.start(doubled, [4])).result(), 8)
  }
  t.ok(await rejection(kept.count()) instanceof TroupeClosedError)
  await using again = await openTroupe(t, { workflows, store: at.store })
  t.equal(await again.count(), 1, 'the folder is free again')
})

t.test('runs that merely sleep do not stop a shutdown', async t => {
  const troupe = await openTroupe(t, { workflows })
  const run = await troupe.start(sleeper, [])
  await until('it sleeps', async () => (await run.info()).status === 'waiting')
  await troupe.close({ mode: 'drain', timeoutSeconds: 86_400 })
})

t.test('the grace of a cancel does not hold up close()', async t => {
  const troupe = await openTroupe(t, { workflows })
  const run = await troupe.start(sleeper, [])
  await until('it sleeps', async () => (await run.info()).status === 'waiting')
  await run.cancel({ graceSeconds: 86_400 })
  t.match(await rejection(run.result()), { code: 'TROUPE_RUN_CANCELLED' })
  await troupe.close()
})
