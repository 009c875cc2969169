/** `npm run byte-flips -- --flips 2000 [--seed n] [--large 40]`: of small stores, or of one with so many MiB. */
import { randomInt } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { damage } from './campaign.ts'
import { damageLarge } from './large.ts'

/** Flips of one store, until there is another one. */
const FLIPS_A_STORE = 250

const { values } = parseArgs({ options: { flips: { type: 'string', default: '2000' }, seed: { type: 'string' }, large: { type: 'string' } } })
const wanted = Number(values.flips)
const folder = mkdtempSync(join(tmpdir(), 'troupe-byte-flips-'))
process.once('exit', () => { rmSync(folder, { recursive: true, force: true }) })
let seed = Number(values.seed ?? randomInt(2 ** 31))
console.log(`first seed ${seed}`)
const refused: Record<string, number> = {}
let [flips, right, violations] = [0, 0, 0]
for (; flips < wanted; seed++) {
  const now = Math.min(FLIPS_A_STORE, wanted - flips)
  const damaged = values.large === undefined ? await damage(folder, seed, now) : await damageLarge(folder, seed, { flips: now, mebibytes: Number(values.large) })
  flips += damaged.flips
  right += damaged.right
  violations += damaged.violations.length
  for (const [what, count] of Object.entries(damaged.refused)) refused[what] = (refused[what] ?? 0) + count
  console.log(`seed ${seed}: ${damaged.flips} flips, ${damaged.violations.length} violations (${flips} of ${wanted})`)
  for (const violation of damaged.violations) console.log(`  ${violation}`)
}
console.log(`${flips} flips opened, ${violations} violations; ${right} said what was right, and refused were:`, refused)
process.exitCode = violations === 0 ? 0 : 1
