/**
 * What happens next in a simulation, and when: everything that could happen stands in a channel, in the order in which it was
 * sent; chance takes the next thing from one of them. Time passes because chance says so, or because nothing else is left.
 */
import type { Alarm, Clock } from '../../lib/model/clock.ts'
import type { Chance } from '../chance.ts'

/** A thread or a process: what it has set off happens only as long as it lives. */
export interface Owner {
  readonly name: string
  alive: boolean
}

export interface Happening {
  readonly what: string
  readonly act: () => void
}

export interface Channel {
  readonly name: string
  readonly owner: Owner
  readonly queue: Happening[]
  /** Nothing of it happens before this step. */
  heldUntil: number
  /** It goes with the one thing that is in it. */
  readonly once: boolean
}

interface SetAlarm {
  readonly owner: Owner
  /** What the clock has to tell; undefined: it is a time that passes, whatever the clock tells. */
  readonly dueAtMs: number | undefined
  readonly order: number
  /** By the clock that nobody sets. */
  ringsAtMs: number
  readonly isShort: boolean
  readonly call: () => void
}

/** Steps for which a channel may be held up. */
const LONGEST_HOLD = 40
/** As long as that, in a real process. */
const LOOK_EVERY_MS = 60_000
const START_MS = Date.UTC(2030, 0, 1)

export class Schedule {
  readonly #chance: Chance
  #channels: Channel[] = []
  #alarms: SetAlarm[] = []
  #order = 0
  /** What the clocks tell; it may be set. */
  #wallMs = START_MS
  /** What has passed; it never goes back. */
  passedMs = 0
  latestMs = START_MS
  steps = 0
  /** When the clock was last set. */
  jumpedAtMs = -Infinity

  constructor(chance: Chance) {
    this.#chance = chance
  }

  get nowMs(): number {
    return this.#wallMs
  }

  channel(name: string, owner: Owner, once = false): Channel {
    const channel = { name, owner, queue: [], heldUntil: 0, once }
    this.#channels.push(channel)
    return channel
  }

  post(channel: Channel, what: string, act: () => void): void {
    channel.queue.push({ what, act })
  }

  /** What happens once, in an order of its own. */
  postAlone(owner: Owner, what: string, act: () => void): void {
    this.post(this.channel(owner.name, owner, true), what, act)
  }

  clockOf(owner: Owner): Clock {
    const soon = this.channel(`${owner.name} soon`, owner)
    return {
      nowMs: () => this.#wallMs,
      random: () => this.#chance.next(),
      schedule: (delayMs, call) => this.#setAlarm(owner, delayMs, undefined, call),
      scheduleAt: (dueAtMs, call) => this.#setAlarm(owner, dueAtMs - this.#wallMs, dueAtMs, call),
      shortly: (delayMs, call) => this.#setAlarm(owner, delayMs, undefined, call, true),
      soon: call => { this.post(soon, 'a turn', call) },
    }
  }

  /** Somebody sets the clock, forward or back: timeouts do not notice, but who waits for an instant looks at it now and then. */
  jump(ms: number): void {
    this.#wallMs += ms
    this.jumpedAtMs = this.passedMs
    for (const alarm of this.#alarms) {
      if (alarm.dueAtMs !== undefined) alarm.ringsAtMs = Math.min(alarm.ringsAtMs, this.passedMs + this.#chance.below(LOOK_EVERY_MS))
    }
    this.latestMs = Math.max(this.latestMs, this.#wallMs)
  }

  /** Holds a channel up for a while: what is in it comes late, and in order. */
  holdOne(): void {
    const full = this.#channels.filter(({ queue }) => queue.length > 0)
    if (full.length > 0) this.#chance.pick(full).heldUntil = this.steps + this.#chance.below(LONGEST_HOLD)
  }

  /** Nothing is on its way; something may become due. */
  get isStill(): boolean {
    this.#sweep()
    return this.#channels.every(({ queue }) => queue.length === 0) && !this.#alarms.some(alarm => alarm.ringsAtMs <= this.passedMs)
  }

  /** The clock was set a moment ago: who waits for an instant has not noticed yet, and will. */
  get wasJustSet(): boolean {
    return this.nextRingMs - this.jumpedAtMs <= LOOK_EVERY_MS
  }

  /** Somebody waits a moment for more to come, by the machine's own time. */
  get isAboutToGoOn(): boolean {
    return this.#alarms.some(({ owner, isShort }) => isShort && owner.alive)
  }

  /** What will have passed when anything rings again. */
  get nextRingMs(): number {
    return Math.min(...this.#alarms.map(({ ringsAtMs }) => ringsAtMs), Infinity)
  }

  /** The next thing to happen; undefined when there is nothing, not even an alarm. */
  next(): Happening | undefined {
    this.steps++
    this.#sweep()
    const { passedMs } = this
    const full = this.#channels.filter(({ queue }) => queue.length > 0)
    const ready = full.filter(({ heldUntil }) => heldUntil <= this.steps)
    const due = this.#alarms.filter(({ ringsAtMs }) => ringsAtMs <= passedMs)
    const choices = (ready.length > 0 || due.length > 0 ? ready : full).length
    if (choices + due.length > 0) {
      // Now and then time passes although something is on its way.
      if (this.#chance.below(50) > 0 || this.#alarms.length === due.length) {
        if (this.#chance.below(4) === 0) this.#pass(this.#chance.below(3))
        const at = this.#chance.below(choices + due.length)
        return at < choices ? this.#take((ready.length > 0 || due.length > 0 ? ready : full)[at]!) : this.#ring(earliest(due))
      }
    } else if (this.#alarms.length === 0) return undefined
    const next = earliest(this.#alarms.filter(alarm => !due.includes(alarm)))
    this.#pass(next.ringsAtMs - passedMs)
    return this.#ring(next)
  }

  #take(channel: Channel): Happening {
    const { what, act } = channel.queue.shift()!
    return { what: `${channel.name}: ${what}`, act }
  }

  #pass(ms: number): void {
    this.passedMs += ms
    this.#wallMs += ms
    this.latestMs = Math.max(this.latestMs, this.#wallMs)
  }

  /** As timeouts are: they count what has passed, and look at the clock when they ring. */
  #ring(alarm: SetAlarm): Happening {
    if (alarm.dueAtMs !== undefined && this.#wallMs < alarm.dueAtMs) {
      alarm.ringsAtMs = this.passedMs + Math.ceil(alarm.dueAtMs - this.#wallMs) // clocks tell whole milliseconds
      return { what: `${alarm.owner.name}: a timeout looks at the clock`, act: () => {} }
    }
    this.#alarms = this.#alarms.filter(other => other !== alarm)
    return { what: `${alarm.owner.name}: an alarm rings`, act: alarm.call }
  }

  #setAlarm(owner: Owner, delayMs: number, dueAtMs: number | undefined, call: () => void, isShort = false): Alarm {
    const ms = Math.max(Math.ceil(delayMs), 0)
    const alarm: SetAlarm = { owner, dueAtMs, ringsAtMs: this.passedMs + ms, order: this.#order++, isShort, call }
    if (owner.alive) this.#alarms.push(alarm)
    return { cancel: () => { this.#alarms = this.#alarms.filter(other => other !== alarm) } }
  }

  #sweep(): void {
    if (this.#alarms.some(({ owner }) => !owner.alive)) this.#alarms = this.#alarms.filter(({ owner }) => owner.alive)
    const isOver = ({ owner, queue, once }: Channel): boolean => !owner.alive || (once && queue.length === 0)
    if (this.#channels.some(isOver)) this.#channels = this.#channels.filter(channel => !isOver(channel))
  }
}

function earliest(alarms: readonly SetAlarm[]): SetAlarm {
  return alarms.reduce((a, b) => b.ringsAtMs < a.ringsAtMs || (b.ringsAtMs === a.ringsAtMs && b.order < a.order) ? b : a)
}
