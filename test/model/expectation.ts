/** What must come out of a program, by the plainest means: everything in memory, nothing ever fails, time is a sorted list. */
import type { Op, Program } from './language.ts'

export interface Expected {
  readonly status: string
  readonly result?: readonly unknown[]
  readonly error?: string
}

/** Goes on with what was waited for. */
type Resume = (value: unknown) => void
type Line = Generator<(resume: Resume) => void, unknown[], unknown>

interface Run {
  readonly name: string
  readonly ops: readonly Op[]
  readonly queued: boolean
  readonly timeoutMs: number | undefined
  readonly children: Run[]
  readonly mailbox: Map<string, number[]>
  readonly receivers: Map<string, Resume>
  readonly events: Map<string, number>
  lookers: { readonly key: string, readonly tell: Resume }[]
  waiters: Resume[]
  status: 'unstarted' | 'enqueued' | 'running' | 'succeeded' | 'failed' | 'cancelled'
  result?: unknown[]
  error?: string
}

class Threw {
  readonly name: string

  constructor(name: string) {
    this.name = name
  }
}

export function expectationOf(program: Program): ReadonlyMap<string, Expected> {
  return new World(program).play()
}

class World {
  readonly #program: Program
  readonly #runs: Run[] = []
  readonly #roots: readonly Run[]
  readonly #agenda: { readonly atMs: number, readonly act: () => void }[] = []
  #nowMs = 0
  /** Roots of the queue that are between their first spawn and their outcome. */
  #places = 0

  constructor(program: Program) {
    this.#program = program
    this.#roots = program.roots.map((root, i) => this.#newRun(`r${i}`, root.ops, root.queued, root.timeoutMs))
  }

  play(): ReadonlyMap<string, Expected> {
    const { roots, cancels } = this.#program
    for (const [i, { delayMs }] of roots.entries()) if (delayMs !== undefined) this.#at(delayMs, () => { this.#enqueue(this.#roots[i]!) })
    for (const { root, atMs, children } of cancels) this.#at(atMs, () => { this.#cancel(this.#roots[root]!, children) })
    for (const [i, { delayMs }] of roots.entries()) if (delayMs === undefined) this.#roots[i]!.status = 'enqueued'
    this.#admit()
    for (let next = this.#agenda.shift(); next !== undefined; next = this.#agenda.shift()) {
      this.#nowMs = next.atMs
      next.act()
    }
    return new Map(this.#runs.map(({ name, status, result, error }) => [name, {
      status: status === 'running' ? 'waiting' : status,
      ...(result !== undefined && { result }),
      ...(error !== undefined && { error }),
    }]))
  }

  #newRun(name: string, ops: readonly Op[], queued = false, timeoutMs?: number): Run {
    const run: Run = {
      name, ops, queued, timeoutMs, children: [], mailbox: new Map(), receivers: new Map(), events: new Map(), lookers: [], waiters: [], status: 'unstarted',
    }
    this.#runs.push(run)
    return run
  }

  #at(delayMs: number, act: () => void): void {
    const atMs = this.#nowMs + delayMs
    const place = this.#agenda.findIndex(later => later.atMs > atMs)
    this.#agenda.splice(place === -1 ? this.#agenda.length : place, 0, { atMs, act })
  }

  #enqueue(run: Run): void {
    if (run.status !== 'unstarted') return
    run.status = 'enqueued'
    this.#admit()
  }

  /** By priority, then in the order in which they were started. */
  #admit(): void {
    const waiting = this.#roots.map((run, i) => ({ run, priority: this.#program.roots[i]!.priority })).sort((a, b) => a.priority - b.priority)
    for (const { run } of waiting) {
      if (run.status !== 'enqueued' || (run.queued && this.#places >= this.#program.queueConcurrency)) continue
      if (run.queued) this.#places++
      this.#spawn(run)
    }
  }

  #spawn(run: Run): void {
    run.status = 'running'
    if (run.timeoutMs !== undefined) this.#at(run.timeoutMs, () => { this.#finish(run, 'failed', { error: 'RunTimeoutError' }) })
    this.#drive(run, this.#perform(run, run.ops), result => { this.#finish(run, 'succeeded', { result }) })
  }

  #drive(run: Run, line: Line, done: (result: unknown[]) => void): void {
    const resume: Resume = value => {
      if (run.status !== 'running') return
      const { done: isDone, value: next } = line.next(value)
      if (isDone === true) done(next)
      else next(resume)
    }
    resume(undefined)
  }

  #finish(run: Run, status: 'succeeded' | 'failed' | 'cancelled', outcome: Pick<Run, 'result' | 'error'>): void {
    if (this.#end(run, status, outcome)) this.#tell(run)
  }

  /** A run and its children are cancelled in one commit: nobody goes on because of one of them before all have ended. */
  #cancel(run: Run, withChildren: boolean): void {
    const ended = (withChildren ? family(run) : [run]).filter(one => this.#end(one, 'cancelled', { error: 'RunCancelledError' }))
    for (const one of ended) this.#tell(one)
  }

  #end(run: Run, status: 'succeeded' | 'failed' | 'cancelled', outcome: Pick<Run, 'result' | 'error'>): boolean {
    if (run.status !== 'running' && run.status !== 'enqueued' && run.status !== 'unstarted') return false
    if (run.queued && run.status === 'running') this.#places--
    Object.assign(run, outcome, { status })
    return true
  }

  #tell(run: Run): void {
    for (const { tell } of run.lookers.splice(0)) tell(undefined)
    for (const tell of run.waiters.splice(0)) tell(outcomeOf(run))
    this.#admit()
  }

  *#perform(run: Run, ops: readonly Op[]): Line {
    const results: unknown[] = []
    for (const op of ops) {
      const value = yield resume => { this.#begin(run, op, resume) }
      results.push(value instanceof Threw ? `threw ${value.name}` : value)
    }
    return results
  }

  #begin(run: Run, op: Op, resume: Resume): void {
    switch (op.op) {
      case 'step': return resume(op.value)
      case 'fail': return resume(new Threw('RangeError'))
      case 'retry': return this.#at(op.ms, () => { resume('attempt 2') })
      case 'sleep': return this.#at(op.ms, () => { resume(undefined) })
      case 'send': return this.#send(this.#roots[op.to]!, op, resume)
      case 'receive': return this.#receive(run, op, resume)
      case 'publish':
        run.events.set(op.key, op.value)
        for (const { tell } of run.lookers.filter(({ key }) => key === op.key)) tell(op.value)
        run.lookers = run.lookers.filter(({ key }) => key !== op.key)
        return resume(undefined)
      case 'look': return this.#look(this.#roots[op.of]!, op, resume)
      case 'child': return this.#child(run, op, resume)
      case 'all': return this.#all(run, op, resume)
    }
  }

  #send(to: Run, { topic, value }: Op & { op: 'send' }, resume: Resume): void {
    const receiver = isOver(to) ? undefined : to.receivers.get(topic)
    to.receivers.delete(topic)
    if (receiver === undefined) to.mailbox.set(topic, [...to.mailbox.get(topic) ?? [], value])
    else receiver(value)
    resume(undefined)
  }

  #receive(run: Run, { topic, ms }: Op & { op: 'receive' }, resume: Resume): void {
    const kept = run.mailbox.get(topic)?.shift()
    if (kept !== undefined) return resume(kept)
    // One of its own: a later receive() of the same code goes on by the same function.
    const receiver: Resume = value => { resume(value) }
    run.receivers.set(topic, receiver)
    if (ms !== undefined) this.#at(ms, () => {
      if (run.receivers.get(topic) !== receiver) return
      run.receivers.delete(topic)
      resume(undefined)
    })
  }

  #look(of: Run, { key, ms }: Op & { op: 'look' }, resume: Resume): void {
    if (of.events.has(key) || isOver(of)) return resume(of.events.get(key))
    const looker = { key, tell: resume }
    of.lookers.push(looker)
    if (ms !== undefined) this.#at(ms, () => {
      if (!of.lookers.includes(looker)) return
      of.lookers = of.lookers.filter(other => other !== looker)
      resume(undefined)
    })
  }

  #child(run: Run, { id, mode, ops }: Op & { op: 'child' }, resume: Resume): void {
    const child = this.#newRun(id, ops)
    run.children.push(child)
    this.#spawn(child)
    if (mode === 'start') return resume(undefined)
    if (isOver(child)) resume(outcomeOf(child))
    else child.waiters.push(resume)
  }

  #all(run: Run, { branches }: Op & { op: 'all' }, resume: Resume): void {
    const results: unknown[][] = []
    let left = branches.length
    for (const [i, branch] of branches.entries()) {
      this.#drive(run, this.#perform(run, branch), result => {
        results[i] = result
        if (--left === 0) resume(results)
      })
    }
  }
}

function outcomeOf({ result, error }: Run): unknown {
  return error === undefined ? result : new Threw(error)
}

function family(run: Run): Run[] {
  return [run, ...run.children.flatMap(family)]
}

function isOver({ status }: Run): boolean {
  return status === 'succeeded' || status === 'failed' || status === 'cancelled'
}
