/** The one file that reads the clock and chance. */
import { readFileSync } from 'node:fs'
import type { Alarm, Clock } from './model/clock.ts'
import { uuidv7 } from './model/ids.ts'

/** The longest delay setTimeout takes; a longer one would fire at once. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1
/** Who waits for an instant looks at the clock at least this often: it may be set, and timeouts stand still while the machine sleeps. */
const LOOK_EVERY_MS = 60_000

/** Where a test keeps the time of its own clock; undefined: the machine's counts. */
let sharedTime: BigInt64Array | undefined

/** From now on this thread tells the time that stands here, as whole milliseconds. What it schedules takes real time all the same. */
export function followTime(shared: SharedArrayBuffer): void {
  sharedTime = new BigInt64Array(shared)
}

export const systemClock: Clock = {
  nowMs: () => sharedTime === undefined ? Date.now() : Number(Atomics.load(sharedTime, 0)),
  random: () => Math.random(),
  schedule: (delayMs, callback) => {
    const dueMs = monotonicMs() + delayMs
    return watch(() => dueMs - monotonicMs(), LONGEST_TIMEOUT_MS, callback)
  },
  scheduleAt: (dueAtMs, callback) => watch(() => dueAtMs - Date.now(), LOOK_EVERY_MS, callback),
  soon: callback => { setImmediate(callback) },
  shortly: (delayMs, callback) => {
    const timeout = setTimeout(callback, delayMs)
    return { cancel: () => { clearTimeout(timeout) } }
  },
}

/** A timeout may fire a little early by either clock: whenever one does, what is left is asked for again. */
function watch(leftMs: () => number, longestMs: number, callback: () => void): Alarm {
  const arm = (ms: number): NodeJS.Timeout => setTimeout(() => {
    const left = leftMs()
    if (left <= 0) callback()
    else timeout = arm(left)
  }, Math.min(Math.max(Math.ceil(ms), 0), longestMs))
  let timeout = arm(leftMs())
  return { cancel: () => { clearTimeout(timeout) } }
}

/** Milliseconds from some fixed moment; never set back. For measuring, not for telling the time. */
export function monotonicMs(): number {
  return performance.now()
}

/** What this process holds in memory that is no file's, in bytes; undefined where the system does not tell. */
export function anonymousBytes(): number | undefined {
  if (process.platform !== 'linux') return undefined
  try {
    const kib = /^RssAnon:\s*(\d+) kB/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1]
    return kib === undefined ? undefined : Number(kib) * 1024
  } catch {
    return undefined
  }
}

/** Sixteen hexadecimal digits that nobody else has. */
export function newToken(): string {
  return Buffer.from(randomBytes(8)).toString('hex')
}

const RUN_ID_BYTES = 10
/** Chance is fetched for many ids at a time: one by one it costs more than all else of a start. */
let chance: Uint8Array = new Uint8Array(0)

export function newRunId(): string {
  if (chance.length < RUN_ID_BYTES) chance = randomBytes(256 * RUN_ID_BYTES)
  const own = chance.subarray(0, RUN_ID_BYTES)
  chance = chance.subarray(RUN_ID_BYTES)
  return uuidv7(Date.now(), own)
}

export function randomUUID(): string {
  return crypto.randomUUID()
}

/** By the global that is loaded when it is first used, not by node:crypto, which would take a fifth of the time that workflow modules take to load. */
function randomBytes(count: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(count))
}
