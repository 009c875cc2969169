/** What the pure core says is to happen: changes for the store, words for others, effects once the changes are durable. */
import type { Encoded } from '../codec/encoded.ts'
import type { EntryKind, EntryOutcome } from '../codec/entry.ts'
import { encodeWait } from '../codec/wait.ts'
import type { Wait } from '../codec/wait.ts'
import type { ResolvedRespawnPolicy } from '../model/respawn.ts'
import type { RunKey } from '../model/run.ts'
import type { ToActor, ToSupervisor } from '../protocol/actor.ts'
import { TIMER_SLOT } from '../store/contract.ts'
import type { AwaiterRow, Change, MessageRow, Outcome, RunProgress } from '../store/contract.ts'
import { QUEUED } from './state.ts'
import type { Life, LiveActor, RunningStep, RunState, StreamHead } from './state.ts'

/** Everything that can happen to a run. */
export type RunInput =
  | ToSupervisor
  | { readonly type: 'run-admitted', readonly threadId: number }
  | { readonly type: 'timer-due', readonly slot: number, readonly dueAtMs: number }
  | { readonly type: 'child-started', readonly index: number, readonly mode: 'start' | 'call' | 'await', readonly workflow: string, readonly childId: string, readonly childKey: RunKey }
  | { readonly type: 'child-finished', readonly index: number, readonly outcome: Outcome }
  | { readonly type: 'awaiter-added', readonly awaiter: AwaiterRow }
  /** It waits no longer: its time was up. */
  | { readonly type: 'awaiter-gone', readonly parent: RunKey, readonly index: number }
  /** Another run's state, or its absence, decided an operation of this one. */
  | { readonly type: 'operation-settled', readonly index: number, readonly kind: EntryKind, readonly name: string, readonly outcome: EntryOutcome, readonly value: Encoded }
  | { readonly type: 'message-arrived', readonly topic: string | undefined, readonly message: Encoded, readonly idempotencyKey: string | undefined }
  | { readonly type: 'event-wait-began', readonly index: number, readonly name: string, readonly target: RunKey, readonly event: string, readonly timeoutMs: number | undefined }
  | { readonly type: 'event-arrived', readonly index: number, readonly value: Encoded | undefined }
  | { readonly type: 'end-requested', readonly reason: 'cancelled' | 'timed-out', readonly graceMs: number }
  /** `forget`: the last failed operation, by its place in the journal and the time at which it failed. */
  | { readonly type: 'resume-requested', readonly forget: { readonly fromPosition: number, readonly index: number } | undefined }
  | ThreadEnded
  /** Its task in the pool was over without a last word. */
  | { readonly type: 'actor-vanished' }
  /** Found 'running' at open(): the process that ran it died. */
  | { readonly type: 'process-died' }
  | { readonly type: 'passivation-wanted', readonly force: boolean }

export interface ThreadEnded {
  readonly type: 'thread-ended'
  /** No other actor was on the thread: the crash is its own. */
  readonly alone: boolean
  /** The operation whose code ended the thread, where its last words named one. */
  readonly culprit: number | undefined
  /** Completes "its thread ...". */
  readonly problem: string
  /** The supervisor ended the thread, for another actor's sake or this one's: nobody crashed. */
  readonly deliberate: boolean
  /** The operation for whose attempt's sake the supervisor did: it took longer than its timeoutSeconds, and did not yield. */
  readonly timedOut?: number | undefined
  /** Its code may be what made the supervisor do it. */
  readonly isSuspect?: boolean
}

/** What one run's decision has to say to others, heard in the same commit (I6). */
export type Word =
  | { readonly type: 'to-run', readonly key: RunKey, readonly input: RunInput }
  | { readonly type: 'start-child', readonly parent: RunKey, readonly request: ToSupervisor & { type: 'child-called' } }
  | { readonly type: 'find-child', readonly parent: RunKey, readonly index: number, readonly childId: string }
  | { readonly type: 'send-message', readonly from: RunKey, readonly fact: ToSupervisor & { type: 'message-sent' } }
  | { readonly type: 'find-event', readonly from: RunKey, readonly fact: ToSupervisor & { type: 'event-awaited' } }

/** What is done once the changes are durable (I1). */
export type Effect =
  | { readonly type: 'tell-actor', readonly threadId: number, readonly incarnation: number, readonly order: ToActor }
  | { readonly type: 'spawn-actor', readonly threadId: number, readonly incarnation: number }
  | { readonly type: 'arm-timer', readonly slot: number, readonly dueAtMs: number }
  | { readonly type: 'arm-grace', readonly incarnation: number, readonly graceMs: number }
  | { readonly type: 'settle-waiters' }
  /** Hosts may wait for this event, or follow this stream. */
  | { readonly type: 'followers-told' }
  | { readonly type: 'log', readonly level: 'debug' | 'info' | 'warn' | 'error', readonly event: string, readonly fields: object, readonly message: string }

/** How a run's workflow wants its crashes judged. */
export interface RunPolicy {
  readonly respawn: ResolvedRespawnPolicy
  /** Of the workflow's module as it is now. */
  readonly version?: string | undefined
  /** A test wants a new life after each recorded operation. */
  readonly replaysEveryStep?: boolean
}

export interface Decision {
  readonly changes: readonly Change[]
  readonly words: readonly Word[]
  readonly effects: readonly Effect[]
  readonly progress: RunProgress
  readonly life: Life
  readonly waits: readonly (readonly [number, Wait | undefined])[]
  readonly running: readonly (readonly [number, RunningStep | undefined])[]
  readonly journalLength: number
  readonly awaiters: readonly AwaiterRow[]
  readonly outcome: Outcome | undefined
  readonly messages: readonly MessageRow[]
  readonly messageKeys: readonly string[]
  readonly events: readonly (readonly [string, Encoded])[]
  readonly streams: readonly (readonly [string, StreamHead])[]
}

/** A decision while it is being made. It reads the state and never writes it. */
export class Draft {
  readonly state: RunState
  readonly nowMs: number
  readonly changes: Change[] = []
  readonly words: Word[] = []
  readonly effects: Effect[] = []
  readonly waits: [number, Wait | undefined][] = []
  readonly running: [number, RunningStep | undefined][] = []
  readonly messageKeys: string[] = []
  readonly events: [string, Encoded][] = []
  readonly streams: [string, StreamHead][] = []
  messages: readonly MessageRow[]
  progress: RunProgress
  life: Life
  journalLength: number
  awaiters: readonly AwaiterRow[]
  outcome: Outcome | undefined

  constructor(state: RunState, nowMs: number) {
    this.state = state
    this.nowMs = nowMs
    this.progress = state.progress
    this.life = state.life
    this.journalLength = state.journalLength
    this.awaiters = state.awaiters
    this.outcome = state.outcome
    this.messages = state.messages
  }

  get key(): RunKey {
    return this.state.meta.key
  }

  done(): Decision {
    if (this.progress !== this.state.progress) {
      this.changes.push({ type: 'run-changed', meta: this.state.meta, before: this.state.progress, after: this.progress })
    }
    return this
  }

  /** undefined takes a field away. */
  set(progress: { readonly [K in keyof RunProgress]?: RunProgress[K] | undefined }): void {
    const next: Record<string, unknown> = { ...this.progress, ...progress, updatedAtMs: this.nowMs }
    for (const field in progress) if (next[field] === undefined) delete next[field]
    this.progress = next as unknown as RunProgress
  }

  append(entry: Encoded): number {
    const position = this.journalLength++
    this.changes.push({ type: 'entry-appended', key: this.key, position, entry })
    // A checkpoint is progress: what counted against the run is forgotten.
    const { crashesAtMs, processDeaths, suspect } = this.progress
    if (crashesAtMs.length > 0 || processDeaths > 0 || suspect) this.set({ crashesAtMs: [], processDeaths: 0, suspect: false })
    return position
  }

  recordWait(index: number, wait: Wait): void {
    this.#clearTimerOf(index)
    this.waits.push([index, wait])
    this.changes.push({ type: 'wait-recorded', key: this.key, index, wait: encodeWait(wait) })
    const dueAtMs = dueAtOf(wait)
    if (dueAtMs !== undefined) this.setTimer(index, dueAtMs)
  }

  removeWait(index: number): void {
    if (!this.state.waits.has(index)) return
    this.#clearTimerOf(index)
    this.waits.push([index, undefined])
    this.changes.push({ type: 'wait-removed', key: this.key, index })
  }

  setTimer(slot: number, dueAtMs: number): void {
    this.changes.push({ type: 'timer-set', key: this.key, slot, dueAtMs })
    this.effects.push({ type: 'arm-timer', slot, dueAtMs })
  }

  clearTimer(slot: number, dueAtMs: number): void {
    this.changes.push({ type: 'timer-cleared', key: this.key, slot, dueAtMs })
  }

  #clearTimerOf(index: number): void {
    const dueAtMs = dueAtOf(this.state.waits.get(index))
    if (dueAtMs !== undefined) this.clearTimer(index, dueAtMs)
  }

  /** Says something to the actor, if there is one; held back while it is not known to listen. */
  tell(order: ToActor): void {
    const { life } = this
    if (life.type !== 'live') return
    if (life.mode === 'spawning' || life.mode === 'passivating') this.life = { ...life, held: [...life.held, order] }
    else this.send(life, order)
  }

  send(life: LiveActor, order: ToActor): void {
    const { type, threadId, mode, told, held, asking, waitsAfter } = life
    // Once a step: spreading it would take several times as long.
    this.life = { type, threadId, mode, told: told + 1, held, asking, waitsAfter }
    this.effects.push({ type: 'tell-actor', threadId: life.threadId, incarnation: this.progress.incarnation, order })
  }

  /** Something happened that the run must react to, wherever its actor is (I7). */
  wake(): void {
    const { life } = this
    if (life.type === 'live') {
      if (life.mode === 'waiting') this.life = { ...life, mode: 'active' }
      if (this.progress.status === 'waiting') this.set({ status: 'running' })
    // A crashed run that is held back lives again when that is over, and sees then what has happened meanwhile.
    } else if (life.type === 'absent' && this.progress.respawnAtMs === undefined) this.enqueue()
  }

  /** Back into the queue, at the place the run had when it first joined: what is under way comes before what is new. */
  enqueue(): void {
    this.life = QUEUED
    this.set({ status: 'enqueued' })
  }

  /** What happened to its thread, for whoever asks for the run, and for the log. */
  trouble(level: 'warn' | 'error', event: string, fields: object, text: string): void {
    this.set({ trouble: { atMs: this.nowMs, text } })
    this.log(level, event, fields, `Run "${this.state.meta.id}": ${text}`)
  }

  log(level: 'debug' | 'info' | 'warn' | 'error', event: string, fields: object, message: string): void {
    const { id, workflow } = this.state.meta
    this.effects.push({ type: 'log', level, event, fields: { runId: id, workflow, ...fields }, message })
  }
}

/** Timers of the run itself, as its progress tells them. */
export function runTimers(progress: RunProgress): readonly { readonly slot: number, readonly dueAtMs: number }[] {
  const { startAtMs, deadlineAtMs, respawnAtMs } = progress
  const timers = []
  if (startAtMs !== undefined) timers.push({ slot: TIMER_SLOT.start, dueAtMs: startAtMs })
  if (deadlineAtMs !== undefined) timers.push({ slot: TIMER_SLOT.deadline, dueAtMs: deadlineAtMs })
  if (respawnAtMs !== undefined) timers.push({ slot: TIMER_SLOT.respawn, dueAtMs: respawnAtMs })
  return timers
}

export function dueAtOf(wait: Wait | undefined): number | undefined {
  return wait === undefined || wait.type === 'child' ? undefined : wait.dueAtMs
}
