/**
 * Whether a file of LMDB that is shorter than its header says lacks any page in use. Usually it does not get here: only
 * when pages at the end were taken and let go again within one transaction does LMDB leave a sound file short ("the file may
 * be shorter if the freeDB lists the final pages"). Then every page in use is looked at, once.
 */
import { readSync } from 'node:fs'

const BRANCH = 0x01
const LEAF = 0x02
const BIG_DATA = 0x01
const SUB_DATABASE = 0x02
const NO_ROOT = 0xffff_ffff_ffff_ffffn
const HEADER_BYTES = 24
const NODE_HEADER_BYTES = 8
/** Where md_root lies in a struct MDB_db. */
const ROOT_IN_DATABASE = 40

/** `roots` are those of the free list and of the main table, which names the other tables. */
export function pagesAreThere(descriptor: number, pageSize: number, pages: number, roots: readonly bigint[]): boolean {
  const page = Buffer.alloc(pageSize)
  const waiting = roots.filter(root => root !== NO_ROOT)
  const seen = new Set<bigint>()
  for (let number = waiting.pop(); number !== undefined; number = waiting.pop()) {
    // A page that is reached twice is damage that no walk should run around in for ever.
    if (number >= BigInt(pages) || seen.has(number)) return false
    seen.add(number)
    if (readSync(descriptor, page, 0, pageSize, Number(number) * pageSize) < pageSize) return false
    if (page.readBigUInt64LE(0) !== number) return false
    const next = pagesNamedBy(page, BigInt(pages))
    if (next === undefined) return false
    waiting.push(...next)
  }
  return true
}

/** Whether the roots alone are pages of a tree, at their places: two reads, for every opening. */
export function rootsAreThere(descriptor: number, pageSize: number, pages: number, roots: readonly bigint[]): boolean {
  const page = Buffer.alloc(pageSize)
  return roots.every(root => root === NO_ROOT || (
    root < BigInt(pages) && readSync(descriptor, page, 0, pageSize, Number(root) * pageSize) === pageSize &&
    page.readBigUInt64LE(0) === root && pagesNamedBy(page, BigInt(pages)) !== undefined))
}

/** The pages that a page leads to; undefined if it makes no sense or leads past the end. */
function pagesNamedBy(page: Buffer, pages: bigint): bigint[] | undefined {
  const flags = page.readUInt16LE(18)
  const nodes = page.readUInt16LE(20) >>> 1
  if ((flags & (BRANCH | LEAF)) === 0 || HEADER_BYTES + nodes * 2 > page.length) return undefined
  const named: bigint[] = []
  for (let i = 0; i < nodes; i++) {
    const at = HEADER_BYTES + page.readUInt16LE(HEADER_BYTES + i * 2)
    if (at + NODE_HEADER_BYTES > page.length) return undefined
    const low = BigInt(page.readUInt32LE(at))
    const nodeFlags = page.readUInt16LE(at + 4)
    if ((flags & BRANCH) !== 0) {
      named.push(low | (BigInt(nodeFlags) << 32n))
      continue
    }
    const data = at + NODE_HEADER_BYTES + page.readUInt16LE(at + 6)
    if ((nodeFlags & SUB_DATABASE) !== 0) {
      if (data + ROOT_IN_DATABASE + 8 > page.length) return undefined
      const root = page.readBigUInt64LE(data + ROOT_IN_DATABASE)
      if (root !== NO_ROOT) named.push(root)
    } else if ((nodeFlags & BIG_DATA) !== 0) {
      // struct MDB_ovpage: first page, transaction, number of pages. They are data, not tree: being there is enough.
      if (data + 24 > page.length || page.readBigUInt64LE(data) + page.readBigUInt64LE(data + 16) > pages) return undefined
    }
  }
  return named
}
