/** Deterministic simulation: fresh seeds each time, all kept ones, and that a seed is enough to see the same again. */
import t from 'tap'
import type { Test } from 'tap'
import { seedOf } from '../chance.ts'
import { keptSeeds } from './kept-seeds.ts'
import { Simulation } from './simulation.ts'
import type { SimulationOptions, SimulationReport } from './simulation.ts'
import { Sums } from './sums.ts'

/** Fresh seeds: as many as there is time for, and this many at least. */
const BUDGET_MS = 6000
const LEAST = 15

async function holds(t: Test, options: SimulationOptions): Promise<SimulationReport> {
  const report = await new Simulation(options).run()
  if (report.problems.length > 0) {
    t.same(report.problems, [], `npm run simulate -- --seed ${report.seed}${options.steps === undefined ? '' : ` --steps ${options.steps}`} --verbose`)
    for (const line of report.lines.slice(-60)) t.comment(line)
  }
  return report
}

t.test('whatever happens in whatever order, every promise is kept and every run comes to its outcome', async t => {
  const first = seedOf(t)
  const sums = new Sums()
  const untilMs = performance.now() + BUDGET_MS
  for (let i = 0; i < LEAST || performance.now() < untilMs; i++) {
    sums.add(await holds(t, { seed: first + i }))
    if (sums.failed.length > 0) break
  }
  for (const line of sums.text(first).split('\n')) t.comment(line)
  t.same(sums.failed, [])
})

t.test('what a simulation found once it does not find again', async t => {
  for (const { seed, steps, found } of keptSeeds) t.same((await holds(t, { seed, ...(steps !== undefined && { steps }) })).problems, [], found)
})

t.test('a seed replays exactly, whatever ran between, and another seed is another simulation', async t => {
  const reports: SimulationReport[] = []
  for (const seed of [7, 8, 7, 8]) reports.push(await holds(t, { seed, steps: 500 }))
  const [a, b, again, bAgain] = reports.map(({ hash, steps, commits }) => ({ hash, steps, commits }))
  t.same(again, a)
  t.same(bAgain, b)
  t.not(a!.hash, b!.hash)
})
