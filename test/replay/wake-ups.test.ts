/** A wake-up never gets lost: ends of children, timers and free places at the moment an actor is let go, respawned or closed. */
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import type { RunHandle, Troupe } from 'troupe'
import { chanceOf, seedOf } from '../chance.ts'
import type { Chance } from '../chance.ts'
import { openTroupe, until } from '../harness.ts'
import { bomb, gathering, restless, tree } from '../fixtures/replay/bodies.ts'

const workflows = new URL('../fixtures/replay/bodies.js', import.meta.url)
const ROUNDS = Number(process.env['TROUPE_ROUNDS'] ?? 3)

/** What `restless` returns, whatever happens on the way. */
function restlessResult(seed: number, rounds: number): number {
  let sum = 0
  for (let round = 0; round < rounds; round++) sum += 1 + ((seed + round * 7) % 4 === 0 ? 0 : round + 1)
  return sum
}

interface Expected {
  readonly id: string
  readonly result: unknown
}

async function startAll(troupe: Troupe, chance: Chance, bombs: number): Promise<readonly Expected[]> {
  const expected: Expected[] = []
  const note = (handle: RunHandle<unknown>, result: unknown): void => { expected.push({ id: handle.id, result }) }
  const starts: (() => Promise<void>)[] = []
  for (let i = 0; i < 5; i++) {
    const [seed, rounds, width] = [chance.below(100), 3 + chance.below(5), 1 + chance.below(6)]
    starts.push(async () => { note(await troupe.start(restless, [seed, rounds]), restlessResult(seed, rounds)) })
    starts.push(async () => { note(await troupe.start(gathering, [width]), width * (width + 1) / 2) })
  }
  starts.push(async () => { note(await troupe.start(tree, [2, 2]), 4) })
  for (let i = 0; i < bombs; i++) starts.push(async () => { note(await troupe.start(bomb, []), 'defused') })
  for (const start of chance.shuffle(starts)) await start()
  return expected
}

async function allEnd(t: Test, troupe: Troupe, expected: readonly Expected[], seed: number): Promise<boolean> {
  const results = await Promise.all(expected.map(async ({ id }) => (await troupe.get(id)).result({ timeoutSeconds: 60 }).catch(async (error: unknown) =>
    `${String(error)} (${(await (await troupe.get(id)).info()).status})`)))
  return t.same(results, expected.map(({ result }) => result), `seed ${seed}: all came to their end`)
}

const places = (chance: Chance): { readonly threads: number, readonly actorsPerThread: number } => ({ threads: 1 + chance.below(2), actorsPerThread: 1 + chance.below(3) })

t.test('while actors are let go for want of places', async t => {
  const seed = seedOf(t)
  for (let i = 0; i < ROUNDS; i++) {
    const chance = chanceOf(seed + i)
    const troupe = await openTroupe(t, { workflows, ...places(chance), store: join(t.testdir({}), 'store') })
    if (!await allEnd(t, troupe, await startAll(troupe, chance, 0), seed + i)) return
    await troupe.close({ mode: 'abandon' })
  }
})

t.test('while threads end under them', async t => {
  const seed = seedOf(t)
  for (let i = 0; i < ROUNDS; i++) {
    const chance = chanceOf(seed + i)
    const troupe = await openTroupe(t, { workflows, ...places(chance), store: join(t.testdir({}), 'store') })
    if (!await allEnd(t, troupe, await startAll(troupe, chance, 1 + chance.below(3)), seed + i)) return
    await troupe.close({ mode: 'abandon' })
  }
})

t.test('while the store is closed and opened again, at any moment', async t => {
  const seed = seedOf(t)
  for (let i = 0; i < ROUNDS; i++) {
    const chance = chanceOf(seed + i)
    const store = join(t.testdir({}), 'store')
    let troupe = await openTroupe(t, { workflows, store, ...places(chance) })
    const expected = await startAll(troupe, chance, chance.below(2))
    for (let closes = 1 + chance.below(3); closes > 0; closes--) {
      const finished = await troupe.count({ status: 'succeeded' }) + chance.below(5)
      const all = await troupe.count()
      await until('a few more have ended', async () => await troupe.count({ status: 'succeeded' }) >= Math.min(finished, all))
      for (let turns = chance.below(50); turns > 0; turns--) await new Promise(resolve => { setImmediate(resolve) })
      await troupe.close(chance.below(3) === 0 ? { mode: 'drain', timeoutSeconds: 0.01 } : { mode: 'abandon' })
      troupe = await openTroupe(t, { workflows, store, ...places(chance) })
    }
    if (!await allEnd(t, troupe, expected, seed + i)) return
    await troupe.close({ mode: 'abandon' })
  }
})
