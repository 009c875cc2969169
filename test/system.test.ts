/** The system's clock, on a machine whose timeouts and whose clock are the test's. */
import t from 'tap'
import type { Test } from 'tap'
import { systemClock } from '../lib/system.ts'

const HOUR_MS = 3_600_000

/** Timeouts ring when the test lets time pass; the clock can be set without that. */
class Machine {
  passedMs = 0
  wallMs = Date.UTC(2030, 0, 1)
  #timeouts = new Map<number, { readonly dueMs: number, readonly ring: () => void }>()
  #next = 1

  constructor(t: Test) {
    const set = (ring: () => void, delayMs: number): number => {
      this.#timeouts.set(this.#next, { dueMs: this.passedMs + delayMs, ring })
      return this.#next++
    }
    t.intercept(Date, 'now', { value: () => this.wallMs })
    t.intercept(performance, 'now', { value: () => this.passedMs })
    t.intercept(globalThis, 'setTimeout', { value: set })
    t.intercept(globalThis, 'clearTimeout', { value: (id: number) => this.#timeouts.delete(id) })
  }

  get timeouts(): number {
    return this.#timeouts.size
  }

  pass(ms: number): void {
    const untilMs = this.passedMs + ms
    for (;;) {
      const [next] = [...this.#timeouts].filter(([, { dueMs }]) => dueMs <= untilMs).sort(([, a], [, b]) => a.dueMs - b.dueMs)
      const toMs = next?.[1].dueMs ?? untilMs
      this.wallMs += toMs - this.passedMs
      this.passedMs = toMs
      if (next === undefined) return
      this.#timeouts.delete(next[0])
      next[1].ring()
    }
  }
}

t.test('who waits for an instant is called soon after it, also where the clock was set forward or the machine slept', async t => {
  const machine = new Machine(t)
  let called = 0
  systemClock.scheduleAt(machine.wallMs + 24 * HOUR_MS, () => { called++ })
  machine.pass(HOUR_MS)
  machine.wallMs += 30 * HOUR_MS
  machine.pass(60_000)
  t.equal(called, 1)
  t.equal(machine.timeouts, 0)
})

t.test('who waits for an instant is not called before it where the clock was set back', async t => {
  const machine = new Machine(t)
  let called = 0
  systemClock.scheduleAt(machine.wallMs + 10_000, () => { called++ })
  machine.wallMs -= HOUR_MS
  machine.pass(HOUR_MS + 9999)
  t.equal(called, 0)
  machine.pass(1)
  t.equal(called, 1)
})

t.test('who waits for some time is called when it has passed, whatever the clock is set to', async t => {
  for (const setByMs of [-HOUR_MS, HOUR_MS]) {
    const machine = new Machine(t)
    let called = 0
    systemClock.schedule(10_000, () => { called++ })
    machine.wallMs += setByMs
    machine.pass(9999)
    t.equal(called, 0)
    machine.pass(1)
    t.equal(called, 1)
  }
})

t.test('a delay beyond what a timeout can hold rings when it is over, and not at once', async t => {
  const machine = new Machine(t)
  let called = 0
  systemClock.schedule(60 * 24 * HOUR_MS, () => { called++ })
  machine.pass(60 * 24 * HOUR_MS - 1)
  t.equal(called, 0)
  machine.pass(1)
  t.equal(called, 1)
})

t.test('an alarm that is cancelled between two looks does not ring', async t => {
  const machine = new Machine(t)
  let called = 0
  const alarm = systemClock.scheduleAt(machine.wallMs + HOUR_MS, () => { called++ })
  machine.pass(HOUR_MS / 2)
  alarm.cancel()
  machine.pass(HOUR_MS)
  t.equal(called, 0)
  t.equal(machine.timeouts, 0)
})
