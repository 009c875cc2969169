/** `npm run power-loss -- --images 5000 [--seed n] [--durability power-loss|process-crash]`. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { randomInt } from 'node:crypto'
import { compiledLibrary } from '../store/native.ts'
import { DURABILITIES, recordAndOpen } from './campaign.ts'

const { values } = parseArgs({ options: { images: { type: 'string', default: '5000' }, seed: { type: 'string' }, durability: { type: 'string' } } })
const wanted = Number(values.images)
const folder = mkdtempSync(join(tmpdir(), 'troupe-power-loss-'))
process.once('exit', () => { rmSync(folder, { recursive: true, force: true }) })
const library = compiledLibrary(folder, 'power-loss/fixtures/recorder.c')
if (library === undefined) {
  console.error('It takes Linux and a C compiler.')
  process.exit(1)
}
let seed = Number(values.seed ?? randomInt(2 ** 31))
console.log(`first seed ${seed}`)
const sum = { recordings: 0, images: 0, whole: 0, refused: 0 }
const violations: string[] = []
while (sum.images < wanted) {
  for (const durability of DURABILITIES) {
    if (values.durability !== undefined && values.durability !== durability) continue
    const recorded = await recordAndOpen({ folder: join(folder, 'work'), library, seed, durability, commits: 60, images: Math.min(500, wanted - sum.images), subsets: 4 })
    sum.recordings++
    for (const key of ['images', 'whole', 'refused'] as const) sum[key] += recorded[key]
    violations.push(...recorded.violations)
    console.log(`seed ${seed}, ${durability}: ${recorded.images} images, ${recorded.violations.length} violations (${sum.images} of ${wanted})`)
    for (const violation of recorded.violations.slice(0, 10)) console.log(`  ${violation}`)
  }
  seed++
}
console.log(`${sum.recordings} recordings, ${sum.images} images opened, ${violations.length} violations; of 'process-crash' after a power cut ${sum.whole} were whole, ${sum.refused} refused`)
process.exitCode = violations.length === 0 ? 0 : 1
