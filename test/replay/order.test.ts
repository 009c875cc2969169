/** Indexes and order of concurrent steps, through real threads and a real store. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openTroupe } from '../harness.ts'
import { chanceOf, seedOf } from '../chance.ts'
import { many, noted, oneByOne, quick, races, together } from '../fixtures/replay/bodies.ts'

const workflows = new URL('../fixtures/replay/bodies.js', import.meta.url)

t.test('steps started together get indexes in the order of their calls, whatever order they finish in, 25 times', async t => {
  const troupe = await openTroupe(t, { workflows })
  const seed = seedOf(t)
  for (let i = 0; i < 25; i++) {
    const chance = chanceOf(seed + i)
    const delays = chance.shuffle([0, 3, 6, 9, 12, 15])
    const handle = await troupe.start(together, [delays])
    const expected = delays.map((_, at) => `${at} at ${at}`)
    if (!t.same(await handle.result(), expected, `seed ${seed + i}`)) return
    const steps = await handle.steps()
    if (!t.same(steps.map(({ index, result }) => [index, result]), expected.map((result, index) => [index, result]))) return
  }
})

t.test('the steps of a run are listed alike whether they ran one after the other or together', async t => {
  const troupe = await openTroupe(t, { workflows })
  const delays = [9, 0, 6, 3]
  const lists = []
  for (const workflow of [oneByOne, together]) {
    const handle = await troupe.start(workflow, [delays])
    await handle.result()
    lists.push((await handle.steps()).map(({ index, name, kind, status, result, attempts }) => ({ index, name, kind, status, result, attempts: attempts.length })))
  }
  t.same(lists[0], lists[1])
  t.equal(lists[0]!.length, 4)
})

t.test('races take the same branch on replay, and branches that go on with further steps take the same path', async t => {
  const store = join(t.testdir({}), 'store')
  const seed = seedOf(t)
  const options = { workflows, store, threads: 1, actorsPerThread: 1 }
  // More runs than places: each sleep lets an actor go, so that each round is replayed from the journal.
  const troupe = await openTroupe(t, options)
  const trace = join(t.testdirName, 'trace')
  const rounds = 4 + (seed % 3)
  const handles = await troupe.startMany(races, Array.from({ length: 6 }, () => ({ args: [trace, rounds] as [string, number] })))
  const results = await Promise.all(handles.map(handle => handle.result()))
  const infos = await Promise.all(handles.map(handle => handle.info()))
  t.ok(infos.some(({ incarnation }) => incarnation > 2), `some were replayed: ${infos.map(({ incarnation }) => incarnation).join(' ')}`)
  const paths = readFileSync(trace, 'utf8').trim().split('\n')
  t.equal(paths.length, 6, 'each ended once')
  t.same(paths.map(path => path.replace(/^\d+: /, '')).sort(), results.map(path => path.join(', ')).sort())
  for (const handle of handles) {
    // What the body saw is what the journal says: the entries of the first steps, in their order of commit.
    const steps = await handle.steps()
    t.equal(steps.filter(({ kind }) => kind === 'step').length, rounds * 6)
    t.ok(steps.every(({ attempts, kind }) => kind !== 'step' || attempts.length === 1), 'no step ran twice')
  }
})

t.test('1,000 steps at once in one run', async t => {
  const troupe = await openTroupe(t, { workflows })
  const handle = await troupe.start(many, [1000])
  t.equal(await handle.result(), 999_000)
  const steps = await handle.steps()
  t.same(steps.map(({ index }) => index), Array.from({ length: 1000 }, (_, i) => i))
  t.ok(steps.every(({ index, result }) => result === index * 2))
})

t.test('1,000 runs on 2 threads', async t => {
  const troupe = await openTroupe(t, { workflows, threads: 2 })
  const handles = await troupe.startMany(quick, Array.from({ length: 1000 }, (_, n) => ({ args: [n] as [number] })))
  t.same(await Promise.all(handles.map(handle => handle.result())), Array.from({ length: 1000 }, (_, n) => n + 1))
  t.equal(await troupe.count({ status: 'succeeded' }), 1000)
})

t.test('one id started many times at once, and again while it runs and after its end: one body, one step', async t => {
  const troupe = await openTroupe(t, { workflows, threads: 2, actorsPerThread: 4 })
  const trace = join(t.testdirName, 'trace')
  const ids = ['a', 'b', 'c', 'd']
  const start = (id: string) => troupe.start(noted, [trace, 30], { id })
  const first = await Promise.all(ids.flatMap(id => Array.from({ length: 10 }, () => start(id))))
  const late = await Promise.all(ids.map(start))
  const results = await Promise.all([...first, ...late].map(handle => handle.result()))
  const after = await Promise.all(ids.map(async id => (await start(id)).result()))
  t.same([...new Set([...results, ...after])].sort(), ids)
  t.same(readFileSync(trace, 'utf8').trim().split('\n').sort(), ids.flatMap(id => [`begin ${id}`, `body ${id} 1`, `end ${id}`]).sort())
})

t.test('one id started in one startMany twice is one run', async t => {
  const troupe = await openTroupe(t, { workflows })
  const trace = join(t.testdirName, 'trace')
  const handles = await troupe.startMany(noted, [1, 2, 3].map(() => ({ args: [trace, 5] as [string, number], options: { id: 'same' } })))
  t.same(await Promise.all(handles.map(handle => handle.result())), ['same', 'same', 'same'])
  t.same(readFileSync(trace, 'utf8').trim().split('\n'), ['body same 1', 'begin same', 'end same'])
})
