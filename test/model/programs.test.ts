/**
 * Random programs of runs that send, receive, sleep, retry, publish, have children, join a queue, are cancelled, time out and
 * crash, on the real supervisor with real threads, against a plain model of what must come out of them.
 */
import fc from 'fast-check'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import t from 'tap'
import type { Test } from 'tap'
import { TestTroupe } from 'troupe/testing'
import type { TestTroupeOptions } from 'troupe/testing'
import { seedOf } from '../chance.ts'
import { listAll, recordingLogger } from '../harness.ts'
import { expectationOf } from './expectation.ts'
import type { Expected } from './expectation.ts'
import { durationsOf, MOST_DURATIONS, programs } from './language.ts'
import type { Program } from './language.ts'

t.setTimeout((600 + Number(process.env['TROUPE_MODEL_MINUTES'] ?? 0) * 90) * 1000)

const workflows = new URL('../fixtures/model/interpreter.js', import.meta.url)

/** Unless it is said how many, or for how long (`npm run model`), a slice for every day. */
const PROGRAMS = Number(process.env['TROUPE_MODEL_PROGRAMS'] ?? 520)
const MINUTES = Number(process.env['TROUPE_MODEL_MINUTES'] ?? 0)
/** Programs that come out wrong are made smaller for so long; a campaign has the time to look further. */
const SHRINK_MS = MINUTES > 0 ? 100_000 : 30_000
/** Far longer than any batch takes. */
const LONGEST_PLAY_MS = 150_000
/** Beyond all that any program waits for. */
const LONG_SECONDS = 2 * 365 * 24 * 3600

class Stage {
  readonly #options: TestTroupeOptions
  #troupe: TestTroupe
  #programs = 0

  static async open(options: TestTroupeOptions): Promise<Stage> {
    return new Stage(options, await TestTroupe.open(options))
  }

  private constructor(options: TestTroupeOptions, troupe: TestTroupe) {
    this.#options = options
    this.#troupe = troupe
  }

  /** Plays programs side by side to their end, and says what came out of each one's runs. Each crash hits neighbours of others, too. */
  async play(programs: readonly Program[]): Promise<readonly ReadonlyMap<string, Expected>[]> {
    const { clock } = this.#troupe
    const startMs = clock.now.getTime()
    const prefixes = programs.map(() => `p${this.#programs++}-`)
    const doings: Doing[] = []
    for (const [i, program] of programs.entries()) doings.push(...await this.#begin(program, prefixes[i]!))
    for (const { atMs, act } of doings.sort((a, b) => a.atMs - b.atMs)) {
      await clock.advanceTo(new Date(startMs + atMs))
      await act()
      await clock.advance(0)
    }
    await clock.advance(LONG_SECONDS)
    const outcomes: ReadonlyMap<string, Expected>[] = []
    for (const prefix of prefixes) outcomes.push(await this.#outcomes(prefix))
    await this.#clear()
    return outcomes
  }

  /** Starts a program's runs; what its host is to do later comes back. */
  async #begin(program: Program, prefix: string): Promise<readonly Doing[]> {
    const { roots, cancels, queueConcurrency, restartAtMs } = program
    for (const [i, { crashBefore }] of roots.entries()) {
      // Not every run comes to its place.
      if (crashBefore !== undefined) void this.#troupe.crashNow({ run: `${prefix}r${i}`, beforeOperation: crashBefore }).catch(() => {})
    }
    await this.#troupe.setQueue(`${prefix}q`, { concurrency: queueConcurrency })
    await this.#troupe.startMany('interpret', roots.map(({ ops, queued, priority, delayMs, timeoutMs }, i) => ({
      args: [prefix, ops],
      options: {
        id: `${prefix}r${i}`, priority,
        ...(queued && { queue: `${prefix}q` }),
        ...(delayMs !== undefined && { delaySeconds: delayMs / 1000 }),
        ...(timeoutMs !== undefined && { timeoutSeconds: timeoutMs / 1000 }),
      },
    })))
    const doings: Doing[] = cancels.map(({ root, atMs, children }) => ({
      atMs, act: async () => { await (await this.#troupe.get(`${prefix}r${root}`)).cancel({ children }) },
    }))
    if (restartAtMs !== undefined) doings.push({ atMs: restartAtMs, act: () => this.#restart() })
    return doings
  }

  async #outcomes(prefix: string): Promise<ReadonlyMap<string, Expected>> {
    const runs = await listAll(this.#troupe, { idPrefix: prefix, values: true })
    return new Map(runs.map(({ id, status, result, error }) => [id.slice(prefix.length), {
      status,
      ...(result !== undefined && { result: result as unknown[] }),
      ...(error !== undefined && { error: error.name }),
    }]))
  }

  async close(): Promise<void> {
    await this.#troupe.close({ mode: 'abandon' })
  }

  async #restart(): Promise<void> {
    const { clock } = this.#troupe
    await this.#troupe.close({ mode: 'abandon' })
    this.#troupe = await TestTroupe.open({ ...this.#options, clock })
  }

  /** What waits for ever would otherwise be there for the next program. */
  async #clear(): Promise<void> {
    for (const { id } of await listAll(this.#troupe, { status: ['enqueued', 'delayed', 'running', 'waiting'] })) {
      await (await this.#troupe.get(id)).cancel()
    }
    await this.#troupe.clock.advance(1)
    await this.#troupe.prune({ finishedBefore: this.#troupe.clock.now })
  }
}

interface Doing {
  readonly atMs: number
  readonly act: () => Promise<void>
}

const sorted = (outcomes: ReadonlyMap<string, Expected>): object => Object.fromEntries([...outcomes].sort(([a], [b]) => a < b ? -1 : 1))

/** Plays batches of programs until there were enough. One that comes out wrong is made smaller, and told with what repeats it. */
async function campaign(t: Test, share: number, options: Partial<TestTroupeOptions>): Promise<void> {
  const seed = seedOf(t)
  const count = MINUTES > 0 ? Infinity : Math.ceil(PROGRAMS * share)
  const overAtMs = MINUTES > 0 ? performance.now() + MINUTES * 60_000 * share : Infinity
  const open = (): Promise<Stage> => Stage.open({ workflows, threads: 2, logger: recordingLogger(), ...options })
  let stage = await open()
  t.teardown(() => stage.close())
  const seen = new Map<string, number>()
  let played = 0
  const batches = fc.array(programs(options.store !== undefined).filter(program => durationsOf(program) <= MOST_DURATIONS), { minLength: 1, maxLength: 40, size: 'max' })
  let failedAtMs: number | undefined
  const property = fc.asyncProperty(batches, async batch => {
    // What could be tried smaller still when the time is over counts as right, so that the smallest found by then is told.
    if (failedAtMs !== undefined && performance.now() - failedAtMs > SHRINK_MS) return
    await check(batch).catch((error: unknown) => {
      failedAtMs ??= performance.now()
      throw error
    })
  })
  const check = async (batch: readonly Program[]): Promise<void> => {
    const over = new AbortController()
    const never = wait(LONGEST_PLAY_MS, undefined, { signal: over.signal }).then(() => { throw new Error('it did not come to its end') })
    never.catch(() => {}) // also once it has been called off
    const outcomes = await Promise.race([stage.play(batch), never]).catch(async (error: unknown) => {
      over.abort()
      // What it left undone must not be met by others.
      await stage.close()
      stage = await open()
      throw error
    })
    over.abort()
    played += batch.length
    for (const [i, expected] of batch.map(program => expectationOf(program)).entries()) {
      for (const { status } of expected.values()) seen.set(status, (seen.get(status) ?? 0) + 1)
      const [is, mustBe] = [JSON.stringify(sorted(outcomes[i]!)), JSON.stringify(sorted(expected))]
      if (is !== mustBe) throw new Error(`program ${i} came out: ${is}\nmust come out: ${mustBe}`)
    }
  }
  for (let round = 0; round === 0 || (played < count && performance.now() < overAtMs); round++) {
    const result = await fc.check(property, { seed: (seed + round) | 0, numRuns: 1 })
    if (!result.failed) continue
    t.comment(`${fc.defaultReportMessage(result)}\n${String(result.errorInstance)}`)
    t.fail(`again: TROUPE_SEED=${seed + round} TROUPE_MODEL_PROGRAMS=1 node dist/test/model/programs.test.js`)
    return
  }
  t.comment(`${played} programs, seed ${seed}; outcomes of their runs: ${JSON.stringify(Object.fromEntries(seen))}`)
  // Were all outcomes alike, little would have been tried.
  if (played > 50) for (const status of ['succeeded', 'failed', 'cancelled', 'waiting']) t.ok((seen.get(status) ?? 0) > 0, status)
}

t.test('what comes out of random programs, on a store in memory, is what the model says', async t => {
  await campaign(t, 0.5, {})
})

t.test('the same on LMDB, with hosts that close and open the store meanwhile', async t => {
  await campaign(t, 0.3, { store: join(t.testdir({}), 'store') })
})

t.test('the same with a new life of every run after each of its operations', async t => {
  await campaign(t, 0.2, { replayEveryStep: true })
})
