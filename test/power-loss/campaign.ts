/**
 * Records the store at work, and opens its file as it may look after the power was cut, or the process was killed, at every place where something is
 * flushed. Each image has to say exactly what a store in memory says after as many commits as were acknowledged, or one more.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Chance, chanceOf } from '../chance.ts'
import { Looker, type Seen } from '../store/looks.ts'
import { modelOf } from '../store/workload.ts'
import { type Image, imagesOf } from './images.ts'
import { readRecording } from './recording.ts'

const WRITER = fileURLToPath(new URL('fixtures/writer.js', import.meta.url))
export const DURABILITIES = ['power-loss', 'process-crash'] as const
export type Durability = typeof DURABILITIES[number]

export interface Recorded {
  readonly seed: number
  readonly durability: Durability
  readonly images: number
  /** Images of 'process-crash' after a power cut that say what was there at some time, and those that were refused. */
  readonly whole: number
  readonly refused: number
  readonly violations: readonly string[]
}

export interface Plan {
  /** For its files. */
  readonly folder: string
  readonly library: string
  readonly seed: number
  readonly durability: Durability
  readonly commits: number
  /** At most. */
  readonly images: number
  readonly subsets: number
}

export async function recordAndOpen(plan: Plan): Promise<Recorded> {
  const { folder, library, seed, durability, commits } = plan
  const chance = chanceOf(seed)
  const log = join(folder, 'record')
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  // What was committed without flushes, and read by a store that flushes, is promised from then on.
  const before = durability === 'power-loss' && chance.below(3) === 0 ? Math.floor(commits / 4) : 0
  const args = [WRITER, join(folder, 'recorded'), durability, `${seed}`, `${commits}`, `${chance.pick([0, 2_000, 20_000])}`, `${before}`, `${chance.pick([1, 5_000, 20_000, 100_000])}`]
  const { status, stderr } = spawnSync(process.execPath, args, { env: { ...process.env, NODE_V8_COVERAGE: '', LD_PRELOAD: library, TROUPE_RECORD: log }, encoding: 'utf8' })
  if (status !== 0) throw new Error(`the recorded process ended with ${status}: ${stderr}`)
  const { lastKey, digests } = await modelOf(seed, commits)
  const violations: string[] = []
  let [images, whole, refused] = [0, 0, 0]
  await using looker = new Looker()
  for (const image of chosen([...imagesOf(readRecording(log), chance, plan.subsets, before)], plan.images, chance)) {
    images++
    const opened = join(folder, 'image')
    const place = image.named ? opened : join(opened, '.unfinished-store')
    rmSync(opened, { recursive: true, force: true })
    mkdirSync(place, { recursive: true })
    for (const [file, bytes] of image.files) writeFileSync(join(place, file), bytes)
    const seen = await looker.look({ folder: opened, lastKey })
    const isCutWithoutFlushes = durability === 'process-crash' && image.how !== 'process'
    const problem = problemOf(seen, image, digests, isCutWithoutFlushes)
    if (problem !== undefined) violations.push(`TROUPE_SEED=${seed} ${durability}, image ${images} (${image.how}, cut at ${image.cutAt}, ${image.acknowledged} of ${image.begun} acknowledged): ${problem}`)
    else if (isCutWithoutFlushes && 'digest' in seen) whole++
    else if (isCutWithoutFlushes) refused++
  }
  return { seed, durability, images, whole, refused, violations }
}

function chosen(images: Image[], most: number, chance: Chance): Image[] {
  return images.length <= most ? images : chance.shuffle(images).slice(0, most)
}

function problemOf(seen: Seen, { acknowledged, begun }: Image, digests: readonly string[], isCutWithoutFlushes: boolean): string | undefined {
  if ('died' in seen) return `the process that opened it died (${seen.died})`
  if ('error' in seen) {
    // The promise of 'process-crash' is about processes: after a power cut the store may be lost, and has to say so.
    return isCutWithoutFlushes && /^TROUPE_STORE_(FORMAT|UNAVAILABLE)$/.test(seen.error) ? undefined : `${seen.error} when ${seen.when}: ${seen.message}`
  }
  const from = isCutWithoutFlushes ? 0 : acknowledged
  return digests.slice(from, begun + 1).includes(seen.digest) ? undefined : `it says what was never so (or was so after ${digests.indexOf(seen.digest)} commits)`
}
