/**
 * The whole of it: a host, a supervisor on a memory store, and threads with real actors, under one clock and one source of
 * chance. One step is one thing that happens: a message arrives, a thread has its turn, an alarm rings, something dies.
 */
import type { Encoded } from '../../lib/codec/encoded.ts'
import type { SupervisorMessage, SupervisorOptions } from '../../lib/protocol/host.ts'
import type { Change, Store } from '../../lib/store/contract.ts'
import { createMemoryStore } from '../../lib/store/memory/index.ts'
import type { ShellParts } from '../../lib/supervisor/shell.ts'
import { Supervisor } from '../../lib/supervisor/supervisor.ts'
import { isFinished } from '../../lib/model/run.ts'
import { followTime } from '../../lib/system.ts'
import { currentScope } from '../../lib/workflow/context.ts'
import { watchBlame } from './blame.ts'
import { chanceOf } from '../chance.ts'
import type { Chance } from '../chance.ts'
import { faultyStore } from '../store/faulty-store.ts'
import type { Fault } from '../store/faulty-store.ts'
import { finalProblems } from './final-checks.ts'
import { QUEUE_BOUNDS, SimulatedHost } from './host.ts'
import { Ledger } from './ledger.ts'
import { livingProblems, settledProblems, stillProblems, timerName, watchStates } from './memory-checks.ts'
import type { Memory } from './memory-checks.ts'
import { SimulatedPool } from './pool.ts'
import { Schedule } from './schedule.ts'
import type { Channel, Owner } from './schedule.ts'
import { imageOf, storeProblems } from './store-checks.ts'
import type { Image } from './store-checks.ts'
import { homeOf } from './thread.ts'
import type { SimulatedThread } from './thread.ts'
import { Trace } from './trace.ts'
import { setStage } from './workflows.ts'
import type { Stage } from './workflows.ts'
import { Troubles } from './troubles.ts'

export interface SimulationOptions {
  readonly seed: number
  /** Things that happen before the host asks for nothing more and nothing goes wrong any more. */
  readonly steps?: number
  /** One fault at a chosen commit, instead of those that come by chance. */
  readonly faultOf?: (changes: readonly Change[]) => Fault | undefined
  readonly onLine?: (line: string) => void
}

export interface SimulationReport {
  readonly seed: number
  /** What was wrong, at the first step after which anything was. */
  readonly problems: readonly string[]
  /** Of everything that happened: equal for equal seeds. */
  readonly hash: string
  readonly lines: readonly string[]
  readonly steps: number
  readonly runs: number
  readonly executions: number
  readonly commits: number
  readonly simulatedMs: number
  readonly faults: Readonly<Record<string, number>>
  readonly changes: ReadonlySet<Change['type']>
}

/** A process: a supervisor with its threads. */
export interface Process {
  readonly owner: Owner
  readonly words: Channel
  pool: SimulatedPool | undefined
  parts: ShellParts | undefined
  supervisor: Supervisor | undefined
  readonly armed: Set<string>
  isClosing: boolean
}

const time = new SharedArrayBuffer(8)
const MOST_STEPS_TO_THE_END = 100_000
/** How often runs that are left are asked to end. */
const MOST_TIMES_ASKED = 4

export class Simulation {
  readonly chance: Chance
  readonly schedule: Schedule
  readonly store: Store = createMemoryStore()
  readonly ledger: Ledger
  readonly host: SimulatedHost
  readonly trace: Trace
  readonly world: Owner = { name: 'world', alive: true }
  process: Process | undefined
  /** Of the code that a new process runs. */
  isPatched = false
  readonly #options: SimulationOptions
  readonly #problems: string[] = []
  readonly #replies: Channel
  readonly #troubles: Troubles
  readonly #supervisorOptions: SupervisorOptions
  readonly #changes = new Set<Change['type']>()
  #image: Image
  #isChecked = true
  #processes = 0
  #commits = 0

  constructor(options: SimulationOptions) {
    this.#options = options
    this.chance = chanceOf(options.seed)
    this.schedule = new Schedule(this.chance)
    this.trace = new Trace(options.onLine)
    this.ledger = new Ledger(this.store, this.schedule, problem => { this.wrong(problem) })
    this.host = new SimulatedHost({
      chance: this.chance, schedule: this.schedule, store: this.store,
      send: message => { this.#send(message) },
      wrong: problem => { this.wrong(problem) },
    })
    this.#troubles = new Troubles(this, options.faultOf)
    this.#replies = this.schedule.channel('host', this.world)
    this.#supervisorOptions = { store: 'memory', modules: [], threads: 1 + this.chance.below(3), actorsPerThread: 1 + this.chance.below(4), durability: 'power-loss' }
    this.#image = imageOf(this.store)
  }

  wrong(problem: string): void {
    this.#problems.push(problem)
  }

  async run(): Promise<SimulationReport> {
    const { steps = 300 + this.chance.below(1200) } = this.#options
    const rejected = (error: unknown): void => { this.wrong(`a rejection that nobody handles: ${described(error)}`) }
    process.on('unhandledRejection', rejected)
    followTime(time)
    setStage(this.#stage())
    // From the beginning: bounds that are set later may be narrower than what is at work.
    this.store.commit(Object.entries(QUEUE_BOUNDS).map(([name, bounds]) => (
      { type: 'setting-put', kind: 'queue', name, record: Buffer.from(JSON.stringify(bounds)) as Uint8Array as Encoded })))
    this.openProcess()
    try {
      for (let step = 0; step < steps && this.#problems.length === 0; step++) {
        if (this.chance.below(12) === 0) this.host.act()
        this.#troubles.act()
        await this.#step()
      }
      await this.#toTheEnd()
      if (this.#problems.length === 0) this.#problems.push(...finalProblems(this))
    } finally {
      this.kill()
      process.off('unhandledRejection', rejected)
    }
    return {
      seed: this.#options.seed, problems: this.#problems, hash: this.trace.hash, lines: this.trace.last, steps: this.schedule.steps, runs: this.#image.runs.size,
      executions: this.ledger.executed, commits: this.#commits, simulatedMs: this.schedule.passedMs, faults: this.#troubles.counts, changes: this.#changes,
    }
  }

  /** One thing happens, with all that it sets off at once. False: there is nothing left. */
  async #step(): Promise<boolean> {
    if (this.schedule.isStill) this.#checkStill()
    const happening = this.schedule.next()
    if (happening === undefined) return false
    this.trace.add(`${this.schedule.steps} ${this.schedule.nowMs} ${happening.what}`)
    Atomics.store(new BigInt64Array(time), 0, BigInt(Math.round(this.schedule.nowMs)))
    const { process: at } = this
    try {
      happening.act()
    } catch (error) {
      // What a dead process throws, nobody hears.
      if (at === this.process) this.wrong(`the supervisor threw ${described(error)}`)
    }
    await new Promise(resolve => { setImmediate(resolve) })
    this.process?.pool?.flush()
    this.#check()
    return true
  }

  /** Nothing goes wrong any more: every run comes to its outcome, and every question to its answer. */
  async #toTheEnd(): Promise<void> {
    this.#troubles.stop()
    let asked = 0
    for (let step = 0; this.#problems.length === 0; step++) {
      // Again and again: the arguments of one that is being set may still be looked at in a thread.
      if (step % 500 === 0) for (const name of ['s0', 's1']) this.host.ask({ type: 'remove-schedule', name })
      if (step > MOST_STEPS_TO_THE_END) return this.wrong('it does not come to an end')
      if (await this.#step()) continue
      const left = [...this.#image.runs.values()].filter(({ progress }) => !isFinished(progress.status))
      // What waits for what nobody will send waits for ever, by right: it is asked to end. So is who came after that: a run may get the place of one that has ended, and start a child.
      if (left.length === 0 || asked++ === MOST_TIMES_ASKED) return
      for (const { meta: { id } } of left) this.host.ask({ type: 'cancel-run', id, graceMs: 100, children: false })
    }
  }

  // ---- processes -------------------------------------------------------------------------------------------------

  openProcess(): void {
    const owner: Owner = { name: `p${++this.#processes}`, alive: true }
    const opened: Process = {
      owner, words: this.schedule.channel(`${owner.name} host's words`, owner), pool: undefined, parts: undefined, supervisor: undefined, armed: new Set(), isClosing: false,
    }
    this.process = opened
    Supervisor.open(this.#supervisorOptions, {
      clock: this.schedule.clockOf(owner),
      actorEntry: '',
      isStopRequested: () => !owner.alive,
      emit: message => { this.#emitted(opened, message) },
      failed: () => { if (owner.alive) this.#replace('the supervisor failed') },
      openStore: () => faultyStore(this.store, {
        keepsOpen: true,
        faultOf: changes => owner.alive ? this.#troubles.faultOf(changes) : 'refused',
        kill: () => { this.replaceProcess('the process was killed in a commit') },
        applied: changes => { this.#applied(changes) },
      }),
      openPool: ({ threads }, listener) => opened.pool = new SimulatedPool(threads, listener, {
        schedule: this.schedule, chance: this.chance, owner, version: this.isPatched ? 'after' : 'before',
        telling: (key, incarnation, order) => { this.#checkTold(key, incarnation, order) },
        spawning: ({ key, incarnation }) => { this.#checkIncarnation(key, incarnation) },
        ending: (threadId, isDeliberate, sentence) => {
          const look = watchBlame(opened.parts!, opened.pool!, { threadId, isDeliberate, timedOut: sentence?.timedOut?.key })
          return () => { this.#problems.push(...look()) }
        },
      }),
      probe: { watch: parts => { this.#watch(opened, parts) } },
    }).then(supervisor => {
      if (!owner.alive) return
      opened.supervisor = supervisor
      this.trace.add(`${owner.name} is open`)
      this.host.askAgain()
    }, (error: unknown) => {
      if (owner.alive) this.wrong(`open() failed with ${described(error)}`)
    })
  }

  #watch(opened: Process, parts: ShellParts): void {
    opened.parts = parts
    watchStates(parts, problem => { this.wrong(problem) })
    const { timers } = parts
    const arm = timers.arm.bind(timers)
    timers.arm = row => {
      opened.armed.add(timerName(row))
      arm(row)
    }
    const start = timers.start.bind(timers)
    timers.start = () => {
      for (const row of this.store.scanTimers(undefined, 1e6)) opened.armed.add(timerName(row))
      start()
    }
  }

  /** All that is in its memory is gone, and so is what was said to and by it and has not arrived. */
  kill(): void {
    if (this.process === undefined) return
    this.process.owner.alive = false
    for (const thread of this.process.pool?.living ?? []) thread.owner.alive = false
    this.process = undefined
  }

  /** Its host may die with it, or be the one that opens the next. */
  replaceProcess(why: string): void {
    if (this.chance.below(2) === 0) this.#replace(why)
    else {
      this.#replies.queue.length = 0
      this.host.die()
      this.#replace(`${why}, with its host`)
    }
  }

  #replace(why: string): void {
    this.trace.add(why)
    this.kill()
    if (this.chance.below(8) === 0) this.isPatched = true
    this.schedule.postAlone(this.world, 'a process begins', () => { this.openProcess() })
  }

  /** As a host does that wants to go. */
  close(): void {
    const { process: closing } = this
    if (closing?.supervisor === undefined || closing.isClosing) return
    closing.isClosing = true
    void closing.supervisor.close(this.chance.pick(['drain', 'abandon']), this.chance.pick([0, 100, 30_000])).then(() => {
      if (!closing.owner.alive) return
      this.host.die()
      this.#replace('it was closed')
    })
  }

  // ---- words -----------------------------------------------------------------------------------------------------

  #send(message: Parameters<Supervisor['receive']>[0]): void {
    const { process: to } = this
    // What is asked before it is open is asked once it is.
    if (to?.supervisor === undefined || to.isClosing || message.type !== 'request') return
    this.schedule.post(to.words, message.request.type, () => { to.supervisor!.receive(message) })
  }

  #emitted(from: Process, message: SupervisorMessage): void {
    if (!from.owner.alive) return
    if (message.type === 'log') {
      this.trace.add(`  ${message.level}: ${message.message}`)
      if ((message.fields as { readonly event?: string }).event === 'run-diverged') this.wrong(`${message.message} (G7)`)
      return
    }
    if (!from.isClosing) this.host.overhear(message)
    this.schedule.post(this.#replies, message.type, () => { this.host.received(message) })
    this.#troubles.afterWord()
  }

  // ---- checks ----------------------------------------------------------------------------------------------------

  #applied(changes: readonly Change[]): void {
    this.#commits++
    this.trace.add(`  commit: ${changes.map(change => change.type).join(', ')}`)
    for (const change of changes) {
      this.#changes.add(change.type)
      if (change.type === 'entries-forgotten') this.ledger.forget(this.#image.runs.get(change.key)?.meta.id ?? '')
      if (change.type === 'run-started' && change.meta.forkedFrom !== undefined) this.ledger.rewritten.add(change.meta.id)
      if (change.type !== 'run-deleted') continue
      this.ledger.forget(change.meta.id)
      this.host.promised.delete(change.meta.id)
      if (!isFinished(change.progress.status)) this.wrong(`run ${change.meta.id} was deleted, and was not finished (G2)`)
    }
    this.#image = imageOf(this.store)
    this.#isChecked = false
    for (const problem of storeProblems(this.store, this.#image)) this.wrong(problem)
    for (const id of this.host.promised) if (this.store.findRun(id) === undefined) this.wrong(`run ${id} was acknowledged, and is not in the store (G2)`)
  }

  get #memory(): Memory | undefined {
    const { process: at } = this
    if (at?.parts === undefined || at.pool === undefined || at.supervisor === undefined) return undefined
    return { parts: at.parts, pool: at.pool, store: this.store, schedule: this.schedule, ledger: this.ledger, armed: at.armed, refusedAtMs: this.#troubles.refusedAtMs }
  }

  #check(): void {
    const memory = this.#memory
    if (memory === undefined || this.process!.isClosing) return
    this.#problems.push(...livingProblems(memory))
    if (memory.parts.commits.stats.waiting > 0 || this.#isChecked) return
    this.#isChecked = true
    this.#problems.push(...settledProblems(memory, this.#image))
  }

  #checkStill(): void {
    const memory = this.#memory
    if (memory === undefined || this.process!.isClosing || this.schedule.isAboutToGoOn) return
    if (memory.parts.commits.stats.waiting > 0) {
      // The longest delay of its retries, and a little.
      if (this.schedule.nextRingMs - memory.refusedAtMs > 6000) this.wrong('all is still, and what was decided waits for a store that nobody asks (G8)')
      return
    }
    this.#problems.push(...stillProblems(memory, this.#image))
  }

  /** What an actor is told is durable (I1). */
  #checkTold(key: number, incarnation: number, order: { readonly type: string, readonly index?: number, readonly position?: number }): void {
    this.#checkIncarnation(key, incarnation)
    const { type, position } = order
    const stored = this.store.loadRun(key as never)
    // A life that is over is told what may have been forgotten since.
    if (stored === undefined || stored.progress.incarnation !== incarnation || (stored.progress.status !== 'running' && stored.progress.status !== 'waiting')) return
    if (position !== undefined && position >= stored.journalLength) this.wrong(`run ${key} is told ${type} of an entry that is not in the store (I1)`)
  }

  #checkIncarnation(key: number, incarnation: number): void {
    const stored = this.store.loadRun(key as never)
    if (stored !== undefined && stored.progress.incarnation < incarnation) this.wrong(`life ${incarnation} of run ${key} is spoken to before it is in the store (I1)`)
  }

  // ---- the stage of the workflows' code --------------------------------------------------------------------------

  #stage(): Stage {
    const { ledger, schedule } = this
    const home = (): SimulatedThread => homeOf(currentScope.getStore()!.owner!)!
    const run = (): { readonly id: string, readonly workflow: string, readonly incarnation: number } => currentScope.getStore()!.run
    // Code of a thread that is gone goes on to its next await, and nobody sees it.
    const ifAlive = (act: () => void): void => { if (home().owner.alive) act() }
    const isPatched = (): boolean => this.isPatched
    return {
      get isPatched() { return isPatched() },
      saw: (path, what) => { ifAlive(() => { ledger.saw(run(), path, what) }) },
      ending: () => { ledger.ending(run()) },
      begins: plan => {
        let value = ''
        ifAlive(() => { value = ledger.begins(run(), currentScope.getStore()!.step!, home(), plan) })
        return value
      },
      ends: () => { ledger.ends(run(), currentScope.getStore()!.step!) },
      outside: () => new Promise(resolve => { schedule.postAlone(home().owner, 'what a step waits for', resolve) }),
      after: ms => new Promise(resolve => { home().clock.schedule(ms, resolve) }),
      die: index => {
        const { key, incarnation } = currentScope.getStore()!.owner as never
        ifAlive(() => {
          this.#troubles.count('thread ended by its own code')
          home().exits('exited', { key, incarnation, index })
        })
        return new Promise(() => {})
      },
      times: path => ledger.times(run().id, path),
      message: path => ledger.message(run().id, path),
    }
  }
}

function described(error: unknown): string {
  return error instanceof Error ? error.stack ?? error.message : String(error)
}

