/**
 * The puts and removes of one commit, all looked up, encoded and checksummed before the transaction begins: its callback
 * copies bytes to lmdb and does nothing else (nothing in it may throw or run for long while the writer's lock is held).
 *
 * The rows are made as the commit log has them, one behind the other in memory that is used again for the next commit. That is
 * safe because a put inside transactionSync copies key and value before it returns.
 */
import { crc32 } from 'node:zlib'
import type { Table } from './engine.ts'
import { KeyWriter, TABLES, type TableName } from './keys.ts'
import { FORMAT, HEADER_BYTES, KEY_ROW_BYTES, keyCheck } from './records.ts'
import { endOfKey, endOfRow, put32, ROW_HEAD_BYTES, valueMemory, writeRowHead, writeRows } from './row-bytes.ts'

/** Values above this get memory of their own, so that a few large ones do not stay around for ever. */
const LARGE_VALUE_BYTES = 1 << 16
const FIRST_BYTES = 1 << 16
const KEPT_BYTES = 1 << 20

const NUMBER_OF = Object.fromEntries(TABLES.map((name, number) => [name, number])) as Record<TableName, number>

export class WriteBatch {
  /** Write the key of the next row here, then call put(), putEmpty() or remove(). Its memory is that of all rows: the row is made around its key. */
  readonly key = new KeyWriter(FIRST_BYTES)
  #row = 0
  #count = 0
  #neighbours = 0
  /** Values above LARGE_VALUE_BYTES, by the place of their row. */
  readonly #large = new Map<number, Uint8Array>()
  #largeBytes = 0

  constructor() {
    this.clear()
  }

  get size(): number {
    return this.#count
  }

  /** How many of the rows were removed by removeNext(). */
  get neighbours(): number {
    return this.#neighbours
  }

  /** Bytes of keys and values together. */
  get bytes(): number {
    return this.copiedBytes - this.#count * ROW_HEAD_BYTES
  }

  /** Bytes that copyTo() writes. */
  get copiedBytes(): number {
    return this.#row + this.#largeBytes
  }

  clear(): void {
    if (this.key.bytes.length > KEPT_BYTES) this.key.bytes = new Uint8Array(FIRST_BYTES)
    this.#row = 0
    this.key.end = ROW_HEAD_BYTES
    this.#count = 0
    this.#neighbours = 0
    this.#large.clear()
    this.#largeBytes = 0
  }

  /** Puts a record under the key just written. `seed` says where the record belongs: see records.ts. */
  put(table: TableName, payload: Uint8Array, seed: number): void {
    const length = HEADER_BYTES + payload.length
    const isLarge = length > LARGE_VALUE_BYTES
    const at = isLarge ? 0 : this.key.skip(length)
    const memory = isLarge ? new Uint8Array(length) : this.key.bytes
    const keyEnd = isLarge ? this.key.end : at
    if (isLarge) {
      this.#large.set(this.#row, memory)
      this.#largeBytes += length
    }
    this.#begin(table, memory, at, keyEnd)
    put32(memory, at + KEY_ROW_BYTES, crc32(payload, seed))
    memory.set(payload, at + HEADER_BYTES)
    this.#end(table, keyEnd, length)
  }

  /** Puts a row that says all by its key. */
  putEmpty(table: TableName): void {
    const keyEnd = this.key.skip(KEY_ROW_BYTES)
    this.#begin(table, this.key.bytes, keyEnd, keyEnd)
    this.#end(table, keyEnd, KEY_ROW_BYTES)
  }

  /** Removes the row of the key just written, if it is there. */
  remove(table: TableName): void {
    this.#end(table, this.key.end, undefined)
  }

  /** Removes a row that lies beside the one removed before it: they share their page, which goes when it is empty. */
  removeNext(table: TableName): void {
    this.#neighbours++
    this.remove(table)
  }

  /** To be called inside a transaction, and to be all that is. */
  write(tables: readonly Table[]): void {
    writeRows(tables, valueMemory(this.key.bytes), 0, this.#row, this.#large.size > 0 ? this.#large : undefined)
  }

  /** Writes all rows into a memory from a place on, as the commit log has them. */
  copyTo(memory: Uint8Array, place: number): void {
    const { bytes } = this.key
    if (this.#large.size === 0) return memory.set(bytes.subarray(0, this.#row), place)
    let to = place
    for (let row = 0; row < this.#row;) {
      const large = this.#large.get(row)
      const end = large === undefined ? endOfRow(bytes, row) : endOfKey(bytes, row)
      memory.set(bytes.subarray(row, end), to)
      to += end - row
      if (large !== undefined) {
        memory.set(large, to)
        to += large.length
      }
      row = end
    }
  }

  /** What every value begins with. */
  #begin(table: TableName, memory: Uint8Array, at: number, keyEnd: number): void {
    memory[at] = FORMAT
    put32(memory, at + 1, keyCheck(table, this.key.bytes, this.#row + ROW_HEAD_BYTES, keyEnd))
  }

  #end(table: TableName, keyEnd: number, valueBytes: number | undefined): void {
    const { key } = this
    writeRowHead(key.bytes, this.#row, NUMBER_OF[table], keyEnd - this.#row - ROW_HEAD_BYTES, valueBytes)
    this.#row = key.end
    this.#count++
    key.skip(ROW_HEAD_BYTES)
  }
}
