/** The clock of a test: it stands still until it is turned, and turning it waits for what became due. */
import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises'
import { StillAtWorkError } from '../errors.ts'
import { checkNumber, checkOptions, refuse } from '../options.ts'
import { monotonicMs } from '../system.ts'
import { HandClock } from './hand-clock.ts'

/** What is done before the clock goes on: a supervisor, as far as the clock looks at it. */
export interface Stillness {
  readonly isStill: boolean
  /** Ids of the runs that are at work. */
  atWork(): readonly string[]
}

export interface TestClockOptions {
  /** Default: the beginning of the year 2030, UTC. */
  readonly startsAt?: Date
  /** How long, in seconds of real time, advance() waits for runs that are at work. > 0. Default 60. */
  readonly patienceSeconds?: number
}

const DEFAULT_START_MS = Date.UTC(2030, 0, 1)
const DEFAULT_PATIENCE_SECONDS = 60
/** Turns of the event loop that are looked at one by one; after them a look each millisecond is enough. */
const CLOSE_LOOKS = 100
/** Turns that a message takes from a host that has just asked for something to its supervisor. */
const MESSAGE_TURNS = 3

/**
 * Durable time: sleeps, timeouts of waits, delays of retries and starts, deadlines, schedules and rates of queues follow it,
 * and so do now() and the times in info() and steps(). What a step does takes real time, and so does its own timeoutSeconds;
 * Date and setTimeout are the machine's.
 */
export class TestClock {
  /** @internal What the supervisor is given. */
  readonly hand: HandClock
  /** @internal What its threads read: whole milliseconds. */
  readonly time = new SharedArrayBuffer(8)
  readonly #patienceSeconds: number
  readonly #watched = new Set<Stillness>()

  /** @throws InvalidOptionError */
  constructor(options: TestClockOptions = {}) {
    const { startsAt, patienceSeconds } = checkOptions('new TestClock()', options, ['startsAt', 'patienceSeconds'])
    if (startsAt !== undefined && (!(startsAt instanceof Date) || Number.isNaN(startsAt.getTime()))) refuse('startsAt', 'be a valid Date', startsAt)
    this.#patienceSeconds = patienceSeconds === undefined ? DEFAULT_PATIENCE_SECONDS
      : checkNumber('patienceSeconds', patienceSeconds, { min: 0.001, max: 86_400 })
    this.hand = new HandClock(startsAt instanceof Date ? startsAt.getTime() : DEFAULT_START_MS)
    this.#share()
  }

  /** What time it is by this clock. */
  get now(): Date {
    return new Date(this.hand.nowMs())
  }

  /**
   * Lets this many seconds pass. Whatever becomes due on the way happens in order, each at its own time, with all that follows
   * from it; resolves when nothing is left to do. advance(0) waits until all is done that can be done now.
   * @throws StillAtWorkError when runs are at work longer than the clock has patience
   */
  async advance(seconds: number): Promise<void> {
    const untilMs = this.hand.nowMs() + checkNumber('seconds', seconds, { min: 0, max: Number.MAX_SAFE_INTEGER / 1000 }) * 1000
    await this.#stillness()
    for (let dueAtMs = this.hand.nextDueAtMs; dueAtMs !== undefined && dueAtMs <= untilMs; dueAtMs = this.hand.nextDueAtMs) {
      this.#turnTo(Math.max(dueAtMs, this.hand.nowMs()))
      await this.#stillness()
    }
    this.#turnTo(untilMs)
  }

  /** The same, up to an instant; one that has passed changes nothing. */
  async advanceTo(instant: Date): Promise<void> {
    await this.advance(Math.max(0, instant.getTime() - this.hand.nowMs()) / 1000)
  }

  /** @internal */
  watch(supervisor: Stillness): () => void {
    this.#watched.add(supervisor)
    return () => { this.#watched.delete(supervisor) }
  }

  #turnTo(ms: number): void {
    // The threads first: what rings must not meet one that is behind.
    Atomics.store(new BigInt64Array(this.time), 0, BigInt(Math.round(ms)))
    this.hand.turnTo(ms)
  }

  #share(): void {
    Atomics.store(new BigInt64Array(this.time), 0, BigInt(Math.round(this.hand.nowMs())))
  }

  async #stillness(): Promise<void> {
    const givenUpAtMs = monotonicMs() + this.#patienceSeconds * 1000
    for (let i = 0; i < MESSAGE_TURNS; i++) await turn()
    for (let looks = 0; ; looks++) {
      const busy = [...this.#watched].filter(({ isStill }) => !isStill)
      if (busy.length === 0) return
      if (monotonicMs() > givenUpAtMs) throw new StillAtWorkError({ runIds: busy.flatMap(one => one.atWork()), patienceSeconds: this.#patienceSeconds })
      if (looks < CLOSE_LOOKS) await turn()
      else await delay(1)
    }
  }
}
