/**
 * The rows of commits that are in the commit log and not in LMDB yet, and how the log has them: one behind the other, each
 * [table u8][length of the key u16][length of the value + 1 u32, or 0: removed][key][value], numbers little-endian.
 *
 * To put a row or to remove it says nothing of what was there before, so the rows of many commits may be written together, the last
 * of each key only, and once more if need be.
 */
import type { Table, Tables } from './engine.ts'
import { type KeyBytes, TABLES } from './keys.ts'

/** A piece of memory in which lmdb finds a value between two places. */
export type ValueMemory = Uint8Array & { start: number, end: number }

export const ROW_HEAD_BYTES = 7
const REMOVED = -1

interface PendingRow {
  readonly table: number
  readonly memory: ValueMemory
  readonly keyFrom: number
  readonly from: number
  /** REMOVED, or the end of the value. */
  readonly to: number
}

export class PendingRows {
  readonly #rows = new Map<string, PendingRow>()
  #bytes = 0
  #commits = 0

  get isEmpty(): boolean {
    return this.#rows.size === 0
  }

  /** Commits they are of. */
  get commits(): number {
    return this.#commits
  }

  /** Of the commits that were added. */
  get bytes(): number {
    return this.#bytes
  }

  get size(): number {
    return this.#rows.size
  }

  /** Adds the rows that lie between two places of a memory that nobody writes to any more. */
  add(bytes: Uint8Array, start: number, end: number): void {
    const memory = Object.assign(bytes, { start: 0, end: 0 })
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#bytes += end - start
    this.#commits++
    for (let at = start; at < end;) {
      const table = memory[at]!
      const keyFrom = at + ROW_HEAD_BYTES
      const from = keyFrom + (memory[at + 1]! | (memory[at + 2]! << 8))
      const length = text.readUInt32LE(at + 3)
      const to = length === 0 ? REMOVED : from + length - 1
      this.#rows.set(String.fromCharCode(table) + text.toString('latin1', keyFrom, from), { table, memory, keyFrom, from, to })
      at = length === 0 ? from : to
    }
  }

  /** The value that a key has here; null: it was removed; undefined: nothing is known of it. */
  find(table: number, { bytes, start, end }: KeyBytes): Uint8Array | null | undefined {
    if (this.#rows.size === 0) return undefined
    const row = this.#rows.get(String.fromCharCode(table) + Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1'))
    if (row === undefined) return undefined
    return row.to === REMOVED ? null : row.memory.subarray(row.from, row.to)
  }

  /** To be called inside a transaction. */
  write(tables: readonly Table[]): void {
    const key: KeyBytes = { bytes: new Uint8Array(0), start: 0, end: 0 }
    for (const { table, memory, keyFrom, from, to } of this.#rows.values()) {
      key.bytes = memory
      key.start = keyFrom
      key.end = from
      if (to === REMOVED) tables[table]!.removeSync(key)
      else {
        memory.start = from
        memory.end = to
        tables[table]!.putSync(key, memory)
      }
    }
  }

  clear(): void {
    this.#rows.clear()
    this.#bytes = 0
    this.#commits = 0
  }
}

/** Tables as they are with the pending rows. To read a range, LMDB has to have them: `settle` writes them to it. */
export function tablesWith(pending: PendingRows, tables: Tables, settle: () => void): Tables {
  const withPending = (table: Table, number: number): Table => {
    const settled = <Range, Found>(read: (range: Range) => Found) => (range: Range): Found => {
      if (!pending.isEmpty) settle()
      return read(range)
    }
    return {
      get: key => {
        const found = pending.find(number, key)
        return found === undefined ? table.get(key) : found ?? undefined
      },
      getRange: settled(range => table.getRange(range)),
      getKeys: settled(range => table.getKeys(range)),
      getKeysCount: settled(range => table.getKeysCount(range)),
      putSync: (key, value) => table.putSync(key, value),
      removeSync: key => table.removeSync(key),
    }
  }
  return Object.fromEntries(TABLES.map((name, number) => [name, withPending(tables[name], number)])) as unknown as Tables
}
