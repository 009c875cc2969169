/**
 * Rows as they lie in memory and in the commit log, one behind the other: each
 * [table u8][length of the key u16][length of the value + 1 u32, or 0: removed][key][value], numbers little-endian.
 */
import type { Table } from './engine.ts'
import type { KeyBytes } from './keys.ts'

export const ROW_HEAD_BYTES = 7

/** A piece of memory in which lmdb finds a value between two places: a value is handed over without a view made for it. */
export type ValueMemory = Uint8Array & { start: number, end: number }

export function valueMemory(memory: Uint8Array): ValueMemory {
  return Object.assign(memory, { start: 0, end: 0 })
}

/** `valueBytes`: undefined where the row is removed. */
export function writeRowHead(memory: Uint8Array, row: number, table: number, keyBytes: number, valueBytes: number | undefined): void {
  memory[row] = table
  memory[row + 1] = keyBytes
  memory[row + 2] = keyBytes >>> 8
  put32(memory, row + 3, valueBytes === undefined ? 0 : valueBytes + 1)
}

export function endOfKey(memory: Uint8Array, row: number): number {
  return row + ROW_HEAD_BYTES + (memory[row + 1]! | (memory[row + 2]! << 8))
}

/** Of the value, 1 more than it has; 0: the row is removed. */
function lengthOf(memory: Uint8Array, row: number): number {
  return (memory[row + 3]! | (memory[row + 4]! << 8) | (memory[row + 5]! << 16) | (memory[row + 6]! << 24)) >>> 0
}

export function isRemoval(memory: Uint8Array, row: number): boolean {
  return lengthOf(memory, row) === 0
}

export function endOfRow(memory: Uint8Array, row: number): number {
  return endOfKey(memory, row) + Math.max(0, lengthOf(memory, row) - 1)
}

/** Values that lie elsewhere, by the place of their row: behind its key comes the next row. */
export type ValuesElsewhere = ReadonlyMap<number, Uint8Array>

/** Writes the rows between two places to LMDB. To be called inside a transaction: lmdb copies key and value before a call returns. */
export function writeRows(tables: readonly Table[], memory: ValueMemory, start: number, end: number, elsewhere?: ValuesElsewhere): void {
  const key: KeyBytes = { bytes: memory, start: 0, end: 0 }
  for (let at = start; at < end;) {
    const from = endOfKey(memory, at)
    const table = tables[memory[at]!]!
    const large = elsewhere?.get(at)
    key.start = at + ROW_HEAD_BYTES
    key.end = from
    if (large !== undefined) {
      table.putSync(key, large)
      at = from
    } else if (isRemoval(memory, at)) {
      table.removeSync(key)
      at = from
    } else {
      memory.start = from
      memory.end = endOfRow(memory, at)
      table.putSync(key, memory)
      at = memory.end
    }
  }
}

export function put32(memory: Uint8Array, at: number, value: number): void {
  memory[at] = value
  memory[at + 1] = value >>> 8
  memory[at + 2] = value >>> 16
  memory[at + 3] = value >>> 24
}
