/** Chance that can be had again: the seed is printed, and TROUPE_SEED repeats it. */
import type { Test } from 'tap'

const given = process.env['TROUPE_SEED']
export const seed = given === undefined ? Date.now() % 1_000_000_000 : Number(given)

export function saySeed(t: Test): void {
  t.comment(`TROUPE_SEED=${seed}`)
}

/** Numbers in [0, 1), the same for the same seed and the same `stream`. */
export function randomFrom(stream: number): () => number {
  let state = (seed ^ Math.imul(stream + 1, 0x9e3779b1)) >>> 0
  return () => { // mulberry32
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** How often a campaign repeats: from the environment, or as often as it must. */
export function repeats(variable: string, least: number): number {
  const value = process.env[variable]
  return value === undefined ? least : Number(value)
}
