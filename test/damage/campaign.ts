/**
 * Changes bytes of a store's files, cuts them short or lengthens them, anywhere, and opens each: it has to say what it said before, or be
 * refused with an error of ours, and never end the process.
 */
import { closeSync, copyFileSync, ftruncateSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openLmdbStore } from '../../lib/store/lmdb/index.ts'
import { newestMeta } from '../../lib/store/lmdb/data-file.ts'
import { type Chance, chanceOf } from '../chance.ts'
import { Looker, type Seen } from '../store/looks.ts'
import { digestOf, Workload } from '../store/workload.ts'

export interface Damaged {
  readonly flips: number
  readonly right: number
  /** By the code of the error and when it came. */
  readonly refused: Readonly<Record<string, number>>
  readonly violations: readonly string[]
}

/** Does something to some bytes, and says what. */
type Harm = (bytes: Buffer, chance: Chance) => { readonly bytes: Buffer, readonly what: string }

const HARMS: readonly Harm[] = [
  (bytes, { below }) => {
    const [at, bit] = [below(bytes.length), below(8)]
    bytes[at]! ^= 1 << bit
    return { bytes, what: `bit ${bit} of byte ${at}` }
  },
  (bytes, { below }) => {
    const at = below(bytes.length)
    const was = bytes[at]!
    bytes[at] = (was + 1 + below(255)) % 256
    return { bytes, what: `byte ${at} from ${was} to ${bytes[at]}` }
  },
  (bytes, { below }) => {
    const [at, length] = [below(bytes.length), 1 + below(64)]
    for (let i = at; i < Math.min(bytes.length, at + length); i++) bytes[i] = below(256)
    return { bytes, what: `${length} bytes from ${at}` }
  },
  (bytes, { below }) => {
    const [at, from] = [below(bytes.length / 512) * 512, below(bytes.length / 512) * 512]
    bytes.copyWithin(at, from, from + 512)
    return { bytes, what: `the sector at ${at} by that at ${from}` }
  },
  (bytes, { below }) => {
    const at = below(bytes.length / 512) * 512
    return { bytes: bytes.fill(0, at, Math.min(at + 512, bytes.length)), what: `zeros at ${at}` }
  },
  (bytes, { below }) => {
    const length = below(bytes.length)
    return { bytes: bytes.subarray(0, length), what: `cut to ${length}` }
  },
]
/** Mostly single bits and bytes: what is larger is easier to notice. */
const WEIGHTS = [4, 4, 2, 1, 1, 1]

export async function damage(folder: string, seed: number, flips: number): Promise<Damaged> {
  const chance = chanceOf(seed)
  const harms = HARMS.flatMap((harm, i) => Array.from({ length: WEIGHTS[i]! }, () => harm))
  const [sound, harmed] = [join(folder, 'sound'), join(folder, 'harmed')]
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const store = await openLmdbStore({ folder: sound, durability: 'process-crash', minFreeBytes: 0, hotJournalBytes: 20_000 })
  const workload = new Workload(seed)
  for (let i = 0; i < 60; i++) workload.commitNext(store)
  const { lastKey } = workload
  const digest = await digestOf(store, lastKey)
  await store.close()
  // Without the room that is kept ready behind the last page, where changes do nothing.
  const data = openSync(join(sound, 'data.mdb'), 'r+')
  const { lastPage, pageSize } = newestMeta(data, sound)
  ftruncateSync(data, (lastPage + 1) * pageSize)
  closeSync(data)
  const files = readdirSync(sound)
  const refused: Record<string, number> = {}
  const violations: string[] = []
  let right = 0
  await using looker = new Looker()
  for (let flip = 0; flip < flips; flip++) {
    rmSync(harmed, { recursive: true, force: true })
    mkdirSync(harmed)
    for (const file of files) copyFileSync(join(sound, file), join(harmed, file))
    // The data file has nearly all bytes; the others are small, and their turn comes all the same.
    const file = chance.below(20) === 0 ? chance.pick(files) : 'data.mdb'
    const { bytes, what } = chance.pick(harms)(readFileSync(join(harmed, file)), chance)
    writeFileSync(join(harmed, file), bytes)
    const seen = await looker.look({ folder: harmed, lastKey })
    const problem = problemOf(seen, digest)
    if (problem !== undefined) violations.push(`TROUPE_SEED=${seed}, flip ${flip}: ${what} of ${file} (${statSync(join(sound, file)).size} bytes): ${problem}`)
    else if ('error' in seen) refused[`${seen.error} when ${seen.when}`] = (refused[`${seen.error} when ${seen.when}`] ?? 0) + 1
    else right++
  }
  return { flips, right, refused, violations }
}

export function problemOf(seen: Seen, digest: string): string | undefined {
  if ('died' in seen) return `the process that opened it died (${seen.died})`
  if ('digest' in seen) return seen.digest === digest ? undefined : 'it says something else, and no error'
  return /^TROUPE_STORE_(FORMAT|UNAVAILABLE)$/.test(seen.error) ? undefined : `${seen.error} when ${seen.when}: ${seen.message}`
}
