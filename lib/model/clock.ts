/** Time and chance as the rest of the library sees them. The real ones are in lib/system.ts; tests turn their own by hand. */
export interface Clock {
  /** Milliseconds since the epoch. */
  nowMs(): number
  /** A number in [0, 1). */
  random(): number
  /** Calls back once, when `delayMs` have passed, whatever the clock is set to meanwhile. A delay of any length works. */
  schedule(delayMs: number, callback: () => void): Alarm
  /** Calls back once, when the clock says so: soon after, also where it was set or its machine slept. */
  scheduleAt(dueAtMs: number, callback: () => void): Alarm
  /** Calls back in a turn of its own, after all that this turn has set off. */
  soon(callback: () => void): void
  /** Calls back once, when `delayMs` have passed, at most some 10, by the machine's own time also where the time is turned by hand. */
  shortly(delayMs: number, callback: () => void): Alarm
}

export interface Alarm {
  cancel(): void
}
