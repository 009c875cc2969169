/** Chance that can be repeated: a seed in, the same numbers out (mulberry32). */
import { randomInt } from 'node:crypto'
import type { Test } from 'tap'

export interface Chance {
  /** In [0, 1). */
  next(): number
  /** A whole number in [0, below). */
  below(below: number): number
  pick<T>(items: readonly T[]): T
  /** Takes one out of an array. */
  take<T>(items: T[]): T
  shuffle<T>(items: readonly T[]): T[]
}

export function chanceOf(seed: number): Chance {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (bound: number): number => Math.floor(next() * bound)
  const take = <T>(items: T[]): T => items.splice(below(items.length), 1)[0]!
  return {
    next, below, take,
    pick: items => items[below(items.length)]!,
    shuffle: items => {
      const left = [...items]
      return items.map(() => take(left))
    },
  }
}

/** The seed of a random test: a new one each time, or TROUPE_SEED to repeat one. It is printed. */
export function seedOf(t: Test): number {
  const seed = process.env['TROUPE_SEED'] === undefined ? randomInt(2 ** 31) : Number(process.env['TROUPE_SEED'])
  t.comment(`TROUPE_SEED=${seed}`)
  return seed
}
