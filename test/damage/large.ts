/**
 * The same for a store of which not all is looked at before it is opened: each change is made in its file and undone again. It is looked at to
 * the end while it is open, and then read.
 */
import { closeSync, fstatSync, mkdirSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { openLmdbStore } from '../../lib/store/lmdb/index.ts'
import { newestMeta } from '../../lib/store/lmdb/data-file.ts'
import { chanceOf } from '../chance.ts'
import { Looker } from '../store/looks.ts'
import { newRun, started, text } from '../store/runs.ts'
import { digestOfRuns } from '../store/fixtures/looker.ts'
import type { Damaged } from './campaign.ts'
import { problemOf } from './campaign.ts'

export const PAGE_BYTES = 4_096
const RUNS_A_COMMIT = 250
const ENTRIES = 3

/** A closed store of about so many MiB; gives how many runs it has. */
export async function makeLarge(folder: string, seed: number, mebibytes: number): Promise<number> {
  const { below } = chanceOf(seed)
  const store = await openLmdbStore({ folder, durability: 'process-crash', minFreeBytes: 0, hotJournalBytes: 1_000_000 })
  const value = (name: string): ReturnType<typeof text> => text(name.padEnd(10 + below(2_500), `${name} `))
  let runs = 0
  while (store.sizeBytes() < mebibytes * 2 ** 20) {
    const born = Array.from({ length: RUNS_A_COMMIT }, () => newRun(store, { id: `run-${runs++}`, args: value('args') }, 'succeeded'))
    store.commit(born.map(started))
    for (let position = 0; position < ENTRIES; position++) {
      store.commit(born.map(({ key }) => ({ type: 'entry-appended', key, position, entry: value(`entry ${position}`) })))
    }
  }
  await store.close()
  return runs
}

export async function damageLarge(folder: string, seed: number, { flips, mebibytes }: { readonly flips: number, readonly mebibytes: number }): Promise<Damaged> {
  const { below } = chanceOf(seed)
  const place = join(folder, 'large')
  rmSync(place, { recursive: true, force: true })
  mkdirSync(place, { recursive: true })
  const runs = await makeLarge(place, seed, mebibytes)
  const store = await openLmdbStore({ folder: place, durability: 'process-crash', minFreeBytes: 0 })
  const digest = digestOfRuns(store, runs)
  await store.close()
  const file = openSync(join(place, 'data.mdb'), 'r+')
  const { lastPage } = newestMeta(file, place)
  const refused: Record<string, number> = {}
  const violations: string[] = []
  let right = 0
  await using looker = new Looker()
  for (let flip = 0; flip < flips; flip++) {
    // Half of them where a page says what it is and where its nodes are: most of the rest hit payloads, which have checksums.
    const page = below(Math.min(lastPage + 1, fstatSync(file).size / PAGE_BYTES))
    const at = page * PAGE_BYTES + (below(2) === 0 ? below(64) : below(PAGE_BYTES))
    const was = Buffer.alloc([1, 1, 1, 8, 512][below(5)]!)
    const length = readSync(file, was, 0, was.length, at)
    writeSync(file, Buffer.from(was.subarray(0, length).map(byte => (byte + 1 + below(255)) % 256)), 0, length, at)
    const seen = await looker.look({ folder: place, lastKey: runs, isLarge: true })
    const problem = problemOf(seen, digest)
    if (problem !== undefined) violations.push(`TROUPE_SEED=${seed}, flip ${flip}: ${length} bytes from ${at} of a store of ${mebibytes} MiB: ${problem}`)
    else if ('error' in seen) refused[`${seen.error} when ${seen.when}`] = (refused[`${seen.error} when ${seen.when}`] ?? 0) + 1
    else right++
    writeSync(file, was, 0, length, at)
  }
  closeSync(file)
  return { flips, right, refused, violations }
}
