/**
 * `npm run simulate -- --seconds 600`: simulations of fresh seeds, one after the other, and the sums at the end.
 *
 *   --seconds N   as long as this (default 60)
 *   --runs N      this many simulations instead
 *   --seed N      begins with this seed; alone, one simulation of it
 *   --steps N     so many steps before everything is brought to its end
 *   --verbose     every line of every simulation
 */
import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import { Simulation } from './simulation.ts'
import { Sums } from './sums.ts'

const { values } = parseArgs({ options: {
  seconds: { type: 'string' }, runs: { type: 'string' }, seed: { type: 'string' }, steps: { type: 'string' }, verbose: { type: 'boolean', default: false },
} })
const first = Number(values.seed ?? randomInt(2 ** 31))
const most = Number(values.runs ?? (values.seed !== undefined && values.seconds === undefined ? 1 : Infinity))
const untilMs = performance.now() + (Number.isFinite(most) ? Infinity : Number(values.seconds ?? 60) * 1000)
const sums = new Sums()
for (let i = 0; i < most && performance.now() < untilMs; i++) {
  const report = await new Simulation({
    seed: first + i,
    ...(values.steps !== undefined && { steps: Number(values.steps) }),
    ...(values.verbose && { onLine: line => { console.log(line) } }),
  }).run()
  sums.add(report)
  if (report.problems.length === 0) continue
  process.exitCode = 1
  console.log(`seed ${report.seed}: ${report.problems.length} problems`)
  for (const problem of report.problems.slice(0, 5)) console.log(`  ${problem}`)
  if (!values.verbose) console.log(`  again: npm run simulate -- --seed ${report.seed}${values.steps === undefined ? '' : ` --steps ${values.steps}`} --verbose`)
}
console.log(sums.text(first))
