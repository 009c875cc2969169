/**
 * The rows of commits that are in the commit log and not in LMDB yet.
 *
 * To put a row or to remove it says nothing of what was there before, so the rows of many commits may be written together, in their order, and
 * once more if need be.
 */
import type { Table, Tables } from './engine.ts'
import { type KeyBytes, TABLES } from './keys.ts'
import { endOfKey, endOfRow, isRemoval, ROW_HEAD_BYTES, type ValueMemory, valueMemory, writeRows } from './row-bytes.ts'

const REMOVED = -1

/** Rows between two places of a memory that nobody writes to any more. */
interface Piece {
  readonly memory: ValueMemory
  readonly start: number
  readonly end: number
}

/** Where a value lies; `to` is REMOVED where the key has none. */
interface PendingValue {
  readonly memory: ValueMemory
  readonly from: number
  readonly to: number
}

/** The last row of each key of one table. Made for tables in which keys are looked up, when they are: most are only written. */
interface TableIndex {
  readonly values: Map<string, PendingValue>
  /** Pieces that are in it. */
  pieces: number
}

export class PendingRows {
  #pieces: Piece[] = []
  readonly #indexes: (TableIndex | undefined)[] = []
  #bytes = 0
  #size = 0

  get isEmpty(): boolean {
    return this.#size === 0
  }

  /** Commits they are of. */
  get commits(): number {
    return this.#pieces.length
  }

  /** Of the commits that were added. */
  get bytes(): number {
    return this.#bytes
  }

  get size(): number {
    return this.#size
  }

  /** Adds the rows that lie between two places of a memory that nobody writes to any more: those of one commit. */
  add(bytes: Uint8Array, start: number, end: number): void {
    const memory = valueMemory(bytes)
    this.#pieces.push({ memory, start, end })
    this.#bytes += end - start
    for (let at = start; at < end; at = endOfRow(memory, at)) this.#size++
  }

  /** The value that a key has here; null: it was removed; undefined: nothing is known of it. */
  find(table: number, { bytes, start, end }: KeyBytes): Uint8Array | null | undefined {
    if (this.#size === 0) return undefined
    const found = this.#index(table).get(textOf(bytes, start, end))
    if (found === undefined) return undefined
    return found.to === REMOVED ? null : found.memory.subarray(found.from, found.to)
  }

  /** To be called inside a transaction. */
  write(tables: readonly Table[]): void {
    for (const { memory, start, end } of this.#pieces) writeRows(tables, memory, start, end)
  }

  clear(): void {
    this.#pieces = []
    this.#indexes.length = 0
    this.#bytes = 0
    this.#size = 0
  }

  #index(table: number): ReadonlyMap<string, PendingValue> {
    const index = this.#indexes[table] ??= { values: new Map(), pieces: 0 }
    for (; index.pieces < this.#pieces.length; index.pieces++) {
      const { memory, start, end } = this.#pieces[index.pieces]!
      for (let at = start; at < end;) {
        const to = endOfRow(memory, at)
        if (memory[at] === table) {
          const from = endOfKey(memory, at)
          index.values.set(textOf(memory, at + ROW_HEAD_BYTES, from), { memory, from, to: isRemoval(memory, at) ? REMOVED : to })
        }
        at = to
      }
    }
    return index.values
  }
}

function textOf({ buffer, byteOffset }: Uint8Array, start: number, end: number): string {
  return Buffer.from(buffer, byteOffset + start, end - start).toString('latin1')
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
