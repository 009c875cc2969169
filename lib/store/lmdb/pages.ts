/** A page of a file of LMDB's, with what is looked at on every one of them. */
import { readSync } from 'node:fs'

/** In front of every page: number u64, transaction u64, padding u16, flags u16, and u16s that say where its free space is. */
export const PAGE_HEADER_BYTES = 24
export const NODE_HEADER_BYTES = 8
export const PAGE = { branch: 0x01, leaf: 0x02, overflow: 0x04 } as const
export const NODE = { bigData: 0x01, table: 0x02 } as const

const IS_LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1
const TWO_TO_32 = 0x1_0000_0000

/** Where a key lies. */
export interface Key {
  readonly bytes: Uint8Array
  readonly start: number
  readonly end: number
}

/** Bytes of the file, in which a page is looked at. Numbers are in the order of bytes of the machine, because LMDB writes them so. */
export class Page {
  readonly bytes: Uint8Array
  readonly halves: Uint16Array
  /** Where the page begins in them. */
  base = 0
  readonly size: number
  /** All flags of the nodes that were looked at, together. */
  flags = 0
  readonly #anywhere: DataView

  constructor(size: number, memory = new ArrayBuffer(size)) {
    this.size = size
    this.bytes = new Uint8Array(memory)
    this.halves = new Uint16Array(memory)
    this.#anywhere = new DataView(memory)
  }

  /** Into memory of its own. False: the file ends before. */
  read(descriptor: number, at: number): boolean {
    return readSync(descriptor, this.bytes, 0, this.size, at) === this.size
  }

  u16(at: number): number {
    return this.#anywhere.getUint16(this.base + at, IS_LITTLE_ENDIAN)
  }

  u32(at: number): number {
    return this.#anywhere.getUint32(this.base + at, IS_LITTLE_ENDIAN)
  }

  /** Whatever is above 2^53 is damage, and comes out larger than any number that is right. */
  u64(at: number): number {
    return this.u32(at) + this.u32(at + 4) * TWO_TO_32
  }
}

/** What keeps a page from being one of a tree's; undefined when nothing does. */
export function pageProblem(page: Page, number: number, kind: number, newest: number): string | undefined {
  if (page.u64(0) !== number) return `page ${number} is another one`
  if (page.u16(18) !== kind) return `page ${number} is of another kind`
  if (page.u64(8) > newest) return `page ${number} is newer than what leads to it`
  return undefined
}

/**
 * What keeps the nodes of a tree's page from being read: each has to lie inside, they have to fill what is not free, and their
 * keys have to be in order.
 */
export function nodesProblem(page: Page, number: number, isBranch: boolean, compare: CompareKeys): string | undefined {
  const { size } = page
  const lower = page.u16(20)
  const upper = page.u16(22)
  const room = size - PAGE_HEADER_BYTES
  if (lower % 2 !== 0 || lower > upper || upper > room || upper % 2 !== 0) return `page ${number} has an impossible size`
  const nodes = lower >>> 1
  if (nodes === 0) return `page ${number} has nothing on it`
  // This is done for every row of the file, so without a call for each number.
  const { bytes, halves, base } = page
  const firstHalf = base >>> 1
  const firstOrdered = isBranch ? 2 : 1
  let filled = 0
  let flags = 0
  let keyBefore = 0
  let keyBeforeEnd = 0
  for (let i = 0; i < nodes; i++) {
    const at = PAGE_HEADER_BYTES + halves[firstHalf + PAGE_HEADER_BYTES / 2 + i]!
    const key = at + NODE_HEADER_BYTES
    if (at % 2 !== 0 || at < PAGE_HEADER_BYTES + upper || key > size) return `node ${i} of page ${number} lies outside`
    const half = firstHalf + (at >>> 1)
    let end = key + halves[half + 3]!
    const keyEnd = end
    if (!isBranch) {
      const own = halves[half + 2]!
      flags |= own
      end += (own & NODE.bigData) === 0 ? halves[half]! + halves[half + 1]! * 0x1_0000 : OVERFLOW_BYTES
    }
    if (end > size) return `node ${i} of page ${number} lies outside`
    filled += end - at + (end & 1)
    // The first key of a branch is not looked at by LMDB, and mostly empty.
    if (i >= firstOrdered && compare(bytes, base + keyBefore, base + keyBeforeEnd, bytes, base + key, base + keyEnd) >= 0) return `the keys of page ${number} are not in order`
    keyBefore = key
    keyBeforeEnd = keyEnd
  }
  page.flags = flags
  return filled === room - upper ? undefined : `the nodes of page ${number} do not fill it`
}

/** struct MDB_ovpage: first page, transaction, number of pages. */
export const OVERFLOW_BYTES = 24

/** There may be more: a shorter value that takes the place of one that was put in the same transaction is written over it, and keeps all of its pages. */
export function leastPages(valueBytes: number, pageSize: number): number {
  return Math.ceil((PAGE_HEADER_BYTES + valueBytes) / pageSize)
}

export function nodeAt(page: Page, i: number): number {
  return PAGE_HEADER_BYTES + page.u16(PAGE_HEADER_BYTES + i * 2)
}

export function keyOf(page: Page, i: number): Key {
  const at = nodeAt(page, i)
  const start = page.base + at + NODE_HEADER_BYTES
  return { bytes: page.bytes, start, end: start + page.u16(at + 6) }
}

export type CompareKeys = (a: Uint8Array, aStart: number, aEnd: number, b: Uint8Array, bStart: number, bEnd: number) => number

export const compareBytes: CompareKeys = (a, aStart, aEnd, b, bStart, bEnd) => {
  const end = Math.min(aEnd, aStart + bEnd - bStart)
  for (let at = aStart, other = bStart; at < end; at++, other++) if (a[at] !== b[other]) return a[at]! - b[other]!
  return (aEnd - aStart) - (bEnd - bStart)
}

/** Numbers of transactions, in the order of bytes of the machine: keys of the free list. */
export const compareNumbers: CompareKeys = (a, aStart, aEnd, b, bStart, bEnd) => {
  if (aEnd - aStart !== 8 || bEnd - bStart !== 8) return 0 // in no order: damage
  for (let i = 7; i >= 0; i--) if (a[aStart + i] !== b[bStart + i]) return a[aStart + i]! - b[bStart + i]!
  return 0
}
