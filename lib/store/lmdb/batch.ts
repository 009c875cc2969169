/**
 * The puts and removes of one commit, all looked up, encoded and checksummed before the transaction begins: its callback
 * copies bytes to lmdb and does nothing else (nothing in it may throw or run for long while the writer's lock is held).
 *
 * Keys and small values lie one behind the other in two pieces of memory that are used again for the next commit. That is
 * safe because a put inside transactionSync copies key and value before it returns. A value is handed over as this one
 * array with `start` and `end` on it, as lmdb's own encoders do it, which saves making a view for each value.
 */
import { crc32 } from 'node:zlib'
import type { Table } from './engine.ts'
import { type KeyBytes, KeyWriter, TABLES, type TableName } from './keys.ts'
import { FORMAT, HEADER_BYTES, KEY_ROW_BYTES, keyCheck } from './records.ts'
import { ROW_HEAD_BYTES, type ValueMemory } from './redo.ts'

/** Values above this get memory of their own, so that a few large ones do not stay around for ever. */
const LARGE_VALUE_BYTES = 1 << 16
const KEPT_BYTES = 1 << 20

const REMOVED = -1
const NUMBER_OF = Object.fromEntries(TABLES.map((name, number) => [name, number])) as Record<TableName, number>

export class WriteBatch {
  /** Write the key of the next row here, then call put(), putEmpty() or remove(). */
  readonly key = new KeyWriter(1 << 14)
  #values = valueMemory(1 << 16)
  #valueEnd = 0
  #count = 0
  #neighbours = 0
  #bytes = 0
  // One entry a row in each: a struct of arrays makes no object per row.
  readonly #table: number[] = []
  readonly #keyEnd: number[] = []
  readonly #valueFrom: number[] = []
  readonly #valueTo: number[] = []
  /** Values that lie elsewhere, by row. */
  readonly #large = new Map<number, Uint8Array>()

  get size(): number {
    return this.#count
  }

  /** How many of the rows were removed by removeNext(). */
  get neighbours(): number {
    return this.#neighbours
  }

  /** Bytes of keys and values together. */
  get bytes(): number {
    return this.#bytes + this.key.end
  }

  /** Bytes that copyTo() writes. */
  get copiedBytes(): number {
    return this.bytes + this.#count * ROW_HEAD_BYTES
  }

  clear(): void {
    this.key.clear()
    this.#count = 0
    this.#neighbours = 0
    this.#bytes = 0
    this.#valueEnd = 0
    this.#large.clear()
    if (this.#values.length > KEPT_BYTES) this.#values = valueMemory(KEPT_BYTES)
  }

  /** Puts a record under the key just written. `seed` says where the record belongs: see records.ts. */
  put(table: TableName, payload: Uint8Array, seed: number): void {
    const crc = crc32(payload, seed)
    const length = HEADER_BYTES + payload.length
    let memory: Uint8Array
    let at = 0
    if (length > LARGE_VALUE_BYTES) {
      memory = new Uint8Array(length)
      this.#large.set(this.#count, memory)
    } else {
      at = this.#reserve(length)
      memory = this.#values
    }
    this.#begin(table, memory, at)
    put32(memory, at + KEY_ROW_BYTES, crc)
    memory.set(payload, at + HEADER_BYTES)
    this.#bytes += length
    this.#row(table, at, at + length)
  }

  /** Puts a row that says all by its key. */
  putEmpty(table: TableName): void {
    const at = this.#reserve(KEY_ROW_BYTES)
    this.#begin(table, this.#values, at)
    this.#bytes += KEY_ROW_BYTES
    this.#row(table, at, at + KEY_ROW_BYTES)
  }

  /** Removes the row of the key just written, if it is there. */
  remove(table: TableName): void {
    this.#row(table, REMOVED, REMOVED)
  }

  /** Removes a row that lies beside the one removed before it: they share their page, which goes when it is empty. */
  removeNext(table: TableName): void {
    this.#neighbours++
    this.remove(table)
  }

  /** To be called inside a transaction, and to be all that is. */
  write(tables: readonly Table[]): void {
    const values = this.#values
    const key: KeyBytes = { bytes: this.key.bytes, start: 0, end: 0 }
    for (let row = 0; row < this.#count; row++) {
      const table = tables[this.#table[row]!]!
      key.end = this.#keyEnd[row]!
      const from = this.#valueFrom[row]!
      if (from === REMOVED) table.removeSync(key)
      else {
        const large = this.#large.size === 0 ? undefined : this.#large.get(row)
        if (large !== undefined) table.putSync(key, large)
        else {
          values.start = from
          values.end = this.#valueTo[row]!
          table.putSync(key, values)
        }
      }
      key.start = key.end
    }
  }

  /** Writes all rows into a memory from a place on, as the commit log has them. */
  copyTo(memory: Uint8Array, place: number): void {
    let at = place
    let keyFrom = 0
    for (let row = 0; row < this.#count; row++) {
      const keyEnd = this.#keyEnd[row]!
      const keyLength = keyEnd - keyFrom
      const from = this.#valueFrom[row]!
      const to = this.#valueTo[row]!
      memory[at] = this.#table[row]!
      memory[at + 1] = keyLength
      memory[at + 2] = keyLength >>> 8
      put32(memory, at + 3, from === REMOVED ? 0 : to - from + 1)
      at += ROW_HEAD_BYTES
      memory.set(this.key.bytes.subarray(keyFrom, keyEnd), at)
      at += keyLength
      if (from !== REMOVED) {
        const large = this.#large.size === 0 ? undefined : this.#large.get(row)
        memory.set(large ?? this.#values.subarray(from, to), at)
        at += to - from
      }
      keyFrom = keyEnd
    }
  }

  #reserve(length: number): number {
    if (this.#values.length - this.#valueEnd < length) this.#grow(length)
    const at = this.#valueEnd
    this.#valueEnd = at + length
    return at
  }

  /** What every row begins with. */
  #begin(table: TableName, memory: Uint8Array, at: number): void {
    memory[at] = FORMAT
    put32(memory, at + 1, keyCheck(table, this.key.bytes, this.#count === 0 ? 0 : this.#keyEnd[this.#count - 1]!, this.key.end))
  }

  #row(table: TableName, from: number, to: number): void {
    const row = this.#count++
    this.#table[row] = NUMBER_OF[table]
    this.#keyEnd[row] = this.key.end
    this.#valueFrom[row] = from
    this.#valueTo[row] = to
  }

  #grow(needed: number): void {
    const larger = valueMemory(Math.max(this.#values.length * 2, this.#valueEnd + needed))
    larger.set(this.#values.subarray(0, this.#valueEnd))
    this.#values = larger
  }
}

function valueMemory(bytes: number): ValueMemory {
  return Object.assign(new Uint8Array(bytes), { start: 0, end: 0 })
}

function put32(memory: Uint8Array, at: number, value: number): void {
  memory[at] = value
  memory[at + 1] = value >>> 8
  memory[at + 2] = value >>> 16
  memory[at + 3] = value >>> 24
}
