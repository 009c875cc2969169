/** Programs for the model test: what their runs do, what their host does meanwhile, and how fast-check makes them up. */
import fc from 'fast-check'

/** Whole milliseconds. No two sums of different durations of one program are equal, so that nothing is due at the same moment by chance. */
type Ms = number

export type Op =
  | { readonly op: 'step', readonly value: number }
  | { readonly op: 'fail' }
  /** A step whose first attempt fails. */
  | { readonly op: 'retry', readonly ms: Ms }
  | { readonly op: 'sleep', readonly ms: Ms }
  /** One sender and one receiver share a topic: two senders at one moment may come in either order. */
  | { readonly op: 'send', readonly to: number, readonly topic: string, readonly value: number }
  | { readonly op: 'receive', readonly topic: string, readonly ms?: Ms }
  | { readonly op: 'publish', readonly key: string, readonly value: number }
  | { readonly op: 'look', readonly of: number, readonly key: string, readonly ms?: Ms }
  | { readonly op: 'child', readonly id: string, readonly mode: 'call' | 'start', readonly ops: readonly Op[] }
  | { readonly op: 'all', readonly branches: readonly (readonly Op[])[] }

export interface Root {
  readonly ops: readonly Op[]
  readonly queued: boolean
  readonly priority: number
  readonly delayMs?: Ms
  readonly timeoutMs?: Ms
  /** Its thread crashes before this operation, if it comes to that. */
  readonly crashBefore?: number | 'end'
}

export interface Program {
  readonly roots: readonly Root[]
  readonly queueConcurrency: number
  readonly cancels: readonly { readonly root: number, readonly atMs: Ms, readonly children: boolean }[]
  /** The host closes and opens its store, at this moment. */
  readonly restartAtMs?: Ms
}

/** As fast-check makes it: choices as plain numbers, which shrink well. */
type Draft =
  | { readonly kind: 'step' | 'fail' | 'retry' | 'sleep' | 'send' | 'receive' | 'publish' | 'look', readonly pick: number, readonly time: number, readonly forever: boolean }
  | { readonly kind: 'child', readonly mode: 'call' | 'start', readonly ops: readonly Draft[] }
  | { readonly kind: 'all', readonly branches: readonly (readonly Draft[])[] }

/** A duration is a multiple of UNIT, and a bit below it that no other has. */
const BITS = 26
const UNIT = 2 ** BITS

const TIME = fc.integer({ min: 1, max: 9 })
const SIMPLE = fc.record({
  kind: fc.constantFrom('step', 'step', 'fail', 'retry', 'sleep', 'sleep', 'send', 'send', 'send', 'receive', 'receive', 'receive', 'publish', 'look'),
  pick: fc.nat(11), time: TIME, forever: fc.boolean(),
}) as fc.Arbitrary<Draft>

function block(depth: number, maxLength: number): fc.Arbitrary<readonly Draft[]> {
  const op: fc.Arbitrary<Draft> = depth === 0 ? SIMPLE : fc.oneof(
    { weight: 9, arbitrary: SIMPLE },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('child' as const), mode: fc.constantFrom('call' as const, 'start' as const), ops: block(depth - 1, 3) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('all' as const), branches: fc.array(block(0, 2), { minLength: 2, maxLength: 3 }) }) })
  return fc.array(op, { minLength: 1, maxLength })
}

/** There once in so many times. */
const onceIn = <T>(times: number, arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.oneof(
  { weight: times - 1, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary })

/** `restarts`: whether the host may close its store and open it again. */
export function programs(restarts: boolean): fc.Arbitrary<Program> {
  return fc.record({
    roots: fc.array(fc.record({
      ops: block(2, 6), queued: fc.boolean(), priority: fc.nat(2), delay: onceIn(4, TIME), timeout: onceIn(6, TIME),
      crashBefore: onceIn(8, fc.oneof(fc.nat(5), fc.constant('end' as const))),
    }), { minLength: 1, maxLength: 4 }),
    queueConcurrency: fc.integer({ min: 1, max: 2 }),
    cancels: fc.array(fc.record({ root: fc.nat(3), time: TIME, children: fc.boolean() }), { maxLength: 2 }),
    restart: restarts ? onceIn(12, TIME) : fc.constant(undefined),
  }).map(draft => new Resolver(draft.roots.map(({ ops }) => ops)).program(draft))
}

interface ProgramDraft {
  readonly roots: readonly {
    readonly ops: readonly Draft[], readonly queued: boolean, readonly priority: number
    readonly delay: number | undefined, readonly timeout: number | undefined, readonly crashBefore: number | 'end' | undefined
  }[]
  readonly queueConcurrency: number
  readonly cancels: readonly { readonly root: number, readonly time: number, readonly children: boolean }[]
  readonly restart: number | undefined
}

/** Turns choices into names that exist, and gives each duration its bit. */
class Resolver {
  readonly #lines: readonly { readonly root: number, readonly path: string }[]
  readonly #events: readonly { readonly root: number, readonly key: string }[]
  #bits = 0
  #children = 0

  constructor(roots: readonly (readonly Draft[])[]) {
    this.#lines = roots.flatMap((ops, root) => linesOf(ops, `r${root}`).map(path => ({ root, path })))
    this.#events = roots.flatMap((ops, root) => eventsOf(ops, `r${root}`).map(key => ({ root, key })))
  }

  program({ roots, queueConcurrency, cancels, restart }: ProgramDraft): Program {
    return {
      queueConcurrency,
      roots: roots.map(({ ops, queued, priority, delay, timeout, crashBefore }, i) => ({
        queued, priority, ops: this.#block(ops, `r${i}`, i),
        ...(delay !== undefined && { delayMs: this.#ms(delay) }),
        ...(timeout !== undefined && { timeoutMs: this.#ms(timeout) }),
        ...(crashBefore !== undefined && { crashBefore }),
      })),
      cancels: cancels.map(({ root, time, children }) => ({ root: root % roots.length, atMs: this.#ms(time), children })).sort((a, b) => a.atMs - b.atMs),
      ...(restart !== undefined && { restartAtMs: this.#ms(restart) }),
    }
  }

  /** `root`: undefined inside a child, which nobody can name. */
  #block(drafts: readonly Draft[], path: string, root: number | undefined): Op[] {
    return drafts.map((draft, i) => this.#op(draft, `${path}.${i}`, path, root))
  }

  #op(draft: Draft, place: string, path: string, root: number | undefined): Op {
    if (draft.kind === 'child') {
      const id = `c${this.#children++}`
      return { op: 'child', id, mode: draft.mode, ops: this.#block(draft.ops, id, undefined) }
    }
    if (draft.kind === 'all') return { op: 'all', branches: draft.branches.map((branch, i) => this.#block(branch.map(beside), `${place}.${i}`, root)) }
    const { kind, pick, time, forever } = draft
    switch (kind) {
      case 'step': return { op: 'step', value: pick }
      case 'fail': return { op: 'fail' }
      case 'retry': return { op: 'retry', ms: this.#ms(time) }
      case 'sleep': return { op: 'sleep', ms: this.#ms(time) }
      case 'send': {
        const to = this.#lines[pick % this.#lines.length]!
        return { op: 'send', to: to.root, topic: `${path}>${to.path}`, value: pick + time }
      }
      case 'receive': {
        const from = this.#lines[pick % this.#lines.length]!
        return { op: 'receive', topic: `${from.path}>${path}`, ...(!forever && { ms: this.#ms(time) }) }
      }
      case 'publish': return { op: 'publish', key: place, value: pick }
      case 'look': {
        const event = this.#events[pick % this.#events.length]
        return event === undefined ? { op: 'step', value: pick } : { op: 'look', of: event.root, key: event.key, ...(!forever && { ms: this.#ms(time) }) }
      }
    }
  }

  #ms(time: number): Ms {
    // Where the bits are used up, times may meet: programs of that size are not made.
    if (this.#bits === BITS) this.#bits = 0
    return time * UNIT + 2 ** this.#bits++
  }
}

/** Beside others an attempt may be blamed for the crash of its run, and a further one would be due later: no retries there. */
function beside(draft: Draft): Draft {
  return draft.kind === 'retry' ? { ...draft, kind: 'sleep' } : draft
}

/** The lines of code of a root that run one beside the other, each by its path. */
function linesOf(drafts: readonly Draft[], path: string): string[] {
  return [path, ...drafts.flatMap((draft, i) => draft.kind === 'all' ? draft.branches.map((_, branch) => `${path}.${i}.${branch}`) : [])]
}

function eventsOf(drafts: readonly Draft[], path: string): string[] {
  return drafts.flatMap((draft, i) => draft.kind === 'publish' ? [`${path}.${i}`]
    : draft.kind === 'all' ? draft.branches.flatMap((branch, at) => eventsOf(branch, `${path}.${i}.${at}`)) : [])
}

/** Durations of a program, its bound being the number of bits. */
export function durationsOf(program: Program): number {
  return [...JSON.stringify(program).matchAll(/"(?:ms|delayMs|timeoutMs|atMs|restartAtMs)":/g)].length
}

export const MOST_DURATIONS = BITS
