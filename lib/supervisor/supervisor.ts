/**
 * The supervisor: it owns the store and the threads, and carries every run to its outcome. It is written against a port
 * (`receive` and `emit`) and knows nothing of its host; it may stand on a thread of its own or on the host's.
 */
import { createHistogram } from 'node:perf_hooks'
import type { RecordableHistogram } from 'node:perf_hooks'
import { StoreUnavailableError } from '../errors.ts'
import type { Alarm, Clock } from '../model/clock.ts'
import type { RunKey } from '../model/run.ts'
import type { HostMessage, SupervisorMessage, SupervisorOptions, SupervisorStats } from '../protocol/host.ts'
import type { QueuePlace, Store } from '../store/contract.ts'
import { monotonicMs } from '../system.ts'
import { Commits, LONGEST_RETRY_MS } from './commits.ts'
import { countByStatus, Door } from './door.ts'
import { defaultHeapMiB } from './heap-bound.ts'
import { Places } from './places.ts'
import { ThreadPool } from './pool.ts'
import type { Pool, PoolListener, PoolOptions } from './pool.ts'
import { isStill, runsAtWork } from './probe.ts'
import type { Probe } from './probe.ts'
import { refusalBytes } from './refusal.ts'
import { Queues } from './queues.ts'
import { Runs } from './runs.ts'
import { Shell } from './shell.ts'
import type { ShellParts } from './shell.ts'
import { Starts } from './starts.ts'
import { Timers } from './timers.ts'
import { Watch } from './watch.ts'

export interface SupervisorDependencies {
  openStore(options: SupervisorOptions): Store | Promise<Store>
  emit(message: SupervisorMessage): void
  /** It has said that it cannot go on, and has closed its store: it is to be let go. */
  failed(): void
  /** The host is ending: no commit may begin any more. */
  isStopRequested(): boolean
  readonly clock: Clock
  /** The file a worker thread begins with. */
  readonly actorEntry: string
  /** Default: worker threads, by Piscina. */
  readonly openPool?: (options: PoolOptions, listener: PoolListener) => Pool
  readonly probe?: Probe
}

/** Runs recovered, and queue places read, in one commit. */
const RECOVERY_PAGE = 1000
/** Refusals between two errors in the log, once they come at the longest delay; the others are for debugging. */
const REFUSALS_A_LINE = 12
/** How long closing waits for the threads to end: JavaScript does so at once. */
const END_THREADS_MS = 5000
/** A large store is looked at for so long, so often: a tenth of the time of this thread, about a minute for each GiB. */
const LOOK_FOR_MS = 2
const LOOK_EVERY_MS = 20
/** Closing with a store that refuses: how often the last commit is tried. */
const LAST_COMMIT_TRIES = 3

export class Supervisor {
  readonly #deps: SupervisorDependencies
  readonly #store: Store
  readonly #parts: ShellParts
  readonly #shell: Shell
  readonly #door: Door
  readonly #watch: Watch
  readonly #delays: RecordableHistogram = createHistogram()
  #looks: Alarm | undefined
  #closing: Promise<'threads-ended' | 'threads-left'> | undefined

  /**
   * Opens the store, boots the threads, recovers unfinished runs.
   * A failed start undoes what it had done, in reverse order.
   * @throws StoreInUseError, StoreFormatError, StoreUnavailableError, WorkflowModuleError
   */
  static async open(options: SupervisorOptions, deps: SupervisorDependencies): Promise<Supervisor> {
    const store = await deps.openStore(options)
    const supervisor = new Supervisor(options, deps, store)
    for (const worry of store.worries ?? []) supervisor.#log('warn', { event: 'store-exposed' }, worry)
    try {
      const workflows = await supervisor.#parts.pool.start()
      supervisor.#parts.starts.define(workflows)
      supervisor.#recover()
      supervisor.#shell.schedules.load()
      supervisor.#parts.timers.start()
      supervisor.#parts.commits.schedule()
      supervisor.#lookOn()
    } catch (error) {
      supervisor.#watch.stop()
      supervisor.#parts.places.stop()
      supervisor.#parts.timers.stop()
      supervisor.#parts.commits.stop()
      await supervisor.#parts.pool.destroy()
      await store.close()
      throw error
    }
    return supervisor
  }

  private constructor(options: SupervisorOptions, deps: SupervisorDependencies, store: Store) {
    const { clock } = deps
    const threadHeapMiB = options.threadHeapMiB ?? defaultHeapMiB()
    this.#deps = deps
    this.#store = store
    const runs = new Runs(store, () => { this.#parts.commits.schedule() })
    const openPool = deps.openPool ?? ((...parts: ConstructorParameters<typeof ThreadPool>) => new ThreadPool(...parts))
    const timed = <T>(work: () => T): T => this.#timed(work)
    this.#parts = {
      store, clock, runs,
      starts: new Starts(store, runs, clock),
      queues: new Queues(store, clock),
      commits: new Commits(store, clock, {
        gather: () => { this.#shell.admitWaiting() },
        committed: () => { runs.settle() },
        refused: (error, attempt, retryMs) => { this.#refused(error, attempt, retryMs) },
        recovered: () => { this.#log('info', { event: 'store-recovered' }, 'The store takes commits again.') },
        isStopRequested: () => deps.isStopRequested(),
      }),
      timers: new Timers(clock, (after, limit) => store.scanTimers(after, limit), rows => { timed(() => { this.#shell.timersDue(rows) }) },
        () => !this.#parts.commits.isRefused),
      pool: openPool({
        threads: options.threads,
        modules: options.modules,
        entry: deps.actorEntry,
        ...(deps.probe?.time && { time: deps.probe.time }),
        // What a test breaks is to break at the same place each time.
        ...(deps.probe?.crashesAt && { tellsEveryStart: true }),
        threadHeapMiB,
      }, {
        facts: (threadId, facts) => { timed(() => { this.#shell.facts(threadId, facts) }) },
        threadReady: (_, pulse) => {
          if (pulse !== undefined) {
            this.#watch.add(pulse)
            this.#parts.places.add(pulse)
          }
          this.#parts.commits.schedule()
        },
        released: (threadId, key, incarnation) => { this.#shell.released(threadId, key, incarnation) },
        threadEnded: (threadId, end) => {
          this.#watch.remove(threadId)
          this.#parts.places.remove(threadId)
          this.#shell.threadEnded(threadId, end)
        },
        argsChecked: message => { this.#shell.children.argsChecked(message.requestId, message) },
        bootFailed: error => { this.#log('error', { event: 'thread-boot-failed', error }, `A worker thread could not be started again: ${String(error)}`) },
      }),
      actorsPerThread: options.actorsPerThread,
      places: new Places(options.actorsPerThread, () => { this.#parts.commits.schedule() }),
      probe: deps.probe,
      outcomeRecorded: state => { this.#door.outcomeRecorded(state) },
      changed: state => { this.#door.changed(state) },
      log: (level, fields, message) => { this.#log(level, fields, message) },
    }
    this.#watch = new Watch({ ...this.#parts, threadHeapMiB, threadBuffersMiB: options.threadBuffersMiB ?? Infinity })
    this.#shell = new Shell(this.#parts)
    this.#door = new Door(this.#shell, this.#parts, message => { deps.emit(message) }, () => this.#stats())
    deps.probe?.watch?.(this.#parts)
  }

  get workflows(): readonly string[] {
    return this.#parts.starts.known
  }

  /** Nothing happens any more unless time passes or somebody asks for something. */
  get isStill(): boolean {
    return isStill(this.#parts, this.#shell)
  }

  /** Ids of runs whose actors do not merely wait. */
  atWork(): readonly string[] {
    return runsAtWork(this.#parts)
  }

  receive(message: HostMessage): void {
    if (message.type === 'forget-request') return this.#door.forget(message.requestId)
    if (message.type === 'start-part') return this.#door.receivePart(message.requestId, message.runs)
    const { requestId, request } = message
    if (request.type === 'close-supervisor') {
      void this.close(request.mode, request.timeoutMs).then(() => { this.#deps.emit({ type: 'reply', requestId, value: undefined }) })
      return
    }
    this.#timed(() => { this.#door.receive(requestId, request) })
  }

  /** In reverse order of start: admission, actors, timers, commits flushed, store closed. */
  close(mode: 'drain' | 'abandon', timeoutMs: number): Promise<'threads-ended' | 'threads-left'> {
    return this.#closing ??= this.#close(mode, timeoutMs)
  }

  /** The host's process is ending: the store is closed at once, and nothing more is acknowledged. */
  async stopNow(): Promise<void> {
    this.#looks?.cancel()
    this.#watch.stop()
    this.#parts.places.stop()
    this.#parts.commits.stop()
    this.#parts.timers.stop()
    await this.#store.close()
  }

  /** Native code that does not return cannot be ended: after a while its thread is left to itself. */
  endThreads(): Promise<'threads-ended' | 'threads-left'> {
    return new Promise((resolve, reject) => {
      const patience = setTimeout(() => {
        this.#log('warn', { event: 'threads-left' }, 'A step is in native code that does not return; its thread could not be ended, and goes on until the call returns or the process ends.')
        resolve('threads-left')
      }, END_THREADS_MS)
      this.#parts.pool.destroy().then(() => {
        clearTimeout(patience)
        resolve('threads-ended')
      }, reject)
    })
  }

  async #close(mode: 'drain' | 'abandon', timeoutMs: number): Promise<'threads-ended' | 'threads-left'> {
    const { commits, pool, timers, clock } = this.#parts
    this.#shell.admission.close()
    this.#door.close()
    if (mode === 'drain' && timeoutMs > 0) {
      await new Promise<void>(resolve => {
        const alarm = clock.schedule(timeoutMs, resolve)
        void this.#shell.whenQuiet().then(() => {
          alarm.cancel()
          resolve()
        })
      })
    }
    pool.drain()
    this.#looks?.cancel()
    this.#watch.stop()
    this.#parts.places.stop()
    const ended = await this.endThreads()
    timers.stop()
    this.#shell.abandonAll()
    for (let tries = 0; tries < LAST_COMMIT_TRIES && !commits.commit(); tries++) { /* refused: it was logged */ }
    commits.stop()
    await this.#store.close()
    return ended
  }

  /** From indexes, not by reading every run: what ran goes back to the queue, and the queue is as it was. */
  #recover(): void {
    const { runs, commits, queues } = this.#parts
    const holders = queues.load()
    let recovered = 0
    for (let after: RunKey | undefined; ;) {
      const page = this.#store.runsInStatus('running', after, RECOVERY_PAGE)
      for (const key of page) {
        const state = runs.get(key)
        if (state !== undefined) this.#shell.hear(state, { type: 'process-died' })
      }
      recovered += page.length
      after = page.at(-1)
      if (page.length < RECOVERY_PAGE) break
    }
    for (let after: QueuePlace | undefined; ;) {
      const page = this.#store.scanQueue(after, RECOVERY_PAGE)
      for (const place of page) this.#shell.admission.push({ ...place, holdsPlace: holders.has(place.key) })
      after = page.at(-1)
      if (page.length < RECOVERY_PAGE) break
    }
    for (const name of queues.limited()) this.#shell.boundsChanged(name)
    commits.commit()
    if (recovered > 0) this.#log('info', { event: 'recovered', runs: recovered }, `${recovered} runs were at work when the last process ended; they go on from their last checkpoints.`)
  }

  /** A large store is looked at for damage while it is in use: a little at a time, so that nobody waits for it. */
  #lookOn(): void {
    if (this.#store.lookOn === undefined) return
    this.#looks = this.#parts.clock.schedule(LOOK_EVERY_MS, () => {
      this.#looks = undefined
      try {
        if (this.#timed(() => this.#store.lookOn!(LOOK_FOR_MS))) this.#lookOn()
      } catch (error) {
        this.#refused(error, 0, 0)
      }
    })
  }

  #refused(error: unknown, attempt: number, retryMs: number): void {
    // Tried again is what may pass by itself. Whatever else it is, a new supervisor has to begin from what is durable.
    if (this.#store.isBroken || !(error instanceof StoreUnavailableError)) {
      this.#deps.emit({ type: 'supervisor-failed', error: refusalBytes(error), isStoreBroken: this.#store.isBroken })
      const failed = (): void => {
        // On a thread of its own they go with it; otherwise nobody would end them.
        void this.#parts.pool.destroy()
        this.#deps.failed()
      }
      void this.stopNow().then(failed, failed)
      return
    }
    // While it goes on, once a minute is loud enough.
    const level = retryMs === LONGEST_RETRY_MS && attempt % REFUSALS_A_LINE !== 0 ? 'debug' : 'error'
    this.#log(level, { event: 'commit-refused', attempt, retryMs, error },
      `The store refused a commit (${String(error)}); nothing is acknowledged meanwhile, and it is tried again in ${retryMs} ms.`)
  }

  #log(level: 'debug' | 'info' | 'warn' | 'error', fields: object, message: string): void {
    const { error, ...plain } = fields as { readonly error?: unknown }
    this.#deps.emit({ type: 'log', level, fields: error === undefined ? plain : { ...plain, error: refusalBytes(error) }, message })
  }

  /** How long the supervisor is deaf while it works on something. */
  #timed<T>(work: () => T): T {
    const startedMs = monotonicMs()
    try {
      return work()
    } finally {
      this.#delays.record(Math.max(1, Math.round((monotonicMs() - startedMs) * 1e6)))
    }
  }

  #stats(): SupervisorStats {
    const { commits, pool } = this.#parts
    const toMs = (nanoseconds: number): number => nanoseconds / 1e6
    const eventLoopDelayMs = this.#delays.count === 0 ? { p50: 0, p99: 0, max: 0 }
      : { p50: toMs(this.#delays.percentile(50)), p99: toMs(this.#delays.percentile(99)), max: toMs(this.#delays.max) }
    this.#delays.reset()
    return {
      runs: countByStatus(status => this.#store.countRuns({ statuses: [status], order: 'oldest-first' })),
      threads: pool.measure(),
      steps: { ...this.#shell.steps },
      respawns: this.#shell.respawns,
      commits: commits.stats,
      eventLoopDelayMs,
      storeBytes: this.#store.sizeBytes(),
    }
  }
}
