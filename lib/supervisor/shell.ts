/**
 * Applies what the pure core decides: in memory at once, to the store with the next commit, to everybody else after it (I1).
 * All that happens to a run goes through `hear`.
 */
import type { Clock } from '../model/clock.ts'
import { isFinished } from '../model/run.ts'
import type { RunKey } from '../model/run.ts'
import type { Envelope, ToSupervisor } from '../protocol/actor.ts'
import { packEntries } from '../protocol/thread.ts'
import type { AdmissionHost, ThreadLoad } from './admission.ts'
import { Admission, carefulness, queuedRun } from './admission.ts'
import { Alarms } from './alarms.ts'
import { Children } from './children.ts'
import { Lingering } from './lingering.ts'
import { Mail } from './mail.ts'
import type { Commits } from './commits.ts'
import { patienceFor } from './commits.ts'
import { decide } from './decide.ts'
import type { Effect, RunInput, Word } from './decision.ts'
import { evolve } from './evolve.ts'
import type { Places } from './places.ts'
import type { Pool, ThreadEnd } from './pool.ts'
import { concernOf } from './pulse.ts'
import { policyFor } from './probe.ts'
import type { Probe } from './probe.ts'
import type { Queues } from './queues.ts'
import { Rates } from './rates.ts'
import type { Runs } from './runs.ts'
import { Schedules } from './schedules.ts'
import type { Starts } from './starts.ts'
import type { Life, RunState } from './state.ts'
import type { Timers } from './timers.ts'
import type { Store, TimerRow } from '../store/contract.ts'

/** An actor that refused to be let go is asked again, firmly, after this. */
const REFUSAL_GRACE_MS = 1000

export interface ShellParts {
  readonly store: Store
  readonly clock: Clock
  readonly runs: Runs
  readonly starts: Starts
  readonly commits: Commits
  readonly timers: Timers
  readonly queues: Queues
  readonly pool: Pool
  readonly places: Places
  readonly actorsPerThread: number
  readonly probe?: Probe | undefined
  /** An outcome is durable. */
  outcomeRecorded(state: RunState): void
  /** An event or a value of a stream is durable. */
  changed(state: RunState): void
  log(level: 'debug' | 'info' | 'warn' | 'error', fields: object, message: string): void
}

export class Shell implements AdmissionHost {
  readonly #parts: ShellParts
  readonly alarms: Alarms
  readonly admission: Admission
  readonly children: Children
  readonly mail: Mail
  readonly schedules: Schedules
  /** Actors that merely wait, the longest-waiting first: they may be let go. */
  readonly #idle = new Map<RunKey, RunState>()
  /** Actors that are in their threads: the commit of their admission is done. */
  readonly #spawned = new Set<RunKey>()
  /** Actors that refused to be let go; firmly: that was a while ago, and they are not asked but told. By time that passes, not by the clock. */
  readonly #refused = new Map<RunKey, { isFirm: boolean }>()
  readonly #unknownWorkflows = new Set<string>()
  /** Runs admitted to each thread whose actors are not spawned yet: a store that refuses may hold them up. */
  readonly #admitted = new Map<number, number>()
  readonly steps = { succeeded: 0, failed: 0, retries: 0 }
  respawns = 0
  readonly #rates: Rates
  readonly #lingering: Lingering
  #onQuiet: (() => void) | undefined

  constructor(parts: ShellParts) {
    this.#parts = parts
    this.alarms = new Alarms(parts.clock)
    this.#rates = new Rates(this.alarms, parts.queues, () => { parts.commits.schedule() })
    this.admission = new Admission(this, parts.queues, parts.actorsPerThread)
    this.children = new Children(this, parts)
    this.#lingering = new Lingering(this, parts)
    this.mail = new Mail(this, parts)
    this.schedules = new Schedules(this, parts)
  }

  /** Something happened to a run. */
  hear(state: RunState, input: RunInput): void {
    const { clock, commits, runs, starts } = this.#parts
    const { life, progress } = state
    const decision = decide(state, input, clock.nowMs(), policyFor(this.#parts.probe, starts.policyOf(state.meta.workflow)))
    evolve(state, decision)
    runs.touch(state)
    if (decision.changes.length > 0) commits.add(decision.changes)
    if (state.progress.holdsPlace !== progress.holdsPlace) this.#placeChanged(state)
    if (decision.life !== life) this.#lifeChanged(state, life)
    for (const effect of decision.effects) commits.afterCommit(() => { this.#perform(state, effect) })
    for (const word of decision.words) this.#pass(word)
  }

  // ---- what the threads report -----------------------------------------------------------------------------------

  facts(threadId: number, facts: readonly Envelope<ToSupervisor>[]): void {
    const { pool, commits } = this.#parts
    commits.patiently(patienceFor(facts, pool.aheadMs(threadId)), () => { this.#hearAll(threadId, facts) })
  }

  #hearAll(threadId: number, facts: readonly Envelope<ToSupervisor>[]): void {
    for (const { key, incarnation, body } of facts) {
      const state = this.#parts.runs.loaded(key)
      // A dead actor's last words change nothing (I2).
      if (state?.life.type !== 'live' || state.life.threadId !== threadId || state.progress.incarnation !== incarnation) continue
      if (this.#parts.probe?.crashesAt?.(state.meta.id, body) === true) return this.#parts.pool.crashThread(threadId)
      this.#count(body)
      if (body.type === 'passivation-refused') this.#refusedBy(key)
      if (body.type === 'stream-written' || body.type === 'stream-ended') this.mail.lookAtStream(state, body.stream)
      this.hear(state, body)
    }
  }

  released(threadId: number, key: RunKey, incarnation: number): void {
    const state = this.#parts.runs.loaded(key)
    if (state?.life.type === 'live' && state.progress.incarnation === incarnation) this.hear(state, { type: 'actor-vanished' })
    if (this.admission.isReservedFor(threadId, key)) this.admission.release(threadId)
    this.#lingering.lineUp(key)
    this.#parts.commits.schedule()
  }

  threadEnded(threadId: number, end: ThreadEnd): void {
    const bound = [...this.#parts.runs.live()].filter(state => state.life.type === 'live' && state.life.threadId === threadId)
    const hit = bound.filter(state => this.#spawned.has(state.meta.key)) // the others, admitted and not spawned yet, had no part in it
    for (const state of bound) {
      if (!hit.includes(state)) this.hear(state, { type: 'thread-ended', alone: false, culprit: undefined, problem: 'was ending', deliberate: true })
    }
    const { problem, culprit, deliberate, sentence } = end
    const alone = hit.length === 1 && (end.actors ?? 1) <= 1 // a run that has ended may have left code there, which may have been it
    if (!deliberate) this.#parts.log('warn', { event: 'thread-ended', threadId, actors: hit.length, problem }, `A worker thread with ${hit.length} actors ${problem}.`)
    for (const state of hit) {
      const named = culprit?.key === state.meta.key && culprit.incarnation === state.progress.incarnation ? culprit.index : undefined
      this.respawns++
      const isAnothers = culprit !== undefined && culprit.key !== state.meta.key
      this.hear(state, { type: 'thread-ended', alone: alone && !isAnothers, culprit: named, problem, deliberate, ...concernOf(sentence, state.meta.key, state.progress.incarnation) })
    }
    this.admission.release(threadId)
    this.children.threadEnded(threadId)
    this.#lingering.lineUpAll()
    this.#parts.commits.schedule()
  }

  timersDue(rows: readonly TimerRow[]): void {
    for (const { key, slot, dueAtMs } of rows) {
      const state = this.#parts.runs.get(key)
      if (state !== undefined) this.hear(state, { type: 'timer-due', slot, dueAtMs })
    }
  }

  #count(body: ToSupervisor): void {
    if (body.type === 'attempt-failed') this.steps.retries++
    else if (body.type === 'operation-completed' && body.kind === 'step') {
      if (body.outcome === 'result') this.steps.succeeded++
      else this.steps.failed++
    }
  }

  // ---- admission -------------------------------------------------------------------------------------------------

  *threads(): Iterable<ThreadLoad> {
    const { pool, places } = this.#parts
    places.wanted()
    const waiting = new Map<number, number>()
    for (const { life } of this.#idle.values()) if (life.type === 'live') waiting.set(life.threadId, (waiting.get(life.threadId) ?? 0) + 1)
    for (const { threadId, actors } of pool.threads()) {
      yield { threadId, actors: actors + (this.#admitted.get(threadId) ?? 0), waiting: waiting.get(threadId) ?? 0, places: places.of(threadId) }
    }
  }

  awaitPlaces(): void {
    this.#parts.places.awaitMore()
  }

  queuedRun(key: RunKey): RunState | undefined {
    const state = this.#parts.runs.get(key)
    if (state?.life.type !== 'queued') return undefined
    if (this.#parts.pool.threadOf(key) !== undefined) {
      this.#lingering.await(state)
      return undefined
    }
    const { id, workflow } = state.meta
    if (this.#parts.starts.isKnown(workflow)) return state
    // It stays enqueued in the store until a host runs that has its code (G2).
    if (!this.#unknownWorkflows.has(workflow)) {
      this.#unknownWorkflows.add(workflow)
      this.#parts.log('warn', { event: 'workflow-unknown', workflow, runId: id },
        `Run "${id}" and others like it stay enqueued: no module given to open() defines workflow "${workflow}".`)
    }
    return undefined
  }

  mustBeAlone(state: RunState): boolean {
    return state.progress.suspect || carefulness(state) > 0 || this.#parts.starts.isIsolated(state.meta.workflow)
  }

  isHeldBack(state: RunState): boolean {
    return carefulness(state) > 0 && [...this.#parts.runs.live()].some(other => carefulness(other) > 0 && other.life.type === 'live' && other.life.mode !== 'waiting')
  }

  admit(state: RunState, threadId: number): void {
    this.#admitted.set(threadId, (this.#admitted.get(threadId) ?? 0) + 1)
    this.hear(state, { type: 'run-admitted', threadId })
  }

  makeRoom(places: number, threadId: number | undefined): void {
    let left = places
    for (const [key, state] of this.#idle) {
      if (left === 0) return
      if (state.life.type !== 'live' || (threadId !== undefined && state.life.threadId !== threadId)) continue
      const refusal = this.#refused.get(key)
      if (refusal?.isFirm === false) continue
      left--
      this.hear(state, { type: 'passivation-wanted', force: refusal !== undefined })
    }
  }

  #refusedBy(key: RunKey): void {
    if (this.#refused.has(key)) return
    const refusal = { isFirm: false }
    this.#refused.set(key, refusal)
    this.alarms.later(REFUSAL_GRACE_MS, () => {
      refusal.isFirm = true
      this.#parts.commits.schedule()
    })
  }

  /** It took a place of its queue's bounds, or left it. */
  #placeChanged({ meta, progress }: RunState): void {
    const { queues, commits } = this.#parts
    const { queue, queueKey } = meta
    if (queue === undefined) return
    if (progress.holdsPlace === true) {
      commits.add(queues.took(meta))
      this.#rates.await(queue)
      return
    }
    queues.left(meta)
    if (queueKey !== undefined) this.admission.placeFree(queue, queueKey)
    commits.schedule()
  }

  /** Admits whom there is room for. Queues that their rates hold back now, perhaps because the clock was set back, are looked at again. */
  admitWaiting(): void {
    this.admission.run()
    if (this.admission.waiting > 0) this.#rates.awaitAll()
  }

  /** A queue's bounds are others: they hold from now on. */
  boundsChanged(queue: string): void {
    this.admission.placeFree(queue, undefined)
    this.#rates.await(queue)
    this.#parts.commits.schedule()
  }

  #lifeChanged(state: RunState, before: Life): void {
    const { meta, life } = state
    if (life.type === 'queued' && before.type !== 'queued') {
      this.admission.push(queuedRun(state))
      this.#parts.commits.schedule()
    }
    if (life.type === 'live' && life.mode === 'waiting') {
      this.#idle.set(meta.key, state)
      if (this.admission.waiting > 0) this.#parts.commits.schedule()
    } else this.#idle.delete(meta.key)
    if (life.type !== 'live') {
      this.#refused.delete(meta.key)
      this.#spawned.delete(meta.key)
    } else if (this.admission.isReservedFor(life.threadId, meta.key) && !this.mustBeAlone(state)) {
      this.admission.release(life.threadId)
      this.#parts.commits.schedule()
    }
    if (this.#onQuiet !== undefined) this.#checkQuiet()
  }

  // ---- effects and words -----------------------------------------------------------------------------------------

  #perform(state: RunState, effect: Effect): void {
    const { pool, timers } = this.#parts
    const { key } = state.meta
    switch (effect.type) {
      case 'tell-actor':
        pool.tell(effect.threadId, key, effect.incarnation, effect.order)
        return
      case 'spawn-actor':
        this.#spawn(state, effect.threadId, effect.incarnation)
        return
      case 'arm-timer':
        timers.arm({ dueAtMs: effect.dueAtMs, key, slot: effect.slot })
        return
      case 'arm-grace':
        this.alarms.later(effect.graceMs, () => { this.#endIfAlive(key, effect.incarnation) })
        return
      case 'settle-waiters':
        this.#parts.outcomeRecorded(state)
        return
      case 'followers-told':
        this.#parts.changed(state)
        return
      case 'log':
        this.#parts.log(effect.level, { event: effect.event, ...effect.fields }, effect.message)
    }
  }

  #spawn(state: RunState, threadId: number, incarnation: number): void {
    const { store, pool } = this.#parts
    const { key, id, workflow, args } = state.meta
    const others = this.#admitted.get(threadId)! - 1
    if (others > 0) this.#admitted.set(threadId, others)
    else this.#admitted.delete(threadId)
    if (state.life.type !== 'live' || state.progress.incarnation !== incarnation) return
    const stored = state.journalLength === 0 && state.waits.size === 0 ? undefined : store.loadRun(key)
    const journal = packEntries(stored === undefined ? [] : store.readJournal(key, 0, Number.MAX_SAFE_INTEGER))
    const task = { type: 'spawn-actor', key, incarnation, id, workflow, args, journal, waits: stored?.waits ?? [] } as const
    if (pool.spawn(threadId, task)) this.#spawned.add(key)
    else {
      this.hear(state, { type: 'thread-ended', alone: false, culprit: undefined, problem: 'was ending', deliberate: true })
    }
  }

  /** The grace of an ending is over: a thread whose actor has not stopped by itself is ended. */
  #endIfAlive(key: RunKey, incarnation: number): void {
    const state = this.#parts.runs.loaded(key)
    const isLive = state?.life.type === 'live' && state.progress.incarnation === incarnation
    if (isLive && state.progress.ending === undefined) return
    // Also when the run has ended, and a step of it goes on.
    const threadId = this.#parts.pool.threadOf(key, incarnation)
    if (threadId === undefined) return
    const id = this.#parts.runs.get(key)?.meta.id ?? `number ${key}`
    this.#parts.log('warn', { event: 'thread-ended-by-supervisor', runId: id, threadId },
      `Run "${id}" did not stop within its grace; its thread is ended, and its neighbours go on from their last checkpoints.`)
    this.#parts.pool.endThread(threadId)
  }

  #pass(word: Word): void {
    switch (word.type) {
      case 'to-run': {
        const state = this.#parts.runs.get(word.key)
        if (state === undefined) return
        // Of a run that finished earlier the outcome is not in memory.
        if (word.input.type === 'awaiter-added' && isFinished(state.progress.status)) state.outcome ??= this.#parts.store.readOutcome(word.key)
        this.hear(state, word.input)
        return
      }
      case 'start-child':
        this.children.start(word.parent, word.request)
        return
      case 'find-child':
        this.children.find(word.parent, word.index, word.childId)
        return
      case 'send-message':
        this.mail.send(word.from, word.fact)
        return
      case 'find-event':
        this.mail.findEvent(word.from, word.fact)
    }
  }

  // ---- shutdown --------------------------------------------------------------------------------------------------

  /** Resolves when no actor is at work: none is left, or all that are merely wait. */
  whenQuiet(): Promise<void> {
    return new Promise(resolve => {
      this.#onQuiet = resolve
      this.#checkQuiet()
    })
  }

  #checkQuiet(): void {
    for (const { life } of this.#parts.runs.live()) if (life.type === 'live' && life.mode !== 'waiting') return
    this.#onQuiet?.()
    this.#onQuiet = undefined
  }

  /** The threads are gone by our own will: what ran is to be spawned again by the next open(), and nobody crashed. */
  abandonAll(): void {
    this.alarms.stop()
    for (const state of this.#parts.runs.live()) {
      this.hear(state, { type: 'thread-ended', alone: false, culprit: undefined, problem: 'was closed', deliberate: true })
    }
  }
}
