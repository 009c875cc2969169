/**
 * The attempts that are about to run in a thread. The supervisor must know of an attempt before its code runs, for that may
 * be the last thing the thread does. Of a step that was quick the last time the flight recorder tells it; of all others a
 * message does, sent off before the code runs.
 */
import type { FlightRecorder } from '../protocol/flight-recorder.ts'
import type { Presence } from '../protocol/presence.ts'
import { monotonicMs } from '../system.ts'

/** A step whose code held the thread for less is quick. */
const QUICK_MS = 1
/** Steps with further names are always told of by messages. */
const MOST_NAMES = 1000

export interface QueuedAttempt {
  readonly name: string
  readonly timeoutMs: number | undefined
  /** A message says, or has said, that it begins. */
  isTold: boolean
  /** Its record in the flight recorder, while it is told of there alone. */
  slot: number | undefined
  /** How long its step's code usually holds the thread; 0: not known. */
  heldMs: number
  /** Says that it begins. */
  tell(): void
  record(recorder: FlightRecorder, nameId: number): number
  run(): void
}

interface KnownStep {
  readonly nameId: number
  /** The last time. */
  heldMs: number
  /** The shorter of the last two times: one that was interrupted says nothing about all that wait. */
  usualMs: number
}

export class AttemptQueue {
  readonly #recorder: FlightRecorder | undefined
  readonly #presence: Presence
  readonly #nameStep: (nameId: number, name: string) => void
  readonly #nowMs: () => number
  readonly #steps = new Map<string, KnownStep>()
  #queue: QueuedAttempt[] = []
  /** Begun, and known to the flight recorder alone. */
  #untold: QueuedAttempt[] = []
  #freed: number[] = []
  #aheadMs = 0

  constructor(recorder: FlightRecorder | undefined, presence: Presence, nameStep: (nameId: number, name: string) => void, nowMs = monotonicMs) {
    this.#presence = presence
    this.#nowMs = nowMs
    this.#recorder = recorder
    this.#nameStep = nameStep
  }

  get isEmpty(): boolean {
    return this.#queue.length === 0
  }

  get hasUntold(): boolean {
    return this.#untold.length > 0
  }

  add(attempt: QueuedAttempt): void {
    if (this.#recordable(attempt) === undefined) this.#tell(attempt)
    attempt.heldMs = this.#steps.get(attempt.name)?.usualMs ?? 0
    this.#aheadMs += attempt.heldMs
    this.#queue.push(attempt)
  }

  /** Runs what is waiting, until so much time has passed. All that was told must be on its way by now. */
  run(forMs: number): void {
    const queue = this.#queue
    this.#queue = []
    const startedAtMs = this.#nowMs()
    let atMs = startedAtMs
    let ran = 0
    while (ran < queue.length && atMs - startedAtMs < forMs) {
      const attempt = queue[ran]!
      if (!attempt.isTold && !this.#recorded(attempt)) break
      ran++
      this.#aheadMs -= attempt.heldMs
      this.#presence.aheadMs = this.#aheadMs
      attempt.run()
      if (attempt.slot !== undefined) this.#untold.push(attempt)
      const nowMs = this.#nowMs()
      this.#remember(attempt.name, nowMs - atMs)
      atMs = nowMs
    }
    if (ran < queue.length) this.#queue = [...queue.slice(ran), ...this.#queue]
  }

  /** It is over, or was never begun. */
  over(attempt: QueuedAttempt): void {
    if (attempt.slot === undefined) return
    this.#recorder!.ended(attempt.slot)
    attempt.slot = undefined
  }

  /** Those that are still under way are told of; call told() once that is on its way. */
  tellUnderWay(): void {
    for (const attempt of this.#untold) {
      if (attempt.slot === undefined) continue
      this.#freed.push(attempt.slot)
      attempt.slot = undefined
      this.#tell(attempt)
    }
    this.#untold = []
  }

  told(): void {
    for (const slot of this.#freed) this.#recorder!.ended(slot)
    this.#freed = []
  }

  #tell(attempt: QueuedAttempt): void {
    attempt.isTold = true
    attempt.tell()
  }

  #recordable({ name, timeoutMs }: QueuedAttempt): KnownStep | undefined {
    const known = this.#recorder === undefined || timeoutMs !== undefined ? undefined : this.#steps.get(name)
    return known !== undefined && known.heldMs < QUICK_MS ? known : undefined
  }

  /** False: not in this turn, because the recorder is full, or because it has to be told by a message first. */
  #recorded(attempt: QueuedAttempt): boolean {
    const known = this.#recordable(attempt)
    if (known === undefined) {
      this.#tell(attempt)
      return false
    }
    if (this.#recorder!.isFull) return false
    attempt.slot = attempt.record(this.#recorder!, known.nameId)
    return true
  }

  #remember(name: string, heldMs: number): void {
    const known = this.#steps.get(name)
    if (known !== undefined) {
      known.usualMs = Math.min(known.heldMs, heldMs)
      known.heldMs = heldMs
    } else if (this.#recorder !== undefined && this.#steps.size < MOST_NAMES) {
      this.#steps.set(name, { nameId: this.#steps.size, heldMs, usualMs: heldMs })
      this.#nameStep(this.#steps.size - 1, name)
    }
  }
}
