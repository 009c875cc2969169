/** Code that changed under its runs: noticed, named, and taken back. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { NondeterminismError } from 'troupe'
import type { Troupe } from 'troupe'
import { openTroupe, recordingLogger, rejection, storeFolder, storeImage, until } from '../harness.ts'
import { inlineLink } from '../harness-inline.ts'
import { Troupe as Host } from 'troupe'
import { ManualClock } from '../manual-clock.ts'

const first = new URL('../fixtures/replay/first.js', import.meta.url)
const changed = new URL('../fixtures/replay/changed.js', import.meta.url)

async function openAt(t: Test, store: string, workflows: URL, clock: ManualClock): Promise<Troupe> {
  const troupe = await Host.openOver({ store, workflows, threads: 1, durability: 'process-crash', logger: recordingLogger() }, inlineLink({ clock }))
  t.teardown(() => troupe.close({ mode: 'abandon' }))
  return troupe
}

const CHANGES = [
  { workflow: 'order', index: 0, recorded: 'step "alpha"', called: 'step "beta"', result: ['alpha done', 'beta done', 'gamma done'] },
  { workflow: 'mixed', index: 0, recorded: 'child "kid"', called: 'step "alpha"', result: 'run/0' },
  { workflow: 'catchAll', index: 1, recorded: 'step "beta"', called: 'step "renamed"', result: 'done' },
  { workflow: 'short', index: 1, recorded: 'step "beta"', called: 'nothing (the workflow had ended)', result: undefined },
  { workflow: 'waits', index: 1, recorded: 'sleep', called: 'step "beta"', result: 'slept' },
] as const

for (const { workflow, index, recorded, called, result } of CHANGES) {
  t.test(`workflow "${workflow}" with ${called} where ${recorded} was: quarantined with both named, its record unharmed, finished by the old code`, async t => {
    const store = storeFolder(t)
    const clock = new ManualClock()
    const before = await openAt(t, store, first, clock)
    const handle = await before.start(workflow, [], { id: 'run' })
    await until('it sleeps', async () => (await handle.info()).status === 'waiting')
    await before.close({ mode: 'abandon' })
    const steps = async (troupe: Troupe) => (await troupe.get('run')).steps()

    const meanwhile = await openAt(t, store, changed, clock)
    const journal = await steps(meanwhile)
    clock.turn(3_600_000) // the sleep's end wakes it under the changed code
    const quarantined = await meanwhile.get('run')
    const error = await rejection(quarantined.result())
    t.ok(error instanceof NondeterminismError)
    t.match(error, { code: 'TROUPE_NONDETERMINISTIC', runId: 'run', index, recorded, called })
    for (const part of [recorded, called, 'run', String(index)]) t.ok((error as Error).message.includes(part), `the message names ${part}`)
    const info = await quarantined.info()
    t.equal(info.status, 'quarantined')
    t.match(info.error, { code: 'TROUPE_NONDETERMINISTIC', index })
    const after = await steps(meanwhile)
    t.same(after.map(({ name, kind, result: each }) => ({ name, kind, result: each })), journal.map(({ name, kind, result: each }) => ({ name, kind, result: each })))
    const image = await storeImage(meanwhile)
    await meanwhile.close({ mode: 'abandon' })

    const again = await openAt(t, store, first, clock)
    t.same(await storeImage(again), image, 'it stays quarantined until somebody resumes it')
    const resumed = await again.get('run')
    await resumed.resume()
    t.same(await resumed.result(), result)
    t.ok((await resumed.steps()).every(({ attempts }) => attempts.length <= 1), 'no step ran again')
    await again.close({ mode: 'abandon' })
    rmSync(store, { recursive: true })
  })
}

t.test('a run that is resumed under the changed code is quarantined again', async t => {
  const store = join(t.testdir({}), 'store')
  const clock = new ManualClock()
  const before = await openAt(t, store, first, clock)
  const handle = await before.start('order', [], { id: 'run' })
  await until('it sleeps', async () => (await handle.info()).status === 'waiting')
  await before.close({ mode: 'abandon' })
  const meanwhile = await openAt(t, store, changed, clock)
  clock.turn(3_600_000)
  const quarantined = await meanwhile.get('run')
  await rejection(quarantined.result())
  for (let i = 0; i < 3; i++) {
    await quarantined.resume()
    t.ok(await rejection(quarantined.result()) instanceof NondeterminismError)
  }
})

t.test('a run whose workflow no module defines any more stays enqueued until one does', async t => {
  const store = storeFolder(t)
  const clock = new ManualClock()
  const before = await openAt(t, store, first, clock)
  const handle = await before.start('waits', [], { id: 'run' })
  await until('it sleeps', async () => (await handle.info()).status === 'waiting')
  await before.close({ mode: 'abandon' })
  clock.turn(3_600_000)
  const other = await openTroupe(t, { store, workflows: new URL('../fixtures/replay/bodies.js', import.meta.url) })
  // By the real clock that time passed long ago.
  await until('it is in the queue', async () => (await (await other.get('run')).info()).status === 'enqueued')
  await other.close({ mode: 'abandon' })
  const again = await openAt(t, store, first, clock)
  t.equal(await (await again.get('run')).result(), 'slept')
})
