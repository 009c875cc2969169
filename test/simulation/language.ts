/** Programs of durable operations for simulated runs, and random ones. */
import type { Chance } from '../chance.ts'

/** What the code of a step does while it runs. */
export type Body =
  | { readonly type: 'at-once' }
  /** Waits for something outside. */
  | { readonly type: 'awaits' }
  /** Takes this long, and stops when its signal says so, unless it is deaf. */
  | { readonly type: 'takes', readonly ms: number, readonly deaf: boolean }

export interface StepPlan {
  readonly do: 'step'
  readonly body: Body
  /** This many attempts fail. */
  readonly failures: number
  readonly error: 'plain' | 'retry-after' | 'non-retryable'
  /** This many attempts end their thread. */
  readonly deaths: number
  readonly large: boolean
  readonly retry?: { readonly maxAttempts: number, readonly intervalSeconds: number, readonly jitter: number }
  readonly shouldRetry?: 'yes' | 'no' | 'throws'
  readonly timeoutSeconds?: number
}

export type Op =
  | StepPlan
  | { readonly do: 'sleep', readonly seconds: number }
  | { readonly do: 'now' }
  /** Some microtasks of the workflow's own. */
  | { readonly do: 'hops', readonly count: number }
  | { readonly do: 'receive', readonly topic?: string, readonly timeoutSeconds?: number }
  | { readonly do: 'send', readonly to: string, readonly topic?: string }
  | { readonly do: 'set-event', readonly key: string }
  | { readonly do: 'get-event', readonly of: string, readonly key: string, readonly timeoutSeconds?: number }
  | { readonly do: 'write', readonly stream: string }
  | { readonly do: 'close', readonly stream: string }
  | { readonly do: 'child', readonly mode: 'call' | 'start' | 'start-and-await', readonly workflow: string, readonly program: readonly Op[], readonly queue?: string, readonly timeoutSeconds?: number }
  /** The first lives to come here end their thread outside any step. */
  | { readonly do: 'die', readonly times: number }
  /** Code that was changed while runs were under way. */
  | { readonly do: 'patch', readonly before: readonly Op[], readonly after: readonly Op[] }
  | { readonly do: 'all' | 'race', readonly parts: readonly (readonly Op[])[] }
  | { readonly do: 'try', readonly part: readonly Op[] }

export const WORKFLOWS = ['plain', 'alone', 'checked', 'fragile'] as const
export const QUEUES = ['narrow', 'keyed', 'rated'] as const
const TOPICS = [undefined, 'a', 'b']
const KEYS = ['k', 'l']

/** How much of what a simulation has; drawn once for each, so that simulations differ more than by chance alone. */
export interface Taste {
  readonly failing: number
  readonly dying: number
  readonly waiting: number
  readonly concurrent: number
  /** Operations in a program, at most. */
  readonly length: number
}

export function tasteOf(chance: Chance): Taste {
  return { failing: chance.below(4), dying: chance.below(3), waiting: 1 + chance.below(6), concurrent: chance.below(4), length: chance.pick([3, 5, 5, 9]) }
}

export class Programs {
  readonly #chance: Chance
  readonly #taste: Taste
  readonly #runs: readonly string[]

  /** `runs`: ids that programs speak to; not all of them need exist. */
  constructor(chance: Chance, taste: Taste, runs: readonly string[]) {
    this.#chance = chance
    this.#taste = taste
    this.#runs = runs
  }

  program(depth: number, most = this.#taste.length): Op[] {
    return Array.from({ length: 1 + this.#chance.below(most) }, () => this.#op(depth))
  }

  #op(depth: number): Op {
    const { failing, dying, waiting, concurrent } = this.#taste
    const weighted: [number, () => Op][] = [
      [8, () => this.#step()],
      [1, () => ({ do: 'now' })],
      [1, () => ({ do: 'hops', count: 1 + this.#chance.below(4) })],
      [waiting, () => ({ do: 'sleep', seconds: this.#seconds() })],
      [waiting, () => this.#message()],
      [1, () => ({ do: 'set-event', key: this.#chance.pick(KEYS) })],
      [1, () => ({ do: 'write', stream: 's' })],
      [dying * 0.3, () => ({ do: 'die', times: this.#chance.pick([1, 1, 2, 3, 7]) })],
      [0.2, () => ({ do: 'close', stream: 's' })],
    ]
    if (depth > 0) {
      weighted.push(
        [2, () => this.#child(depth - 1)],
        [concurrent, () => ({ do: this.#chance.pick(['all', 'race']), parts: this.#parts(depth - 1) })],
        [1 + failing, () => ({ do: 'try', part: this.program(depth - 1, 3) })])
    }
    // Calls that a change of the code adds must not come between the calls of branches side by side.
    if (depth === 2) weighted.push([1, () => ({ do: 'patch', before: this.program(0, 2), after: this.program(0, 2) })])
    let left = this.#chance.next() * weighted.reduce((sum, [weight]) => sum + weight, 0)
    for (const [weight, make] of weighted) if ((left -= weight) < 0) return make()
    return this.#step()
  }

  #parts(depth: number): Op[][] {
    return Array.from({ length: 2 + this.#chance.below(2) }, () => this.program(depth, 2))
  }

  #step(): StepPlan {
    const { next, below, pick } = this.#chance
    const { failing, dying } = this.#taste
    const fails = below(10) < failing
    const dies = below(14) < dying
    const body: Body = pick([
      { type: 'at-once' }, { type: 'at-once' }, { type: 'awaits' }, { type: 'awaits' },
      { type: 'takes', ms: pick([10, 1000, 30_000]), deaf: below(4) === 0 },
    ] as const)
    return {
      do: 'step', body, failures: fails ? 1 + below(3) : 0, deaths: dies ? 1 + below(2) : 0, large: below(12) === 0,
      error: pick(['plain', 'plain', 'plain', 'retry-after', 'non-retryable']),
      ...(below(3) > 0 && { retry: { maxAttempts: 1 + below(4), intervalSeconds: pick([0, 0.05, 1, 60, 86_400]), jitter: below(2) * next() } }),
      ...(below(8) === 0 && { shouldRetry: pick(['yes', 'no', 'throws'] as const) }),
      ...(below(6) === 0 && { timeoutSeconds: pick([0.5, 5, 60]) }),
    }
  }

  #message(): Op {
    const topic = this.#chance.pick(TOPICS)
    const of = this.#chance.pick(this.#runs)
    const timeoutSeconds = this.#chance.below(3) === 0 ? undefined : this.#seconds()
    switch (this.#chance.below(4)) {
      case 0: return { do: 'receive', ...(topic !== undefined && { topic }), ...(timeoutSeconds !== undefined && { timeoutSeconds }) }
      case 1: return { do: 'get-event', of, key: this.#chance.pick(KEYS), ...(timeoutSeconds !== undefined && { timeoutSeconds }) }
      default: return { do: 'send', to: of, ...(topic !== undefined && { topic }) }
    }
  }

  #child(depth: number): Op {
    return {
      do: 'child', mode: this.#chance.pick(['call', 'start', 'start-and-await']), workflow: this.#chance.pick(WORKFLOWS), program: this.program(depth, 2),
      ...(this.#chance.below(4) === 0 && { queue: this.#chance.pick(QUEUES) }),
      ...(this.#chance.below(5) === 0 && { timeoutSeconds: this.#seconds() + 1 }),
    }
  }

  #seconds(): number {
    return this.#chance.pick([0, 0.001, 0.1, 1, 20, 300, 3600, 86_400])
  }
}
