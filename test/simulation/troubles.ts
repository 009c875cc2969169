/** What goes wrong in a simulation, and how often: threads and processes that die, a store that refuses, clocks that jump. */
import { encodeError } from '../../lib/codec/error.ts'
import type { Change } from '../../lib/store/contract.ts'
import type { Envelope, ToSupervisor } from '../../lib/protocol/actor.ts'
import type { Fault } from '../store/faulty-store.ts'
import { FAULTS } from '../store/faulty-store.ts'
import type { Simulation } from './simulation.ts'

const LATE = encodeError(new Error('late'))
const JUMPS_MS = [-3_600_000, -5000, -50, 50, 5000, 3_600_000, 90_000_000]

interface Rates {
  readonly thread: number
  readonly process: number
  readonly commit: number
  readonly clock: number
  readonly hold: number
}

export class Troubles {
  readonly counts: Record<string, number> = {}
  readonly #simulation: Simulation
  readonly #chosen: ((changes: readonly Change[]) => Fault | undefined) | undefined
  /** How often each comes, in 10,000 steps; drawn once, so that some simulations are calm in one way and wild in another. */
  readonly #rates: Rates
  #refusingUntil = 0
  /** When the store last refused, or took commits again. */
  refusedAtMs = -Infinity
  #isRefused = false
  #isOver = false

  constructor(simulation: Simulation, chosen: ((changes: readonly Change[]) => Fault | undefined) | undefined) {
    this.#simulation = simulation
    this.#chosen = chosen
    const { pick } = simulation.chance
    this.#rates = { thread: pick([0, 30, 150]), process: pick([0, 10, 60]), commit: pick([0, 50, 400]), clock: pick([0, 20, 150]), hold: pick([0, 300, 1500]) }
  }

  count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1
  }

  stop(): void {
    this.#isOver = true
    for (const thread of this.#simulation.process?.pool?.living ?? []) thread.hasOpen = false
  }

  /** Before a step. */
  act(): void {
    const { schedule } = this.#simulation
    if (this.#comes('hold')) {
      this.count('words delayed')
      schedule.holdOne()
    }
    const isRefusing = schedule.steps < this.#refusingUntil
    if (this.#comes('clock') || (isRefusing && this.#rates.clock > 0 && this.#simulation.chance.below(15) === 0)) this.#setClock()
    if (this.#comes('thread')) this.#thread()
    if (this.#comes('process')) this.#process()
  }

  /** Before a commit. */
  faultOf(changes: readonly Change[]): Fault | undefined {
    const fault = this.#faultOf(changes)
    if (fault !== undefined || this.#isRefused) this.refusedAtMs = this.#simulation.schedule.passedMs
    this.#isRefused = fault === 'refused'
    return fault
  }

  #faultOf(changes: readonly Change[]): Fault | undefined {
    if (this.#chosen !== undefined) {
      const fault = this.#isOver ? undefined : this.#chosen(changes)
      if (fault !== undefined) this.count(`commit ${fault}`)
      return fault
    }
    if (this.#isOver) return undefined
    const { chance, schedule } = this.#simulation
    if (schedule.steps < this.#refusingUntil) return 'refused'
    if (!this.#comes('commit')) return undefined
    const fault = chance.pick(FAULTS)
    this.count(`commit ${fault}`)
    if (fault === 'refused') this.#refusingUntil = schedule.steps + chance.below(30)
    return fault
  }

  /** The supervisor has said something to its host. */
  afterWord(): void {
    if (!this.#comes('process') || this.#simulation.chance.below(4) > 0) return
    this.count('process killed between two words')
    this.#simulation.replaceProcess('the process was killed between two words')
  }

  #comes(what: keyof Rates): boolean {
    return !this.#isOver && this.#chosen === undefined && this.#simulation.chance.below(10_000) < this.#rates[what]
  }

  #setClock(): void {
    const { schedule, chance, trace } = this.#simulation
    const ms = chance.pick(JUMPS_MS)
    this.count('clock set')
    trace.add(`  the clock is set by ${ms} ms`)
    schedule.jump(ms)
  }

  #thread(): void {
    const { chance, process } = this.#simulation
    const living = process?.pool?.living ?? []
    if (living.length === 0) return
    const thread = chance.pick(living)
    switch (chance.below(6)) {
      case 0:
        thread.hasOpen = !thread.hasOpen
        return
      case 1: return this.#sayLate(thread.id)
      case 2: return this.#isSilent(thread.id)
      default:
        this.count('thread killed')
        this.#simulation.trace.add(`  thread ${thread.id} is killed`)
        thread.end('was killed', undefined)
        if (chance.below(2) === 0) process!.pool!.loseLastWords(thread.id)
    }
  }

  /** Words of a life that is over, of a run that lives on this thread again (I2). */
  #sayLate(threadId: number): void {
    const { chance, process } = this.#simulation
    const pool = process!.pool!
    const lives = [...pool.living.find(({ id }) => id === threadId)!.actors.values()].filter(({ incarnation }) => incarnation > 1)
    if (lives.length === 0) return
    const { key, incarnation } = chance.pick(lives)
    const body = chance.pick<ToSupervisor>([
      { type: 'actor-passivated' }, { type: 'sleep-called', index: 77, durationMs: 10 }, { type: 'run-failed', error: LATE },
      { type: 'step-started', index: 78, name: 'late', attempt: 1, startedAtMs: 0, timeoutMs: undefined },
    ])
    const late: Envelope<ToSupervisor> = { key, incarnation: incarnation - 1, body }
    this.count('words of a former life')
    pool.sayLate(threadId, [late])
  }

  /** As when the watchdog finds that an attempt is past its time and does not yield. */
  #isSilent(threadId: number): void {
    const { parts, pool } = this.#simulation.process!
    for (const { life, running, meta: { key }, progress: { incarnation } } of parts!.runs.live()) {
      const [index] = [...running].find(([, { timeoutMs }]) => timeoutMs !== undefined) ?? []
      if (life.type !== 'live' || life.threadId !== threadId || index === undefined) continue
      this.count('thread that did not yield')
      pool!.endThread(threadId, { problem: 'did not yield', timedOut: { key, incarnation, index } })
      return
    }
  }

  #process(): void {
    const { chance, process } = this.#simulation
    if (process === undefined) return
    if (process.supervisor !== undefined && chance.below(4) === 0) {
      this.count('closed and opened')
      this.#simulation.trace.add('  it is closed')
      this.#simulation.close()
      return
    }
    this.count('process killed')
    this.#simulation.replaceProcess('the process was killed')
  }
}
