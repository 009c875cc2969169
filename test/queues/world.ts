/** A store and a clock that outlive the supervisors of a test: hosts come and go, and time is turned by hand. */
import { join } from 'node:path'
import type { Test } from 'tap'
import { Troupe } from 'troupe'
import type { RunHandle, TroupeOptions } from 'troupe'
import type { Change, Store } from '../../lib/store/contract.ts'
import { openLmdbStore } from '../../lib/store/lmdb/index.ts'
import { createMemoryStore } from '../../lib/store/memory/index.ts'
import { recordingLogger, until } from '../harness.ts'
import { inlineLink } from '../harness-inline.ts'
import { ManualClock } from '../manual-clock.ts'
import { readTrace } from '../fixtures/trace.ts'

export const WORKFLOWS = new URL('../fixtures/queues/work.js', import.meta.url)
export const STORES = ['memory', 'LMDB'] as const

type Places = Pick<TroupeOptions, 'threads' | 'actorsPerThread'>

export class World {
  readonly clock: ManualClock
  readonly logger = recordingLogger()
  readonly trace: string
  readonly folder: string
  /** Sees what is committed, in order. */
  watch: (changes: readonly Change[]) => void = () => {}
  readonly #t: Test
  readonly #memory: Store | undefined

  constructor(t: Test, kind: typeof STORES[number], startMs?: number) {
    this.#t = t
    this.clock = new ManualClock(startMs)
    this.folder = t.testdir({})
    this.trace = join(this.folder, 'trace')
    this.#memory = kind === 'memory' ? createMemoryStore() : undefined
  }

  async open(places: Places = {}): Promise<Troupe> {
    const options = { store: join(this.folder, 'store'), workflows: WORKFLOWS, threads: 1, durability: 'process-crash', logger: this.logger, ...places } as const
    const troupe = await Troupe.openOver(options, inlineLink({
      clock: this.clock,
      openStore: async ({ store: folder, durability }) => this.#watched(this.#memory ?? await openLmdbStore({ folder, durability })),
    }))
    this.#t.teardown(() => troupe.close({ mode: 'abandon' }))
    return troupe
  }

  async reopen(troupe: Troupe, places: Places = {}): Promise<Troupe> {
    await troupe.close({ mode: 'abandon' })
    return this.open(places)
  }

  /** What runs said, in order. */
  said(what?: string): string[] {
    return (readTrace(this.trace) as [string, string][]).flatMap(([word, name]) => what === undefined ? [`${word} ${name}`] : word === what ? [name] : [])
  }

  /** Waits until so many runs said that. */
  async saidSoOften(what: string, times: number): Promise<string[]> {
    return until(`${times} runs say "${what}"`, () => {
      const names = this.said(what)
      return names.length >= times && names
    })
  }

  /** Waits until a run merely waits, or has ended. */
  async rests(handle: RunHandle<unknown>): Promise<void> {
    await until(`run ${handle.id} rests`, async () => !['enqueued', 'delayed', 'running'].includes((await handle.info()).status))
  }

  /**
   * Starts a run beside all queues and waits for its end: with one thread and one place on it, whoever was to begin before has begun.
   */
  async others(troupe: Troupe): Promise<void> {
    await (await troupe.start('quick', [join(this.folder, 'others'), ''])).result()
  }

  #watched(store: Store): Store {
    return new Proxy(store, {
      get: (target, name) => {
        // The memory outlives its host.
        if (name === 'close' && target === this.#memory) return () => {}
        if (name === 'commit') {
          return (changes: readonly Change[]) => {
            const results = target.commit(changes)
            this.watch(changes)
            return results
          }
        }
        const value = Reflect.get(target, name) as unknown
        return typeof value === 'function' ? value.bind(target) as unknown : value
      },
    })
  }
}
