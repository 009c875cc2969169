/**
 * `npm run torture -- --minutes 10`: a host under load that is killed, stopped, and loses its threads, again and again.
 *
 *   --minutes N   as long as this (default 10)
 *   --seed N      the moments and the load of this seed; the rest is the machine's
 *   --folder F    keeps store and log here; otherwise they are removed, unless something is wrong
 */
import { randomInt } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { campaign } from './campaign.ts'
import type { Report } from './campaign.ts'

const { values } = parseArgs({ options: { minutes: { type: 'string' }, seed: { type: 'string' }, folder: { type: 'string' } } })
const minutes = Number(values.minutes ?? 10)
const seed = Number(values.seed ?? randomInt(2 ** 31))
if (!(minutes > 0) || !Number.isInteger(seed)) throw new RangeError('--minutes is a number above 0, --seed a whole one')
const folder = values.folder ?? mkdtempSync(join(tmpdir(), 'troupe-torture-'))
const beganMs = performance.now()
console.log(`seed ${seed}, ${minutes} minutes, in ${folder}`)

const told = (word: string, { cycles, checked, problems, lines }: Report): void => {
  console.log(`${word} ${Math.round((performance.now() - beganMs) / 1000)} s: ${cycles} hosts, ${lines.get('started') ?? 0} runs started, ${lines.get('entered') ?? 0} attempts, ${checked} checks, ${problems.length} violations`)
}
const report = await campaign({
  folder, seed,
  goesOn: () => performance.now() - beganMs < minutes * 60_000,
  onCycle: soFar => { if (soFar.cycles % 10 === 0) told('after', soFar) },
})
told('in', report)
console.log(Object.entries(report.disturbances).map(([what, times]) => `${what}: ${times}`).join(', '))
console.log([...report.lines].map(([type, count]) => `${type}: ${count}`).join(', '))
for (const problem of report.problems.slice(0, 20)) console.log(`VIOLATION ${problem}`)
if (report.problems.length > 0) {
  console.log(`again: npm run torture -- --seed ${seed} --minutes ${minutes}; what happened is in ${folder}`)
  process.exitCode = 1
} else if (values.folder === undefined) rmSync(folder, { recursive: true, force: true })
