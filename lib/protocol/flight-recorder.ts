/**
 * Which attempts run in a thread, in memory that it shares with its supervisor: what a thread that dies without a word, or
 * does not answer, was at (blame needs it). Most attempts are over before their thread says anything, so that telling their
 * start by a message would cost a message for nothing; those that are not are told by the next one.
 *
 * One record an attempt: key, incarnation, index, attempt, startedAtMs, number of its step's name. A key of 0 is a free one.
 */
import type { RunKey } from '../model/run.ts'

const RECORDS = 128
const FIELDS = 6
/** Counts changes, and is odd while one is made: a reader on another thread looks again. */
const VERSION = 0
const HEADER_BYTES = 8
const MOST_LOOKS = 100

export const FLIGHT_RECORDER_BYTES = HEADER_BYTES + RECORDS * FIELDS * 8

export interface RecordedAttempt {
  readonly key: RunKey
  readonly incarnation: number
  readonly index: number
  readonly attempt: number
  readonly startedAtMs: number
  readonly nameId: number
}

export class FlightRecorder {
  readonly #header: Int32Array
  readonly #records: Float64Array
  /** Records from this one on are free. */
  #end = 0

  constructor(shared: SharedArrayBuffer) {
    this.#header = new Int32Array(shared, 0, HEADER_BYTES / 4)
    this.#records = new Float64Array(shared, HEADER_BYTES)
  }

  get isFull(): boolean {
    return this.#end === RECORDS
  }

  /** The number of its record, for ended(). Only the thread whose it is may write, and not when it is full. */
  began(key: RunKey, incarnation: number, index: number, attempt: number, startedAtMs: number, nameId: number): number {
    const slot = this.#end++
    const records = this.#records
    const at = slot * FIELDS
    Atomics.add(this.#header, VERSION, 1)
    records[at + 1] = incarnation
    records[at + 2] = index
    records[at + 3] = attempt
    records[at + 4] = startedAtMs
    records[at + 5] = nameId
    records[at] = key
    Atomics.add(this.#header, VERSION, 1)
    return slot
  }

  ended(slot: number): void {
    Atomics.add(this.#header, VERSION, 1)
    this.#records[slot * FIELDS] = 0
    Atomics.add(this.#header, VERSION, 1)
    while (this.#end > 0 && this.#records[(this.#end - 1) * FIELDS] === 0) this.#end--
  }

  /** In the order in which they began. Of a living thread that writes too busily to be read, none. */
  read(of: 'living' | 'dead'): readonly RecordedAttempt[] {
    // A thread may have been ended in the midst of a change: a record counts from when its key is written, which comes last.
    if (of === 'dead') return attemptsIn(this.#records)
    for (let look = 0; look < MOST_LOOKS; look++) {
      const version = Atomics.load(this.#header, VERSION)
      if (version % 2 !== 0) continue
      const records = this.#records.slice()
      if (Atomics.load(this.#header, VERSION) === version) return attemptsIn(records)
    }
    return []
  }
}

function attemptsIn(records: Float64Array): RecordedAttempt[] {
  const attempts: RecordedAttempt[] = []
  for (let at = 0; at < records.length; at += FIELDS) {
    const [key, incarnation, index, attempt, startedAtMs, nameId] = records.subarray(at, at + FIELDS) as unknown as readonly [RunKey, number, number, number, number, number]
    if (key !== 0) attempts.push({ key, incarnation, index, attempt, startedAtMs, nameId })
  }
  return attempts
}
