import t from 'tap'
import { writeFileSync } from 'node:fs'
import type { RunHandle } from 'troupe'
import type { crasher, Fact, neighbour, shares } from '../fixtures/crash/crashes.ts'
import { openTroupe, recordingLogger, rejection, until } from '../harness.ts'
import { countOf, CRASHES, factsOf, placesOf } from './threads.ts'

type Args<W extends (...args: never[]) => unknown> = Parameters<W>

const NEIGHBOURS = 4

t.setTimeout(300_000)

for (const where of ['step', 'body'] as const) {
  t.test(`neighbours in a ${where} of a crasher in a step finish, and carry no blame`, async t => {
    const { store, trace, gate } = placesOf(t)
    const logger = recordingLogger()
    const troupe = await openTroupe(t, { store, workflows: CRASHES, threads: 1, actorsPerThread: 16, logger })
    const innocents: RunHandle<string>[] = []
    for (let i = 0; i < NEIGHBOURS; i++) innocents.push(await troupe.start<Args<typeof neighbour>, string>('neighbour', [trace, gate, where], { id: `neighbour-${i}` }))
    const culprit = await troupe.start<Args<typeof crasher>, string>('crasher', [trace, NEIGHBOURS, 'step', 4], { id: 'crasher' })
    await until('the crasher is at work', () => countOf(trace, 'crash') > 0)
    writeFileSync(gate, '')
    for (const innocent of innocents) {
      t.equal(await innocent.result(), 'done')
      t.match(await innocent.info(), { status: 'succeeded', crashes: 1 }, 'it counts what happened')
      t.same((await innocent.steps()).map(({ attempts }) => attempts.length), where === 'step' ? [1, 1] : [1], 'and no attempt was charged')
    }
    t.equal(await culprit.result(), 'survived')
    const [act] = await culprit.steps()
    t.equal(act?.attempts.length, 4, 'of four crashes the first, among neighbours, was not charged to anybody')
    t.match(await culprit.info(), { crashes: 4 })
    t.notOk(logger.lines.some(({ fields }) => fields['event'] === 'run-quarantined'))
  })
}

t.test('a crasher outside steps is quarantined for what it does alone; its neighbours finish', async t => {
  const { store, trace, gate } = placesOf(t)
  const troupe = await openTroupe(t, { store, workflows: CRASHES, threads: 2, actorsPerThread: 16 })
  const innocents: RunHandle<string>[] = []
  for (let i = 0; i < NEIGHBOURS; i++) innocents.push(await troupe.start<Args<typeof neighbour>, string>('neighbour', [trace, gate, 'step'], { id: `neighbour-${i}` }))
  const culprit = await troupe.start<Args<typeof crasher>, string>('crasher', [trace, NEIGHBOURS, 'body', 99], { id: 'crasher' })
  await until('the crasher is at work', () => countOf(trace, 'crash') > 0)
  writeFileSync(gate, '')
  t.match(await rejection(culprit.result()), { code: 'TROUPE_RUN_QUARANTINED', crashes: 3 })
  t.equal(countOf(trace, 'crash'), 4, 'once among neighbours, three times alone')
  for (const innocent of innocents) t.equal(await innocent.result(), 'done')
  t.same(sharedBy(factsOf(trace), fact => fact.incarnation > 1), [], 'suspects went on alone, each on a thread of its own')
})

t.test('isolated workflows never share a thread', async t => {
  const { store, trace } = placesOf(t)
  const troupe = await openTroupe(t, { store, workflows: CRASHES, threads: 3, actorsPerThread: 8 })
  const starts: Promise<RunHandle<string>>[] = []
  for (let i = 0; i < 24; i++) {
    const kind = i % 4 === 0 ? 'isolated' : 'shares'
    starts.push(troupe.start<Args<typeof shares>, string>(kind, [trace, 1 + i % 5], { id: `${kind}-${i}` }))
  }
  for (const handle of await Promise.all(starts)) t.equal(await handle.result(), 'done')
  const facts = factsOf(trace)
  t.same(sharedBy(facts, ({ run }) => run.startsWith('isolated')), [])
  t.ok(sharedBy(facts, () => true).length > 0, 'the others did share')
})

/** Who was on a thread, between its 'in' and its 'out', together with somebody chosen. */
function sharedBy(facts: readonly Fact[], isChosen: (fact: Fact) => boolean): readonly string[] {
  const present = new Map<number, Map<string, Fact>>()
  const shared: string[] = []
  for (const fact of facts) {
    const there = present.get(fact.threadId) ?? new Map<string, Fact>()
    present.set(fact.threadId, there)
    if (fact.what === 'out') there.delete(fact.run)
    if (fact.what !== 'in') continue
    for (const other of there.values()) {
      if (isChosen(fact) || isChosen(other)) shared.push(`${fact.run} (life ${fact.incarnation}) and ${other.run} (life ${other.incarnation}) on thread ${fact.threadId}`)
    }
    there.set(fact.run, fact)
  }
  return shared
}
