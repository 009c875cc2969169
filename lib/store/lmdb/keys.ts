/**
 * The tables of the LMDB store and their keys. Every number in a key is big-endian and of fixed size, so that the order of
 * the bytes is the order of the numbers; LMDB compares bytes and nothing else.
 *
 * | table    | key                                | sorted by                      | value               | read by              |
 * | -------- | ---------------------------------- | ------------------------------ | ------------------- | -------------------- |
 * | meta     | name                               | -                              | string or number    | open                 |
 * | ids      | id (UTF-8)                         | id, by code point              | run u48             | findRun, idPrefix    |
 * | metas    | run u48                            | start                          | RunMeta less args   | loadRun, listings    |
 * | args     | run u48                            | start                          | bytes               | loadRun, listings    |
 * | progress | run u48                            | start                          | RunProgress         | loadRun, listings    |
 * | outcomes | run u48                            | start                          | type, bytes         | readOutcome          |
 * | journal  | run u48, first position u32       | run, then order of commit      | chunk of entries    | readJournal          |
 * | waits    | run u48, index u32                 | run, then operation            | bytes               | loadRun              |
 * | timers   | due f64, run u48, slot i32         | due time                       | (none)              | scanTimers           |
 * | queue    | priority f64, position f64, run u48| order of admission             | name of the queue   | scanQueue            |
 * | status   | status u8, created f64, run u48    | status, then order of creation | (none)              | runsInStatus, lists  |
 * | created  | created f64, run u48               | order of creation              | (none)              | listings             |
 * | parents  | parent u48, run u48                | parent, then start             | (none)              | children, parentId   |
 * | awaiters | child u48, parent u48, index u32   | child                          | event or (none)     | loadRun              |
 * | dedup    | u8, queue, id (UTF-8)              | -                              | run u48             | findDuplicate        |
 * | log      | record u48                         | order of commit                | entries of all runs | open                 |
 * | messages | run u48, sequence u48              | run, then arrival              | topic, bytes        | loadRun              |
 * | message-keys | run u48, key (UTF-8)           | run                            | (none)              | hasMessageKey        |
 * | events   | run u48, name (UTF-8)              | run                            | bytes               | readEvent            |
 * | streams  | run u48, name, position u48        | run, stream, then position     | bytes               | readStream           |
 * | places   | run u48                            | start                          | queue, its key      | scanPlaces           |
 * | starts   | queue, at f64, run u48             | queue, then time               | (none)              | countedStarts        |
 * | settings | kind u8, name (UTF-8)              | kind, then name by code point  | bytes               | settings             |
 * | labels   | label, created f64, run u48        | label, then order of creation  | (none)              | listings             |
 *
 * A run's labels are its workflow, its queue and each of its tags: u8 for which of them, then the name, and the value of a tag.
 * A string that is followed by something stands behind its length, u16. The last position of a stream, CLOSED, says that it
 * is closed. An awaiter that waits for an event has the event's name as its value.
 *
 * Limits: LMDB takes keys of 1 to 1978 bytes. The longest here is a tag's, 1 + 2 + 512 + 2 + 512 + 14. Tables are read in
 * the order of their strings only where that is the order of code points, so UTF-8 as it stands will do: NULs and all
 * planes included.
 */
import type { RunStatus } from '../../model/run.ts'
import type { RunMeta, SettingKind } from '../contract.ts'

/** In the order of the table above; a batch names a table by its place here. */
export const TABLES = [
  'meta', 'ids', 'metas', 'args', 'progress', 'outcomes', 'journal', 'waits',
  'timers', 'queue', 'status', 'created', 'parents', 'awaiters', 'dedup', 'log',
  'messages', 'message-keys', 'events', 'streams', 'places', 'starts', 'settings', 'labels',
] as const

export type TableName = typeof TABLES[number]

/** Written to disk: never renumber. */
export const STATUS_BYTES = {
  enqueued: 1, delayed: 2, running: 3, waiting: 4, succeeded: 5, failed: 6, cancelled: 7, quarantined: 8,
} as const satisfies Record<RunStatus, number>

export const STATUS_OF_BYTE: readonly (RunStatus | undefined)[] = (() => {
  const statuses: (RunStatus | undefined)[] = []
  for (const [status, byte] of Object.entries(STATUS_BYTES)) statuses[byte] = status as RunStatus
  return statuses
})()

/** Where a key lies. lmdb's encoder copies it out at once, so the same object serves for many calls. */
export interface KeyBytes {
  bytes: Uint8Array
  start: number
  end: number
}

const encoder = new TextEncoder()
const double = new DataView(new ArrayBuffer(8))
const TWO_TO_32 = 0x1_0000_0000

/** Builds keys, one behind the other, in memory that it keeps. */
export class KeyWriter implements KeyBytes {
  bytes: Uint8Array
  start = 0
  end = 0

  constructor(capacity = 64) {
    this.bytes = new Uint8Array(capacity)
  }

  /** Forgets all keys. */
  clear(): this {
    this.start = 0
    this.end = 0
    return this
  }

  /** Leaves room for so many bytes, and says where. */
  skip(length: number): number {
    this.#reserve(length)
    const at = this.end
    this.end = at + length
    return at
  }

  u8(value: number): this {
    this.#reserve(1)
    this.bytes[this.end++] = value
    return this
  }

  u16(value: number): this {
    return this.u8(value >>> 8).u8(value)
  }

  u32(value: number): this {
    this.#reserve(4)
    this.#put32(value)
    return this
  }

  /** Negative before positive. */
  i32(value: number): this {
    return this.u32((value ^ 0x8000_0000) >>> 0)
  }

  u48(value: number): this {
    this.#reserve(6)
    const high = Math.floor(value / TWO_TO_32)
    this.bytes[this.end++] = high >>> 8
    this.bytes[this.end++] = high
    this.#put32(value)
    return this
  }

  /** Every double but NaN in its order; -0 is 0. */
  f64(value: number): this {
    this.#reserve(8)
    double.setFloat64(0, value + 0)
    const high = double.getUint32(0)
    const low = double.getUint32(4)
    // A positive number gets its sign bit set; a negative one is inverted, so that the larger magnitude comes first.
    this.#put32(high >>> 31 === 0 ? high | 0x8000_0000 : ~high)
    this.#put32(high >>> 31 === 0 ? low : ~low)
    return this
  }

  raw(value: Uint8Array): this {
    this.#reserve(value.length)
    this.bytes.set(value, this.end)
    this.end += value.length
    return this
  }

  utf8(value: string): this {
    this.#reserve(value.length * 3)
    this.end += encoder.encodeInto(value, this.bytes.subarray(this.end)).written
    return this
  }

  /** The string behind its length, so that something can follow it. */
  name(value: string): this {
    const at = this.u16(0).end
    const length = this.utf8(value).end - at
    this.bytes[at - 2] = length >>> 8
    this.bytes[at - 1] = length
    return this
  }

  #put32(value: number): void {
    const { bytes } = this
    let { end } = this
    bytes[end++] = value >>> 24
    bytes[end++] = value >>> 16
    bytes[end++] = value >>> 8
    bytes[end++] = value
    this.end = end
  }

  #reserve(length: number): void {
    if (this.bytes.length - this.end >= length) return
    const larger = new Uint8Array(Math.max(this.bytes.length * 2, this.end + length))
    larger.set(this.bytes.subarray(0, this.end))
    this.bytes = larger
  }
}

export function readU32(key: Uint8Array, at: number): number {
  return ((key[at]! << 24) | (key[at + 1]! << 16) | (key[at + 2]! << 8) | key[at + 3]!) >>> 0
}

export function readI32(key: Uint8Array, at: number): number {
  return readU32(key, at) ^ 0x8000_0000
}

export function readU48(key: Uint8Array, at: number): number {
  return ((key[at]! << 8) | key[at + 1]!) * TWO_TO_32 + readU32(key, at + 2)
}

export function readF64(key: Uint8Array, at: number): number {
  const high = readU32(key, at)
  const low = readU32(key, at + 4)
  const positive = high >>> 31 === 1
  double.setUint32(0, positive ? high & 0x7fff_ffff : ~high)
  double.setUint32(4, positive ? low : ~low)
  return double.getFloat64(0)
}

/** The smallest key that sorts behind all keys which begin with these bytes; undefined when there is none. */
export function afterPrefix(prefix: Uint8Array): Uint8Array | undefined {
  let length = prefix.length
  while (length > 0 && prefix[length - 1] === 0xff) length--
  if (length === 0) return undefined
  const next = prefix.slice(0, length)
  next[length - 1]!++
  return next
}

export function dedupKey(key: KeyWriter, queue: string | undefined, deduplicationId: string): KeyWriter {
  return key.u8(queue === undefined ? 0 : 1).name(queue ?? '').utf8(deduplicationId)
}

/** Written to disk: never renumber. */
const SETTING_BYTES = { queue: 1, schedule: 2 } as const satisfies Record<SettingKind, number>

export function settingKey(key: KeyWriter, kind: SettingKind, name: string): KeyWriter {
  return key.u8(SETTING_BYTES[kind]).utf8(name)
}

/** What many runs can have in common for all their life. */
export type Label =
  | { readonly type: 'workflow' | 'queue', readonly name: string }
  | { readonly type: 'tag', readonly name: string, readonly value: string }

/** Written to disk: never renumber. */
const LABEL_BYTES = { workflow: 1, queue: 2, tag: 3 } as const satisfies Record<Label['type'], number>

export function labelsOf({ workflow, queue, tags }: Pick<RunMeta, 'workflow' | 'queue' | 'tags'>): Label[] {
  const labels: Label[] = Object.entries(tags).map(([name, value]) => ({ type: 'tag', name, value }))
  labels.push({ type: 'workflow', name: workflow })
  if (queue !== undefined) labels.push({ type: 'queue', name: queue })
  return labels
}

/** Behind it comes the place of the run in the order of creation. */
export function labelKey(key: KeyWriter, label: Label): KeyWriter {
  key.u8(LABEL_BYTES[label.type]).name(label.name)
  return label.type === 'tag' ? key.name(label.value) : key
}

/** What lmdb calls to copy a key into its own memory, and out of it. */
export const keyEncoder = {
  writeKey(key: KeyBytes, target: Uint8Array, at: number): number {
    const { bytes, start, end } = key
    if (end - start > 64) {
      target.set(bytes.subarray(start, end), at)
      return at + end - start
    }
    // Most keys have six to eighteen bytes: a loop is quicker than a call.
    for (let i = start; i < end; i++) target[at++] = bytes[i]!
    return at
  },
  readKey(source: Uint8Array, start: number, end: number): Uint8Array {
    return Uint8Array.prototype.slice.call(source, start, end)
  },
}
