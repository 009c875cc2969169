/** A clock that stands still until a test turns it, with chance from a seed. */
import type { Alarm, Clock } from '../model/clock.ts'

interface Pending {
  readonly dueAtMs: number
  readonly order: number
  readonly callback: () => void
}

export class HandClock implements Clock {
  #nowMs: number
  #order = 0
  readonly #random: () => number
  readonly #pending = new Set<Pending>()

  constructor(nowMs = 1_700_000_000_000, random: () => number = () => 0) {
    this.#nowMs = nowMs
    this.#random = random
  }

  nowMs(): number {
    return this.#nowMs
  }

  random(): number {
    return this.#random()
  }

  schedule(delayMs: number, callback: () => void): Alarm {
    return this.scheduleAt(this.#nowMs + Math.max(delayMs, 0), callback)
  }

  scheduleAt(dueAtMs: number, callback: () => void): Alarm {
    const pending = { dueAtMs: Math.max(dueAtMs, this.#nowMs), order: this.#order++, callback }
    this.#pending.add(pending)
    return { cancel: () => { this.#pending.delete(pending) } }
  }

  /** What is the machine's own goes on while this clock stands still. */
  shortly(delayMs: number, callback: () => void): Alarm {
    const timeout = setTimeout(callback, delayMs)
    return { cancel: () => { clearTimeout(timeout) } }
  }

  /** Turns are the event loop's own: they take no time. */
  soon(callback: () => void): void {
    setImmediate(callback)
  }

  /** How many alarms are set. */
  get alarms(): number {
    return this.#pending.size
  }

  /** When the nearest alarm rings. */
  get nextDueAtMs(): number | undefined {
    return this.#nearest()?.dueAtMs
  }

  /** Lets this much time pass; alarms ring in order, each at its own time. */
  turn(ms: number): void {
    this.turnTo(this.#nowMs + ms)
  }

  turnTo(untilMs: number): void {
    for (let next = this.#nearest(); next !== undefined && next.dueAtMs <= untilMs; next = this.#nearest()) {
      this.#pending.delete(next)
      this.#nowMs = Math.max(this.#nowMs, next.dueAtMs)
      next.callback()
    }
    this.#nowMs = untilMs
  }

  /** As when somebody sets the machine's clock: no alarm rings by this. */
  setBack(ms: number): void {
    this.#nowMs -= ms
  }

  #nearest(): Pending | undefined {
    let nearest: Pending | undefined
    for (const pending of this.#pending) {
      if (nearest === undefined || pending.dueAtMs < nearest.dueAtMs || (pending.dueAtMs === nearest.dueAtMs && pending.order < nearest.order)) nearest = pending
    }
    return nearest
  }
}
