/**
 * Holds what a host was promised, over all of its lives, against what was done and told. It is fed the lines of the log in their order;
 * `problems` is what is wrong, `checked` how many promises were held against something.
 */
import type { Line } from '../fixtures/torture/log.ts'
import { expectedOutcome, ofError, ofValue } from './expected.ts'

type Of<Type extends Line['type']> = Line & { readonly type: Type }

interface Run {
  readonly id: string
  readonly asked: Of<'asking'> | undefined
  isStarted: boolean
  outcome: string | undefined
  /** It may be at work again though its outcome was told. */
  resumedAfter: string | undefined
  cancel: { readonly children: boolean, promisedInBoot: number | undefined } | undefined
  /** It was at work then, or waited to be: it did not finish before. */
  lastAtMs: number
  isGone: boolean
  readonly steps: Map<string, Step>
  readonly sent: (number | 'end')[]
  readonly stream: Map<number, number>
  event: number
}

interface Step {
  attempt: number
  boot: number
  inputs: string
  /** Deaths so far, when it was entered last. */
  deaths: number
  acknowledgedBy: string | undefined
}

/** What the next host goes on with. */
export interface Carried {
  readonly following: readonly string[]
  readonly toResume: readonly string[]
  readonly mailboxes: readonly { readonly id: string, readonly next: number }[]
  readonly ledgers: readonly { readonly id: string, readonly args: readonly unknown[] }[]
  readonly publishers: readonly string[]
}

/** Runs of the queue that may be between their two steps at once. */
const QUEUE_PLACES = 2

export class Checker {
  readonly problems: string[] = []
  checked = 0
  readonly counts = new Map<string, number>()
  readonly #runs = new Map<string, Run>()
  readonly #inQueue = new Set<string>()
  readonly #ticksAtMs = new Set<number>()
  /** Attempts that came twice in one life of the host: wrong, unless the host says yet that a thread had ended. */
  #doubtful: string[] = []
  #prunedBeforeMs = 0
  #deaths = 0
  #lastBoot = 0
  #done = false

  feed(line: Line): void {
    this.counts.set(line.type, (this.counts.get(line.type) ?? 0) + 1)
    if (line.boot > this.#lastBoot) {
      this.#lastBoot = line.boot
      this.#deaths++
      this.#convict()
    }
    switch (line.type) {
      case 'asking': return this.#asking(line)
      case 'started': return this.#started(line)
      case 'entered': return this.#entered(line)
      case 'told': return this.#told(line.run, line.outcome, line)
      case 'unknown': return this.#unknown(line)
      case 'sending': return
      case 'sent': return this.#sent(line)
      case 'streamed': return this.#streamed(line)
      case 'seen': return this.#seen(line)
      case 'cancelling': this.#run(line).cancel ??= { children: line.children, promisedInBoot: undefined }; return
      case 'cancelled': return this.#cancelled(line)
      case 'resuming': return this.#resuming(line)
      case 'resumed': return
      case 'pruning': this.#prunedBeforeMs = Math.max(this.#prunedBeforeMs, line.beforeMs); return
      case 'ending':
        this.#deaths++
        this.#doubtful = []
        return
      case 'open': return
      case 'wrong': return this.#wrong(`boot ${line.boot}: ${line.problem}`)
      case 'final': return this.#final(line)
      case 'done': this.#done = true
    }
  }

  /** After the last host: every run that was promised is there, unless it may have been pruned. */
  end(): void {
    this.#convict()
    if (!this.#done) return this.#wrong('the last host did not come to its end')
    const ticks = [...this.#ticksAtMs].sort((a, b) => a - b)
    for (const [i, atMs] of ticks.entries()) {
      if (i > 0) this.#check(atMs === ticks[i - 1]! + 1000, () => `after occurrence ${new Date(ticks[i - 1]!).toISOString()} came ${new Date(atMs).toISOString()}`)
    }
    for (const run of this.#runs.values()) {
      if (!run.isStarted) continue
      this.#check(run.isGone || this.#mayBeGone(run), () => `${run.id} was started and is not there at the end`)
    }
  }

  get carried(): Carried {
    const runs = [...this.#runs.values()].filter(run => run.isStarted && !run.isGone && !this.#mayBeGone(run))
    const of = (run: Run, workflow: string): boolean => run.asked?.workflow === workflow
    const isOver = (run: Run): boolean => run.outcome !== undefined && run.resumedAfter !== run.outcome
    const toResume = runs.filter(run => of(run, 'stubborn') && run.outcome?.startsWith('error') === true)
    return {
      following: runs.filter(run => !isOver(run) && !of(run, 'mailbox')).map(({ id }) => id),
      toResume: toResume.map(({ id }) => id),
      mailboxes: runs.filter(run => of(run, 'mailbox') && run.outcome === undefined).map(({ id, sent }) => ({ id, next: sent.filter(sequence => sequence !== 'end').length })),
      ledgers: runs.filter(run => of(run, 'ledger') && isOver(run)).slice(-20).map(({ id, asked }) => ({ id, args: asked!.args })),
      publishers: runs.filter(run => of(run, 'publisher')).slice(-10).map(({ id }) => id),
    }
  }

  // ---- runs ------------------------------------------------------------------------------------------------------------

  #asking(line: Of<'asking'>): void {
    if (!this.#runs.has(line.run)) this.#runs.set(line.run, newRun(line.run, line))
  }

  #started(line: Of<'started'>): void {
    this.#run(line).isStarted = true
  }

  #told(id: string, outcome: string, line: Line): void {
    const run = this.#run({ run: id })
    const before = run.outcome
    this.#check(before === undefined || before === outcome || run.resumedAfter === before, () => `${id} was told ${before}, then ${outcome}`)
    if (before !== undefined && before !== outcome) run.resumedAfter = undefined
    run.outcome = outcome
    if (run.asked !== undefined) this.#checkOutcome(run, outcome, run.asked)
    // result() tells only what is durable: all of its steps are.
    for (const step of run.steps.values()) step.acknowledgedBy ??= `its run's outcome was told in boot ${line.boot}`
  }

  #checkOutcome(run: Run, outcome: string, { workflow, args }: { readonly workflow: string, readonly args: readonly unknown[] }): void {
    const expected = workflow === 'mailbox' ? ofValue(run.sent.filter(sequence => sequence !== 'end')) : expectedOutcome(workflow, args)
    if (outcome === ofError('RunCancelledError')) return this.#check(this.#cancelOf(run.id) !== undefined, () => `${run.id} was cancelled by nobody`)
    if (outcome === ofError('RunTimeoutError')) return this.#check(run.asked?.timeoutMs !== undefined, () => `${run.id} timed out and had no deadline`)
    if (workflow === 'stubborn' && outcome === ofError('PlannedError')) return this.#check(true, () => '')
    if (expected !== undefined) this.#check(outcome === expected, () => `${run.id} came to ${outcome}, and must come to ${expected}`)
  }

  /** Its own, or that of a parent whose children were to go with it: their ids begin with the parent's. */
  #cancelOf(id: string, ofChildren = false): Run['cancel'] {
    const cancel = this.#runs.get(id)?.cancel
    if (cancel !== undefined && (!ofChildren || cancel.children)) return cancel
    const parent = id.slice(0, Math.max(0, id.lastIndexOf('/')))
    return parent === '' ? undefined : this.#cancelOf(parent, true)
  }

  #unknown(line: Of<'unknown'>): void {
    const run = this.#runs.get(line.run)
    if (run === undefined) return
    this.#check(!run.isStarted || this.#mayBeGone(run), () => `${line.run} was started and is lost in boot ${line.boot}`)
    run.isGone = true
  }

  /** It may have finished before what was pruned. A mailbox finishes when it is told to. */
  #mayBeGone(run: Run): boolean {
    return run.lastAtMs < this.#prunedBeforeMs && (run.asked?.workflow !== 'mailbox' || run.sent.includes('end'))
  }

  #cancelled(line: Of<'cancelled'>): void {
    const { cancel } = this.#run(line)
    if (cancel !== undefined) cancel.promisedInBoot ??= line.boot
  }

  #resuming(line: Of<'resuming'>): void {
    const run = this.#run(line)
    run.lastAtMs = line.atMs
    run.resumedAfter = run.outcome
    // The failed step and what came after it are done again.
    for (const [name, step] of run.steps) if (name !== 'first') step.acknowledgedBy = undefined
  }

  // ---- steps -----------------------------------------------------------------------------------------------------------

  #entered(line: Of<'entered'>): void {
    const { attempt, boot, inputs, step: name } = line
    const run = this.#run(line)
    run.lastAtMs = line.atMs
    const before = run.steps.get(name)
    const told = (what: string): string => `${line.run}#${name}, attempt ${attempt} in boot ${boot}: ${what}`
    if (run.asked !== undefined) this.#checkEntry(run.asked, line, told)
    if (line.run.startsWith('s@')) this.#ticksAtMs.add(Date.parse(line.run.slice(2)))
    const cancelledIn = this.#cancelOf(line.run)?.promisedInBoot
    if (cancelledIn !== undefined) this.#check(boot === cancelledIn, () => told(`it runs though its run was cancelled in boot ${cancelledIn}`))
    if (before !== undefined) {
      this.#check(before.acknowledgedBy === undefined, () => told(`it ran again though ${before.acknowledgedBy}`))
      const isRepeated = attempt === before.attempt && this.#deaths > before.deaths
      const isFresh = attempt === 1 && run.resumedAfter !== undefined
      const isDoubtful = !isRepeated && !isFresh && attempt === before.attempt && boot === before.boot
      const wrong = told(`after attempt ${before.attempt} in boot ${before.boot}`)
      if (isDoubtful) this.#doubtful.push(wrong)
      this.#check(isDoubtful || isRepeated || isFresh || attempt === before.attempt + 1, () => wrong)
      this.#check(inputs === before.inputs, () => told('it has other inputs than before'))
    } else this.#check(attempt === 1, () => told('its first attempt is not the first'))
    run.steps.set(name, { attempt, boot, inputs, deaths: this.#deaths, acknowledgedBy: undefined })
    for (const after of line.after) this.#acknowledge(after, told('it was called with the result'))
    if (run.asked?.workflow === 'queued') this.#inside(line.run, name)
  }

  #checkEntry({ delayMs, atMs, forkedBefore }: Of<'asking'>, line: Of<'entered'>, told: (what: string) => string): void {
    if (delayMs !== undefined) this.#check(line.atMs >= atMs + delayMs - 1, () => told(`it began ${atMs + delayMs - line.atMs} ms before its delay was over`))
    if (forkedBefore !== undefined) this.#check(line.index >= forkedBefore, () => told(`its run was forked before step ${forkedBefore}, and has that outcome`))
  }

  #acknowledge(name: string, by: string): void {
    const [run = '', step = ''] = name.split('#')
    const known = this.#runs.get(run)?.steps.get(step)
    if (known !== undefined) known.acknowledgedBy ??= by
  }

  #inside(run: string, step: string): void {
    if (step === 'in') this.#inQueue.add(run)
    else this.#inQueue.delete(run)
    this.#check(this.#inQueue.size <= QUEUE_PLACES, () => `${[...this.#inQueue].join(', ')} hold places of a queue for ${QUEUE_PLACES}`)
  }

  // ---- messages, streams, events -----------------------------------------------------------------------------------------

  #sent(line: Of<'sent'>): void {
    const run = this.#run(line)
    if (!run.sent.includes(line.sequence)) run.sent.push(line.sequence)
  }

  #streamed(line: Of<'streamed'>): void {
    const run = this.#run(line)
    this.#check(line.value === line.position * 7, () => `${line.run}: position ${line.position} of its stream is ${line.value}`)
    run.stream.set(line.position, line.value)
  }

  #seen(line: Of<'seen'>): void {
    const run = this.#run(line)
    this.#check(line.value >= run.event, () => `${line.run}: its event was ${run.event}, and is ${line.value} again in boot ${line.boot}`)
    run.event = Math.max(run.event, line.value)
  }

  // ---- the end ---------------------------------------------------------------------------------------------------------

  #final(line: Of<'final'>): void {
    const { run: id, status, outcome, attempts } = line
    if (id.startsWith('s@')) this.#ticksAtMs.add(Date.parse(id.slice(2)))
    const run = this.#run(line)
    run.isGone = true // accounted for
    this.#check(['succeeded', 'failed', 'cancelled'].includes(status), () => `${id} is ${status} at the end: ${outcome}`)
    if (run.outcome !== undefined) this.#check(run.outcome === outcome, () => `${id} was told ${run.outcome}, and at the end it is ${outcome}`)
    this.#checkOutcome(run, outcome, line)
    if (run.cancel?.promisedInBoot !== undefined) this.#check(status !== 'failed', () => `${id} was cancelled, and is ${status} at the end`)
    for (const [name, count] of Object.entries(attempts ?? {})) {
      const entered = run.steps.get(name)?.attempt
      if (entered !== undefined) this.#check(entered === count, () => `${id}#${name}: ${entered} attempts were made, steps() tells of ${count}`)
    }
    if (status === 'succeeded' && run.stream.size > 0) {
      this.#check(Math.max(...run.stream.keys()) < Number(run.asked?.args[0]), () => `${id}: its stream is longer than what was written`)
    }
  }

  // ---- words -----------------------------------------------------------------------------------------------------------

  #run({ run: id }: { readonly run: string }): Run {
    let run = this.#runs.get(id)
    if (run === undefined) this.#runs.set(id, run = newRun(id, undefined))
    return run
  }

  #convict(): void {
    for (const problem of this.#doubtful) this.#wrong(problem)
    this.#doubtful = []
  }

  #check(holds: boolean, problem: () => string): void {
    this.checked++
    if (!holds) this.#wrong(problem())
  }

  #wrong(problem: string): void {
    this.problems.push(problem)
  }
}

function newRun(id: string, asked: Of<'asking'> | undefined): Run {
  return {
    id, asked, isStarted: false, outcome: undefined, resumedAfter: undefined, cancel: undefined, lastAtMs: asked?.atMs ?? 0, isGone: false,
    steps: new Map(), sent: [], stream: new Map(), event: -1,
  }
}
