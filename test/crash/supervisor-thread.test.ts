/** The supervisor's thread dies by itself. */
import t from 'tap'
import { writeFileSync } from 'node:fs'
import type { RunHandle } from 'troupe'
import type { sleeps, works } from '../fixtures/crash/ends.ts'
import { killSupervisor, made } from '../fixtures/crash/remembered-workers.ts'
import { openTroupe, recordingLogger, rejection, until } from '../harness.ts'
import { tryEndings, WAYS } from './exits.ts'
import { countOf, placesOf } from './threads.ts'

type Args<W extends (...args: never[]) => unknown> = Parameters<W>

const ENDS = new URL('../fixtures/crash/ends.js', import.meta.url)

t.setTimeout(300_000)

t.test("the supervisor's thread dies: handles go on waiting, a new one recovers, and results arrive", async t => {
  const { store, trace, gate } = placesOf(t)
  const logger = recordingLogger()
  const troupe = await openTroupe(t, { store, workflows: ENDS, logger })
  const before = made.length
  const handles: RunHandle<number>[] = []
  for (let i = 0; i < 6; i++) handles.push(await troupe.start<Args<typeof works>, number>('works', [trace, gate, 5], { id: `w${i}` }))
  const asleep = await troupe.start<Args<typeof sleeps>, string>('sleeps', [trace, gate])
  const results = Promise.all([...handles, asleep].map(handle => handle.result()))
  await until('all are at their gates', () => handles.every(({ id }) => countOf(trace, 'work 4', id) === 1))
  killSupervisor()
  const late = await troupe.start<Args<typeof works>, number>('works', [trace, gate, 1], { id: 'late' })
  t.equal(made.length, before + 1, 'a new one was made')
  writeFileSync(gate, '')
  t.same(await results, [5, 5, 5, 5, 5, 5, 'slept'])
  t.equal(await late.result(), 1, 'what was asked meanwhile was done')
  // That the last one was entered acknowledges those before it.
  for (const { id } of handles) for (let i = 0; i < 4; i++) t.equal(countOf(trace, `work ${i}`, id), 1, 'no acknowledged step ran again')
  const died = logger.lines.filter(({ fields }) => fields['event'] === 'supervisor-died')
  t.equal(died.length, 1)
  t.match(died[0], { level: 'error', message: "supervisor's thread ended by itself", fields: { error: { code: 'TROUPE_INTERNAL' } } })
  t.equal((await troupe.stats()).supervisorDeaths, 1, 'stats() says so')
  await troupe.close()
})

t.test('a supervisor that dies while it is opening again is replaced, too', async t => {
  const { store, trace, gate } = placesOf(t)
  const troupe = await openTroupe(t, { store, workflows: ENDS })
  const handle = await troupe.start<Args<typeof works>, number>('works', [trace, gate, 2])
  await until('it is at its gate', () => countOf(trace, 'work 1') === 1)
  const before = made.length
  for (let deaths = 1; deaths <= 3; deaths++) {
    killSupervisor()
    await until('there is a new one', () => made.length === before + deaths)
  }
  writeFileSync(gate, '')
  t.equal(await handle.result(), 2)
  t.equal((await troupe.stats()).supervisorDeaths, 3)
})

t.test('a supervisor that keeps dying is given up, and whoever waits is told why', async t => {
  const { store, trace, gate } = placesOf(t)
  const troupe = await openTroupe(t, { store, workflows: ENDS })
  const handle = await troupe.start<Args<typeof works>, number>('works', [trace, gate, 1])
  const waiting = rejection(handle.result())
  for (let deaths = 1; deaths <= 6; deaths++) {
    const before = made.length
    killSupervisor()
    if (deaths < 6) await until('there is a new one', () => made.length > before)
  }
  t.match(await waiting, { code: 'TROUPE_INTERNAL', message: "supervisor's thread ended by itself" })
  t.match(await rejection(handle.info()), { name: /TroupeClosedError|InternalError/ }, 'what is asked later is refused')
  await troupe.close()
  const again = await openTroupe(t, { store, workflows: ENDS })
  writeFileSync(gate, '')
  t.equal(await (await again.get(handle.id)).result(), 1, 'nothing is lost: the next opening goes on')
})

t.test('close() while a new supervisor is opening leaves the store closed', async t => {
  const { store, trace } = placesOf(t)
  const troupe = await openTroupe(t, { store, workflows: ENDS })
  const handle = await troupe.start<Args<typeof sleeps>, string>('sleeps', [trace])
  const waiting = rejection(handle.result())
  const before = made.length
  killSupervisor()
  await until('there is a new one', () => made.length > before)
  await troupe.close({ mode: 'abandon' })
  t.match(await waiting, { code: 'TROUPE_CLOSED' })
  const again = await openTroupe(t, { store, workflows: ENDS })
  t.match(await (await again.get(handle.id)).info(), { workflow: 'sleeps' })
})

t.test('the process ends as it should when its supervisor has just died', t => tryEndings(t, WAYS.supervisorDead, 'working', 60))
