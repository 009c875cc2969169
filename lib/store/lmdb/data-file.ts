/** Whether a file is one that lmdb can open without harm: what its two headers say, and what the trees that they name are like. */
import { closeSync, fstatSync, openSync } from 'node:fs'
import { StoreFormatError } from '../../errors.ts'
import { Page } from './pages.ts'
import { readTree, type Tree, treesProblem } from './trees.ts'

/** 'new': there is no store yet. 'store': a file that lmdb can open. */
export type FolderState = 'new' | 'store'
/** 'headers': a glance at the headers. 'pages': at the pages in use as well, which only their one user may do: others see them change. */
export type Inspection = 'headers' | 'pages'

/**
 * Up to this many pages (16 MiB) all of them are looked at, which takes 20 us each at first; in a larger file all but the leaves of
 * tables, which is one page in a hundred, so that opening stays quick: a store of 100,000 sleeping runs has 50 MiB. Those leaves are looked at
 * while it is in use (leaves.ts).
 */
const MOST_LEAVES = 4_096

export const META_BYTES = 168
const MAGIC = 0xbeefc0de
/** LMDB 1.0's, that lmdb 3 writes. */
const DATA_VERSION = 2
const META_PAGE_FLAG = 0x08
/** Pages that one transaction can have taken and let go again at the end of the file: LMDB's MDB_IDL_UM_MAX. */
const MOST_FREE_AT_END = 131_072

const SPARE_MAP_BYTES = 2 ** 30

/** Where things are on a meta page (struct MDB_meta behind the header of a page), on a 64-bit machine. */
export const AT = { flags: 18, magic: 24, version: 28, mapSize: 40, free: 48, pageSize: 48, main: 96, lastPage: 144, transaction: 152 } as const

/** One of the two headers. */
export interface Meta {
  readonly pageSize: number
  readonly mapSize: number
  readonly free: Tree
  readonly main: Tree
  readonly lastPage: number
  readonly transaction: number
}

/** Reads, and changes nothing. */
export function inspectFile(path: string, depth: Inspection): FolderState | { readonly problem: string } {
  const descriptor = openSync(path, 'r')
  try {
    const stat = fstatSync(descriptor)
    if (!stat.isFile()) return { problem: `has a "${path}" that is not a file` }
    // An opening that died before its first write: lmdb takes it as new, too.
    if (stat.size === 0) return 'new'
    const first = readMeta(descriptor, 0, stat.size)
    if (typeof first === 'string') return { problem: first }
    const second = readMeta(descriptor, first.pageSize, stat.size)
    if (typeof second === 'string') return { problem: second }
    const problem = problemOf(descriptor, Math.floor(stat.size / first.pageSize), first, second, depth)
    return problem === undefined ? 'store' : { problem }
  } finally {
    closeSync(descriptor)
  }
}

/**
 * The header of the last commit of a sound file. To be called where commits are made: another thread could see half of one.
 */
export function newestMeta(descriptor: number, path: string): Meta {
  const first = readMeta(descriptor, 0, Infinity)
  if (typeof first === 'string') throw new StoreFormatError({ what: `"${path}"`, problem: first })
  const second = readMeta(descriptor, first.pageSize, Infinity)
  if (typeof second === 'string') throw new StoreFormatError({ what: `"${path}"`, problem: second })
  return second.transaction > first.transaction ? second : first
}

/** Whether a sound file is so large that not all of it is looked at before it is opened. */
export function hasUnseenLeaves(path: string): boolean {
  const descriptor = openSync(path, 'r')
  try {
    return newestMeta(descriptor, path).lastPage >= MOST_LEAVES
  } finally {
    closeSync(descriptor)
  }
}

function readMeta(descriptor: number, at: number, size: number): Meta | string {
  const page = new Page(META_BYTES)
  if (size < at + META_BYTES || !page.read(descriptor, at)) return 'is no store, or was cut short'
  if (page.u32(AT.magic) !== MAGIC || (page.u16(AT.flags) & META_PAGE_FLAG) === 0) {
    return at === 0 ? 'is no store (its data file is of another kind)' : 'is damaged (its second header is gone)'
  }
  const version = page.u16(AT.version)
  if (version !== DATA_VERSION) return `has the LMDB data version ${version}; this version knows ${DATA_VERSION}`
  const pageSize = page.u32(AT.pageSize)
  if (pageSize < 512 || pageSize > 65_536 || (pageSize & (pageSize - 1)) !== 0) return `is damaged (it claims pages of ${pageSize} bytes)`
  return { pageSize, mapSize: page.u64(AT.mapSize), free: readTree(page, AT.free), main: readTree(page, AT.main), lastPage: page.u64(AT.lastPage), transaction: page.u64(AT.transaction) }
}

function problemOf(descriptor: number, pages: number, first: Meta, second: Meta, depth: Inspection): string | undefined {
  const newest = second.transaction > first.transaction ? second : first
  const older = newest === first ? second : first
  // Commits write them by turns. Were the number of one of them changed, LMDB would take the wrong one, and miss the last commit.
  const areInTurn = newest.transaction === 0 || (newest.transaction === older.transaction + 1 && (newest === second) === (newest.transaction % 2 === 1))
  if (!areInTurn || first.pageSize !== second.pageSize) return 'is damaged (its headers do not belong together)'
  const claimed = newest.lastPage + 1
  // lmdb makes the map up to twice as large as it needs; one that cannot be had ends the process.
  const largestMap = 4 * Math.max(claimed, pages) * first.pageSize + SPARE_MAP_BYTES
  if (first.mapSize > largestMap || second.mapSize > largestMap) return 'is damaged (its headers ask for too much memory)'
  if (claimed - pages > MOST_FREE_AT_END) return cutShort(claimed, pages)
  if (depth === 'headers') return undefined
  const { pageSize, transaction, free, main } = newest
  const problem = treesProblem({ descriptor, pageSize, pages, claimed, transaction, free, main, leaves: Math.min(pages, claimed) <= MOST_LEAVES })
  if (problem === undefined) return undefined
  return claimed > pages ? cutShort(claimed, pages) : `is damaged (${problem})`
}

function cutShort(claimed: number, pages: number): string {
  return `is damaged (its file is cut short: it should have ${claimed} pages and has ${pages})`
}
