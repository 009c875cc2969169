/** Alarms of the supervisor that go with it: one that is left would hold its thread. */
import type { Alarm, Clock } from '../model/clock.ts'

export class Alarms {
  readonly #clock: Clock
  readonly #set = new Set<Alarm>()
  #stopped = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Calls back after a while, unless the supervisor is closed before. What comes back takes it back. */
  later(delayMs: number, call: () => void): () => void {
    return this.#keep(ring => this.#clock.schedule(delayMs, ring), call)
  }

  /** The same, when the clock says so. */
  at(atMs: number, call: () => void): () => void {
    return this.#keep(ring => this.#clock.scheduleAt(atMs, ring), call)
  }

  stop(): void {
    this.#stopped = true
    for (const alarm of this.#set) alarm.cancel()
  }

  #keep(set: (ring: () => void) => Alarm, call: () => void): () => void {
    if (this.#stopped) return () => {}
    const alarm = set(() => {
      this.#set.delete(alarm)
      call()
    })
    this.#set.add(alarm)
    return () => {
      alarm.cancel()
      this.#set.delete(alarm)
    }
  }
}
