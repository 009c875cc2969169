/** A Troupe for tests of workflows: the same verbs, in the test's own process, with a clock that is turned by hand. */
import { OPEN_OPTIONS, resolveTroupeOptions } from '../client/options.ts'
import type { CloseOptions, TroupeOptions } from '../client/options.ts'
import { SupervisorProxy } from '../client/proxy.ts'
import { checkName, checkNumber, checkOptions, refuse } from '../options.ts'
import type { Store } from '../store/contract.ts'
import { openLmdbStore } from '../store/lmdb/index.ts'
import { createMemoryStore } from '../store/memory/index.ts'
import type { Logger } from '../telemetry/logger.ts'
import { Troupe } from '../troupe.ts'
import { Crashes } from './crashes.ts'
import type { CrashPlace } from './crashes.ts'
import { checkJournals } from './history.ts'
import type { HistoryOptions, HistoryReport } from './history.ts'
import { inlineLink } from './inline-link.ts'
import { TestClock } from './test-clock.ts'

export interface TestTroupeOptions extends Omit<TroupeOptions, 'store' | 'logger'> {
  /** A folder, for a store that outlives this Troupe. Default: a store in memory, gone with it. */
  readonly store?: string
  /** Default: one of its own. Another Troupe on the same folder is given the first one's, so that no time is lost. */
  readonly clock?: TestClock
  /**
   * A run is spawned anew after each of its operations that is recorded, and replays what it has done, so that code that is not
   * deterministic fails here, with NondeterminismError. Steps that are under way side by side are let finish first. Default false.
   */
  readonly replayEveryStep?: boolean
  /** As for Troupe.open(). Default: silent. */
  readonly logger?: Logger
}

interface TestParts {
  readonly clock: TestClock
  readonly crashes: Crashes
  readonly store: () => Store
  readonly modules: readonly string[]
  readonly unwatch: () => void
}

/** Default of `threads`: two, so that neighbours and moves are met, and opening is quick. */
const DEFAULT_THREADS = 2

const SILENT: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

export class TestTroupe extends Troupe {
  readonly #parts: TestParts

  /** @internal Use TestTroupe.open(). */
  constructor(proxy: SupervisorProxy, parts: TestParts) {
    super(proxy)
    this.#parts = parts
  }

  /**
   * Opens a Troupe whose supervisor runs on this thread, with real worker threads (two, unless `threads` says otherwise).
   * Time stands still until `clock.advance(seconds)`. Close it at the end of the test, or declare it with `await using`.
   * @throws what Troupe.open() throws
   */
  static override async open(options: TestTroupeOptions): Promise<TestTroupe> {
    const { clock = new TestClock(), replayEveryStep = false, store: folder, ...rest } = checkTestOptions(options)
    const { supervisor, logger } = resolveTroupeOptions({ threads: DEFAULT_THREADS, durability: 'process-crash', logger: SILENT, ...rest, store: folder ?? 'memory' })
    const crashes = new Crashes()
    let store: Store | undefined
    let unwatch = (): void => {}
    const proxy = await SupervisorProxy.open(supervisor, inlineLink({
      clock: clock.hand,
      openStore: async resolved => store = folder === undefined ? createMemoryStore() : await openLmdbStore({ folder: resolved.store, durability: resolved.durability }),
      probe: { time: clock.time, replaysEveryStep: replayEveryStep, crashesAt: (runId, fact) => crashes.isDue(runId, fact) },
      opened: opened => {
        unwatch()
        unwatch = clock.watch(opened)
      },
    }), logger)
    return new TestTroupe(proxy, { clock, crashes, store: () => store!, modules: supervisor.modules, unwatch: () => { unwatch() } })
  }

  get clock(): TestClock {
    return this.#parts.clock
  }

  /**
   * Ends the thread of a run as a crash does, once: at an operation of the run's, before anything of it is recorded. Its code
   * may have run by then, and runs again: what is not recorded has not happened. Neighbours on the thread crash with it.
   * Resolves when that has happened; rejects with TroupeClosedError if this Troupe is closed before.
   * @throws InvalidOptionError
   */
  crashNow(place: CrashPlace): Promise<void> {
    const crash = this.#crash(place)
    crash.catch(() => {}) // a test need not wait for it
    return crash
  }

  async #crash(place: CrashPlace): Promise<void> {
    const { run, beforeOperation } = checkOptions('crashNow()', place, ['run', 'beforeOperation'])
    checkName('run', run)
    if (beforeOperation !== undefined && beforeOperation !== 'end') checkNumber('beforeOperation', beforeOperation, { min: 0, max: Number.MAX_SAFE_INTEGER, whole: true })
    return this.#parts.crashes.want(place)
  }

  /** As checkHistory() of a folder, for the runs of this Troupe's own store; against its own workflows, unless others are given. */
  checkHistory(options: Partial<HistoryOptions> = {}): Promise<HistoryReport> {
    return checkJournals(this.#parts.store(), { workflows: this.#parts.modules, ...options })
  }

  override async close(options?: CloseOptions): Promise<void> {
    this.#parts.crashes.close()
    this.#parts.unwatch()
    // What a drain would wait for may wait for the clock, which stands still.
    await super.close({ mode: 'abandon', ...options })
  }
}

function checkTestOptions(options: TestTroupeOptions): TestTroupeOptions {
  const given = checkOptions('TestTroupe.open()', options, [...OPEN_OPTIONS, 'clock', 'replayEveryStep'])
  const { clock, replayEveryStep } = given
  if (clock !== undefined && !(clock instanceof TestClock)) refuse('clock', 'be a TestClock', clock)
  if (replayEveryStep !== undefined && typeof replayEveryStep !== 'boolean') refuse('replayEveryStep', 'be true or false', replayEveryStep)
  return given as unknown as TestTroupeOptions
}
