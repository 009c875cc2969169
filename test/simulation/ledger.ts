/** What the code of simulated runs has seen and done, held against the store: G1, G4, G5 and G7. */
import { readEntryHead } from '../../lib/codec/entry.ts'
import { decodeWait } from '../../lib/codec/wait.ts'
import type { Store } from '../../lib/store/contract.ts'
import type { CurrentRun, CurrentStep } from '../../lib/workflow/index.ts'
import type { StepPlan } from './language.ts'
import type { Schedule } from './schedule.ts'
import type { SimulatedThread } from './thread.ts'

interface Life {
  /** Outcomes seen so far. */
  at: number
  isEnding: boolean
}

interface Execution {
  readonly incarnation: number
  readonly thread: SimulatedThread
  readonly step: CurrentStep
  /** From then on nobody waits for its code any more. */
  readonly timesOutAtMs: number
}

export class Ledger {
  readonly #store: Store
  readonly #schedule: Schedule
  readonly #wrong: (problem: string) => void
  /** Outcomes that the code of each run has seen, in their order: whatever life comes, it sees the same. */
  readonly #stories = new Map<string, string[]>()
  readonly #lives = new Map<string, Map<number, Life>>()
  /** Code of steps that is under way. */
  readonly #executions = new Map<string, Set<Execution>>()
  readonly #times = new Map<string, number>()
  /** Messages by their text: whose they are. */
  readonly sent = new Map<string, string>()
  /** Of these runs something was forgotten, or they were copied: what they did may have been done more than once. */
  readonly rewritten = new Set<string>()
  executed = 0

  constructor(store: Store, schedule: Schedule, wrong: (problem: string) => void) {
    this.#store = store
    this.#schedule = schedule
    this.#wrong = wrong
  }

  // ---- what the code sees ----------------------------------------------------------------------------------------

  saw({ id, incarnation }: CurrentRun, path: string, what: string): void {
    const life = this.#life(id, incarnation)
    if (life.isEnding) return
    const story = this.#stories.get(id) ?? []
    this.#stories.set(id, story)
    const seen = `${path}: ${what}`
    const before = story[life.at++]
    if (before === undefined) story.push(seen)
    else if (before !== seen) this.#wrong(`life ${incarnation} of run ${id} sees "${seen}" where an earlier one saw "${before}" (G7)`)
  }

  ending({ id, incarnation }: CurrentRun): void {
    this.#life(id, incarnation).isEnding = true
  }

  /** Its journal was cut, or it is gone, and its id is free. */
  forget(id: string): void {
    this.rewritten.add(id)
    this.#stories.delete(id)
    for (const life of this.#lives.get(id)?.values() ?? []) life.isEnding = true
  }

  times(id: string, path: string): number {
    const place = `${id} ${path}`
    const times = (this.#times.get(place) ?? 0) + 1
    this.#times.set(place, times)
    return times
  }

  message(id: string, path: string): string {
    const text = `${id} ${path} #${this.sent.size}`
    this.sent.set(text, id)
    return text
  }

  #life(id: string, incarnation: number): Life {
    const lives = this.#lives.get(id) ?? new Map<number, Life>()
    this.#lives.set(id, lives)
    let life = lives.get(incarnation)
    if (life === undefined) lives.set(incarnation, life = { at: 0, isEnding: false })
    return life
  }

  // ---- what the code does ----------------------------------------------------------------------------------------

  begins({ id, incarnation }: CurrentRun, step: CurrentStep, thread: SimulatedThread, plan: StepPlan): string {
    this.executed++
    const { index, attempt, name } = step
    const wrong = (problem: string): void => { this.#wrong(`run ${id}/${incarnation}, attempt ${attempt} of ${name} (${index}) begins, but ${problem}`) }
    const key = this.#store.findRun(id)
    const stored = key === undefined ? undefined : this.#store.loadRun(key)
    if (key === undefined || stored === undefined) {
      wrong('the store does not know the run')
      return ''
    }
    if (stored.progress.incarnation !== incarnation) wrong(`its life is ${stored.progress.incarnation} (G5)`)
    const heads = this.#store.readJournal(key, 0, Infinity).map(readEntryHead)
    if (heads.some(head => head.index === index)) wrong('its outcome is recorded (G1)')
    const row = stored.waits.find(wait => wait.index === index)
    const wait = row === undefined ? undefined : decodeWait(row.wait)
    const failed = wait?.type === 'retry' ? wait.attempts.length : 0
    if (attempt !== failed + 1) wrong(`${failed} attempts are recorded (G4)`)
    if (wait?.type === 'retry' && (wait.dueAtMs ?? Infinity) > this.#schedule.latestMs) wrong(`it is due at ${wait.dueAtMs} (G4)`)
    if (attempt > mostAttempts(plan)) wrong('its policy allows no such attempt')
    const timesOutAtMs = this.#schedule.passedMs + (plan.timeoutSeconds ?? Infinity) * 1000
    const others = [...this.#executions.get(id) ?? []].filter(other => other.thread.owner.alive && this.#schedule.passedMs < other.timesOutAtMs)
    for (const other of others) if (other.incarnation !== incarnation) wrong(`code of its life ${other.incarnation} still runs (G5)`)
    this.#executions.set(id, new Set([...others, { incarnation, thread, step, timesOutAtMs }]))
    return `${name} #${this.executed}`
  }

  isExecuting(id: string): boolean {
    return [...this.#executions.get(id) ?? []].some(({ thread }) => thread.owner.alive)
  }

  get isExecutingAny(): boolean {
    return [...this.#executions.keys()].some(id => this.isExecuting(id))
  }

  ends({ id }: CurrentRun, step: CurrentStep): void {
    const executions = this.#executions.get(id) ?? []
    this.#executions.set(id, new Set([...executions].filter(execution => execution.step !== step)))
  }
}

/** What crashes and what takes too long counts as a failed attempt, and is judged by the same policy. */
function mostAttempts({ retry, shouldRetry }: StepPlan): number {
  return retry === undefined || shouldRetry === 'no' || shouldRetry === 'throws' ? 1 : retry.maxAttempts
}
