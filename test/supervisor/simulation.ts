/**
 * A supervisor without threads: decide and evolve over a memory store, with actors that say anything an actor may say, in
 * any order, and crashes of threads and of the process at any moment. After each step the invariants are looked at.
 */
import { encodeEntry } from '../../lib/codec/entry.ts'
import type { Encoded } from '../../lib/codec/encoded.ts'
import { encodeError } from '../../lib/codec/error.ts'
import { encodeValue } from '../../lib/codec/value.ts'
import { DEFAULT_RESPAWN_POLICY } from '../../lib/model/respawn.ts'
import { isFinished } from '../../lib/model/run.ts'
import type { RunKey } from '../../lib/model/run.ts'
import type { ToActor, ToSupervisor } from '../../lib/protocol/actor.ts'
import type { Change, RunMeta, RunProgress, Store, TimerRow } from '../../lib/store/contract.ts'
import { TIMER_SLOT } from '../../lib/store/contract.ts'
import { createMemoryStore } from '../../lib/store/memory/index.ts'
import { decide } from '../../lib/supervisor/decide.ts'
import type { Effect, RunInput, Word } from '../../lib/supervisor/decision.ts'
import { evolve } from '../../lib/supervisor/evolve.ts'
import { newState, QUEUED, stateFromStore } from '../../lib/supervisor/state.ts'
import type { RunState } from '../../lib/supervisor/state.ts'
import type { Chance } from '../chance.ts'
import { violations } from './invariants.ts'

const POLICY = { respawn: DEFAULT_RESPAWN_POLICY }
const value = encodeValue('a value', { what: 'value', root: 'value' })
const error = encodeError(new Error('an error'))

/** What an actor knows of itself. */
export interface SimulatedActor {
  readonly incarnation: number
  readonly threadId: number
  readonly inbox: ToActor[]
  heard: number
  started: boolean
  ending: boolean
  saidWaiting: boolean
  nextIndex: number
  /** Attempts under way, by operation. */
  readonly running: Map<number, number>
  /** Operations that wait on the supervisor. */
  readonly waiting: Set<number>
  /** Reported and not recorded yet. */
  readonly proposed: Set<number>
}

export class Simulation {
  readonly chance: Chance
  readonly store: Store = createMemoryStore()
  readonly states = new Map<RunKey, RunState>()
  readonly actors = new Map<RunKey, SimulatedActor>()
  armed: TimerRow[] = []
  readonly history: string[] = []
  nowMs = 1_000_000
  #checks: { readonly word: Word & { readonly type: 'start-child' }, readonly incarnation: number }[] = []
  #changes: Change[] = []
  #effects: { readonly state: RunState, readonly effect: Effect }[] = []

  constructor(chance: Chance) {
    this.chance = chance
  }

  /** Does one thing, commits it, performs its effects; gives what is wrong afterwards. */
  step(): readonly string[] {
    this.#act()
    this.store.commit(this.#changes)
    this.#changes = []
    for (const { state, effect } of this.#effects.splice(0)) this.#perform(state, effect)
    return violations(this)
  }

  hear(state: RunState, input: RunInput): void {
    this.history.push(`${state.meta.key} (${state.progress.status}, ${state.life.type === 'live' ? state.life.mode : state.life.type}) ${described(input)}`)
    const decision = decide(state, input, this.nowMs, POLICY)
    evolve(state, decision)
    this.#changes.push(...decision.changes)
    for (const effect of decision.effects) this.#effects.push({ state, effect })
    for (const word of decision.words) this.#pass(word)
    if (state.life.type !== 'live') this.actors.delete(state.meta.key)
  }

  // ---- what a shell does -----------------------------------------------------------------------------------------

  #pass(word: Word): void {
    switch (word.type) {
      case 'to-run': {
        const state = this.states.get(word.key)!
        if (word.input.type === 'awaiter-added' && isFinished(state.progress.status)) state.outcome ??= this.store.readOutcome(word.key)
        this.hear(state, word.input)
        return
      }
      case 'start-child': {
        const parent = this.states.get(word.parent)!
        // The arguments of some are looked at in a thread first.
        if (this.chance.below(2) === 0) this.#startChild(parent, word)
        else this.#checks.push({ word, incarnation: parent.progress.incarnation })
        return
      }
      case 'send-message':
      case 'find-event': throw new Error(`nobody here says ${word.type}`)
      case 'find-child': {
        const child = [...this.states.values()].find(({ meta }) => meta.id === word.childId)
        const parent = this.states.get(word.parent)!
        if (child === undefined) this.hear(parent, { type: 'operation-settled', index: word.index, kind: 'child', name: 'child', outcome: 'error', value: error })
        else this.hear(parent, { type: 'child-started', index: word.index, mode: 'await', workflow: 'child', childId: word.childId, childKey: child.meta.key })
      }
    }
  }

  #startChild(parent: RunState, { request }: Word & { readonly type: 'start-child' }): void {
    const { index, mode, workflow } = request
    const id = `${parent.meta.id}/${index}`
    const child = [...this.states.values()].find(({ meta }) => meta.id === id) ?? this.#start(id, { key: parent.meta.key, id: parent.meta.id, index })
    if (isFinished(child.progress.status) && child.progress.status !== 'succeeded') this.hear(child, { type: 'resume-requested', forget: undefined })
    this.hear(parent, { type: 'child-started', index, mode, workflow, childId: id, childKey: child.meta.key })
  }

  #answerCheck(): void {
    const { word, incarnation } = this.chance.take(this.#checks)
    const parent = this.states.get(word.parent)!
    if (parent.progress.incarnation !== incarnation || parent.life.type !== 'live') return
    if (this.chance.below(4) > 0) this.#startChild(parent, word)
    else this.hear(parent, { type: 'operation-settled', index: word.request.index, kind: 'child', name: word.request.workflow, outcome: 'error', value: error })
  }

  #start(id: string, parent?: RunMeta['parent']): RunState {
    const { chance } = this
    const key = this.store.newRunKey()
    const delayMs = parent === undefined && chance.below(3) === 0 ? chance.below(1000) : 0
    const meta: RunMeta = {
      key, id, workflow: 'w', args: value, createdAtMs: this.nowMs, priority: chance.below(3), tags: {},
      ...(parent !== undefined && { parent }), ...(chance.below(4) === 0 && { timeoutMs: 1 + chance.below(3000) }),
    }
    const progress: RunProgress = {
      status: delayMs > 0 ? 'delayed' : 'enqueued', incarnation: 0, crashes: 0, crashesAtMs: [], processDeaths: 0, suspect: false, queuePosition: key, updatedAtMs: this.nowMs,
      ...(delayMs > 0 && { startAtMs: this.nowMs + delayMs }),
    }
    const state = newState(meta, progress)
    if (delayMs === 0) state.life = QUEUED
    this.states.set(key, state)
    this.#changes.push({ type: 'run-started', meta, progress })
    if (delayMs > 0) {
      this.#changes.push({ type: 'timer-set', key, slot: TIMER_SLOT.start, dueAtMs: this.nowMs + delayMs })
      this.armed.push({ key, slot: TIMER_SLOT.start, dueAtMs: this.nowMs + delayMs })
    }
    return state
  }

  #perform(state: RunState, effect: Effect): void {
    const { key } = state.meta
    if (effect.type === 'arm-timer') this.armed.push({ key, slot: effect.slot, dueAtMs: effect.dueAtMs })
    else if (effect.type === 'tell-actor') {
      const actor = this.actors.get(key)
      if (actor?.incarnation === effect.incarnation) actor.inbox.push(effect.order)
    } else if (effect.type === 'spawn-actor' && state.life.type === 'live' && state.progress.incarnation === effect.incarnation) {
      this.actors.set(key, {
        incarnation: effect.incarnation, threadId: effect.threadId, inbox: [], heard: 0, started: false, ending: false, saidWaiting: false,
        nextIndex: this.#firstFree(state), running: new Map(), waiting: new Set(state.waits.keys()), proposed: new Set(),
      })
      for (const [index, wait] of state.waits) if (wait.type === 'retry' && wait.dueAtMs === undefined) this.actors.get(key)!.running.set(index, -1)
    }
  }

  #firstFree(state: RunState): number {
    return state.journalLength + state.waits.size + 100 * state.progress.incarnation
  }

  // ---- what happens ----------------------------------------------------------------------------------------------

  #act(): void {
    const { chance } = this
    const states = [...this.states.values()]
    const dice = chance.below(100)
    if (states.length === 0 || (dice < 6 && states.length < 8)) {
      this.#start(`run ${this.store.newRunKey()}`)
      return
    }
    const state = chance.pick(states)
    const { life, progress } = state
    if (dice < 8) return this.hear(state, { type: 'end-requested', reason: 'cancelled', graceMs: 1 })
    if (dice < 14) return this.hear(state, { type: 'resume-requested', forget: progress.status === 'failed' && state.journalLength > 0 ? { fromPosition: chance.below(state.journalLength), index: Infinity } : undefined })
    if (dice < 16) return this.#endThread(chance.below(3), chance.below(3) === 0)
    if (dice < 17) return this.#processDies()
    if (dice < 30) return this.#timerDue()
    if (dice < 40 && this.#checks.length > 0) return this.#answerCheck()
    if (life.type === 'queued') return this.hear(state, { type: 'run-admitted', threadId: chance.below(3) })
    if (life.type === 'live' && life.mode === 'waiting' && chance.below(3) === 0) return this.hear(state, { type: 'passivation-wanted', force: chance.below(2) === 0 })
    const actor = this.actors.get(state.meta.key)
    if (life.type === 'live' && actor !== undefined) this.#actorActs(state, actor)
  }

  #timerDue(): void {
    if (this.armed.length === 0) return
    this.armed.sort((a, b) => a.dueAtMs - b.dueAtMs)
    const row = this.armed.shift()!
    this.nowMs = Math.max(this.nowMs, row.dueAtMs)
    this.hear(this.states.get(row.key)!, { type: 'timer-due', slot: row.slot, dueAtMs: row.dueAtMs })
  }

  #endThread(threadId: number, deliberate: boolean): void {
    const hit = [...this.states.values()].filter(({ life }) => life.type === 'live' && life.threadId === threadId)
    for (const state of hit) this.hear(state, { type: 'thread-ended', alone: hit.length === 1, culprit: undefined, problem: 'ended', deliberate })
  }

  /** All memory is gone; what was told or armed too. The next process begins with the store alone. */
  #processDies(): void {
    this.actors.clear()
    this.#checks = []
    const keys = [...this.states.keys()]
    this.states.clear()
    for (const key of keys) this.states.set(key, stateFromStore(this.store.loadRun(key)!))
    this.armed = [...this.store.scanTimers(undefined, 1e6)]
    for (const key of this.store.runsInStatus('running', undefined, 1e6)) this.hear(this.states.get(key)!, { type: 'process-died' })
    this.history.push('the process died')
  }

  #actorActs(state: RunState, actor: SimulatedActor): void {
    const say = (fact: ToSupervisor): void => { this.hear(state, fact) }
    if (!actor.started) {
      actor.started = true
      return say({ type: 'actor-started' })
    }
    const order = this.chance.below(2) === 0 ? actor.inbox.shift() : undefined
    if (order !== undefined) return this.#actorHears(actor, order, say)
    if (actor.ending) return say(this.chance.below(2) === 0 ? { type: 'run-failed', error } : { type: 'run-completed', result: value })
    const isWaiting = actor.running.size === 0 && actor.proposed.size === 0 && actor.waiting.size > 0
    if (isWaiting && !actor.saidWaiting && this.chance.below(3) > 0) {
      actor.saidWaiting = true
      return say({ type: 'actor-waiting', heard: actor.heard })
    }
    // What merely waits is stirred by nothing but the supervisor, or something foreign now and then.
    if (isWaiting && this.chance.below(10) > 0) return
    actor.saidWaiting = false
    this.#actorWorks(state, actor, say)
  }

  #actorHears(actor: SimulatedActor, order: ToActor, say: (fact: ToSupervisor) => void): void {
    actor.heard++
    actor.saidWaiting = false
    switch (order.type) {
      case 'entry-recorded': case 'entry-arrived':
        actor.proposed.delete(order.index)
        actor.waiting.delete(order.index)
        return
      case 'attempt-due':
        if (!actor.waiting.delete(order.index)) return
        actor.running.set(order.index, order.attempt)
        return say({ type: 'step-started', index: order.index, name: 's', attempt: order.attempt, startedAtMs: this.nowMs, timeoutMs: undefined })
      case 'end-run':
        actor.ending = true
        return
      case 'passivate':
        say({ type: actor.running.size === 0 && actor.proposed.size === 0 && actor.waiting.size > 0 && !actor.ending && (order.force || this.chance.below(2) === 0)
          ? 'actor-passivated' : 'passivation-refused' })
        return
      case 'abandon':
        say({ type: 'actor-passivated' })
    }
  }

  #actorWorks(state: RunState, actor: SimulatedActor, say: (fact: ToSupervisor) => void): void {
    const { chance } = this
    const [running] = [...actor.running]
    if (running !== undefined && chance.below(2) === 0) return this.#attemptEnds(state, actor, running, say)
    const index = actor.nextIndex
    const kind = chance.below(12)
    if (kind < 8) actor.nextIndex++
    if (kind < 3) {
      actor.running.set(index, 1)
      return say({ type: 'step-started', index, name: 's', attempt: 1, startedAtMs: this.nowMs, timeoutMs: undefined })
    }
    if (kind < 5) {
      actor.waiting.add(index)
      return say({ type: 'sleep-called', index, durationMs: chance.below(500) })
    }
    if (kind < 7) {
      actor.waiting.add(index)
      return say({ type: 'child-called', index, mode: chance.pick(['start', 'call']), workflow: 'child', args: value, id: undefined, queue: undefined, timeoutMs: undefined })
    }
    if (kind < 8) {
      actor.waiting.add(index)
      return say({ type: 'child-awaited', index, childId: chance.pick([...this.states.values()].map(({ meta }) => meta.id).concat('nobody')) })
    }
    if (kind < 10) return
    say(chance.pick<ToSupervisor>([{ type: 'run-completed', result: value }, { type: 'run-failed', error },
      { type: 'run-diverged', index: 0, recorded: 'a', called: 'b' }, { type: 'actor-stuck', seconds: 10 }]))
  }

  #attemptEnds(state: RunState, actor: SimulatedActor, [index, attempt]: readonly [number, number], say: (fact: ToSupervisor) => void): void {
    const { chance } = this
    actor.running.delete(index)
    const wait = state.waits.get(index)
    if (attempt === -1 && chance.below(2) === 0) {
      actor.waiting.add(index)
      return say({ type: 'attempt-judged', index, delayMs: chance.below(300) })
    }
    if (attempt !== -1 && chance.below(2) === 0) {
      actor.waiting.add(index)
      return say({ type: 'attempt-failed', index, name: 's', attempt, startedAtMs: this.nowMs, finishedAtMs: this.nowMs, error, delayMs: chance.pick([0, 50, 300]) })
    }
    actor.proposed.add(index)
    actor.waiting.delete(index)
    const outcome = chance.pick(['result', 'error', 'exhausted'] as const)
    say({ type: 'operation-completed', index, kind: 'step', outcome, entry: entryOf(index, outcome, wait !== undefined) })
  }
}

function entryOf(index: number, outcome: 'result' | 'error' | 'exhausted', large: boolean): Encoded {
  return encodeEntry({
    index, kind: 'step', name: 's', startedAtMs: 0, finishedAtMs: 1, outcome, attempts: [],
    value: outcome === 'result' && large ? encodeValue('x'.repeat(20_000), { what: 'value', root: 'value' }) : outcome === 'result' ? value : error,
  })
}

function described(input: RunInput): string {
  return JSON.stringify(input, (_, part: unknown) => part instanceof Uint8Array ? `${part.length} bytes` : part)
}
