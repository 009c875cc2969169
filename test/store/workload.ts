/** Commits of chance, like the supervisor's: the same seed, the same changes, whatever the store; and what a store says after each of them. */
import { createHash } from 'node:crypto'
import type { Encoded } from '../../lib/codec/encoded.ts'
import { RUN_STATUSES } from '../../lib/model/run.ts'
import { SETTING_KINDS, type Store } from '../../lib/store/contract.ts'
import { createMemoryStore } from '../../lib/store/memory/index.ts'
import { type Chance, chanceOf } from '../chance.ts'
import { answers, Driver, type Move } from './moves.ts'
import { text } from './runs.ts'

const TIMES = [-1.5, 0, 0.25, 1, 2, 3, 2 ** 44]
/** Most values are small; some fill a page, several, or many. */
const SIZES = [10, 10, 10, 10, 100, 100, 100, 500, 2_000, 5_000, 17_000]

export class Workload {
  readonly #chance: Chance
  readonly #driver: Driver
  lastKey = 0

  constructor(seed: number) {
    this.#chance = chanceOf(seed)
    // The same bytes from the same words, all different.
    this.#driver = new Driver((value): Encoded => text(value.padEnd(this.#chance.pick(SIZES), `${value} `)))
  }

  commitNext(store: Store): void {
    for (;;) {
      for (let moves = this.#chance.below(8); moves >= 0; moves--) this.#driver.take(this.#move())
      const changes = this.#driver.commit()
      if (changes.length === 0) continue
      const results = store.commit(changes)
      this.#driver.refuse(new Set(changes.flatMap((change, i) => change.type === 'run-started' && results[i]!.type === 'already-started' ? [change.meta.key] : [])))
      for (const change of changes) if (change.type === 'run-started') this.lastKey = Math.max(this.lastKey, change.meta.key)
      return
    }
  }

  #move(): Move {
    const { below, pick } = this.#chance
    const [run, index] = [below(30), below(5)]
    const kind = below(46)
    if (kind < 6) return { do: 'start', id: below(26), queue: below(2), once: below(3), parent: below(30), createdAtMs: pick(TIMES), priority: below(5) - 2 }
    if (kind < 12) return { do: 'move', run, status: pick(RUN_STATUSES), position: pick(TIMES), holds: below(2) === 0 }
    if (kind < 22) return { do: pick(['append', 'append', 'append', 'finish', 'resume']), run }
    if (kind < 24) return { do: 'forget', run, from: index }
    if (kind < 27) return { do: pick(['wait', 'unwait']), run, index }
    if (kind < 31) return { do: pick(['timer', 'timer', 'untimer']), run, slot: below(6) - 4, dueAtMs: pick(TIMES) }
    if (kind < 33) return { do: pick(['await', 'unawait', 'await-event']), run, parent: below(30), index }
    if (kind < 41) return { do: pick(['message', 'unmessage', 'event', 'stream', 'close-stream', 'count', 'uncount']), run, index }
    if (kind < 42) return { do: pick(['set', 'unset']), kind: pick(SETTING_KINDS), index }
    return { do: 'delete', run }
  }
}

/** All that a store says, as one short word. */
export async function digestOf(store: Store, lastKey: number): Promise<string> {
  return createHash('sha1').update(JSON.stringify(await answers(store, lastKey))).digest('hex')
}

interface Model {
  readonly lastKey: number
  /** What a store says after so many commits. */
  readonly digests: readonly string[]
}

export async function modelOf(seed: number, commits: number): Promise<Model> {
  const dry = new Workload(seed)
  const scratch = createMemoryStore()
  for (let i = 0; i < commits; i++) dry.commitNext(scratch)
  const workload = new Workload(seed)
  const store = createMemoryStore()
  const digests = [await digestOf(store, dry.lastKey)]
  for (let i = 0; i < commits; i++) {
    workload.commitNext(store)
    digests.push(await digestOf(store, dry.lastKey))
  }
  return { lastKey: dry.lastKey, digests }
}
