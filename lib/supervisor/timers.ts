/** Timers: all of them are in the store's index, the near ones in memory too, and one alarm is set, for the nearest. */
import type { Alarm, Clock } from '../model/clock.ts'
import type { TimerRow } from '../store/contract.ts'
import { Heap } from './heap.ts'

/** How many are loaded at a time, and how many may be in memory before the later ones are left to the store again. */
const PAGE = 1000
const MOST_IN_MEMORY = 20_000
const HELD_MS = 500

export class Timers {
  readonly #clock: Clock
  readonly #scan: (after: TimerRow | undefined, limit: number) => readonly TimerRow[]
  readonly #onDue: (rows: readonly TimerRow[]) => void
  readonly #mayRing: () => boolean
  readonly #near = new Heap<TimerRow>(isBefore)
  /** Rows after this one are in the store only; undefined: all are in memory. */
  #horizon: TimerRow | undefined
  #alarm: { readonly dueAtMs: number, readonly alarm: Alarm } | undefined
  #stopped = false

  /** While `mayRing` says no, due timers wait, and are looked at again after a while. */
  constructor(
    clock: Clock, scan: (after: TimerRow | undefined, limit: number) => readonly TimerRow[], onDue: (rows: readonly TimerRow[]) => void,
    mayRing: () => boolean = () => true) {
    this.#clock = clock
    this.#mayRing = mayRing
    this.#scan = scan
    this.#onDue = onDue
  }

  start(): void {
    this.#load(undefined)
    this.#setAlarm()
  }

  /** A timer that is in the store now. Timers are never taken back: one that no longer holds is ignored when it is due. */
  arm(row: TimerRow): void {
    if (this.#horizon !== undefined && !isBefore(row, this.#horizon)) return
    this.#near.push(row)
    if (this.#near.size > MOST_IN_MEMORY) this.#horizon = this.#near.keepSmallest(PAGE).at(-1)
    this.#setAlarm()
  }

  stop(): void {
    this.#stopped = true
    this.#alarm?.alarm.cancel()
  }

  #load(after: TimerRow | undefined): void {
    const rows = this.#scan(after, PAGE)
    for (const row of rows) this.#near.push(row)
    this.#horizon = rows.length < PAGE ? undefined : rows.at(-1)
  }

  #setAlarm(): void {
    const nearest = this.#near.peek()
    if (this.#stopped || nearest === undefined || (this.#alarm !== undefined && this.#alarm.dueAtMs <= nearest.dueAtMs)) return
    this.#alarm?.alarm.cancel()
    const { dueAtMs } = nearest
    this.#alarm = { dueAtMs, alarm: this.#clock.scheduleAt(dueAtMs, () => { this.#ring() }) }
  }

  #ring(): void {
    this.#alarm = undefined
    const nowMs = this.#clock.nowMs()
    if (!this.#mayRing()) {
      this.#alarm = { dueAtMs: nowMs, alarm: this.#clock.schedule(HELD_MS, () => { this.#ring() }) }
      return
    }
    const due: TimerRow[] = []
    for (;;) {
      const next = this.#near.peek()
      if (next === undefined && this.#horizon !== undefined) this.#load(this.#horizon)
      else if (next !== undefined && next.dueAtMs <= nowMs && due.length < PAGE) due.push(this.#near.pop()!)
      else break
    }
    this.#setAlarm()
    if (due.length > 0) this.#onDue(due)
  }
}

function isBefore(a: TimerRow, b: TimerRow): boolean {
  return a.dueAtMs !== b.dueAtMs ? a.dueAtMs < b.dueAtMs : a.key !== b.key ? a.key < b.key : a.slot < b.slot
}
