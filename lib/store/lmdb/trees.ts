/**
 * Looks at every page in use of a file of LMDB's before lmdb does, which trusts what it reads: a damaged page may end the
 * process, or lead it to write over data. What is looked at: that each page of each tree is where its parent says, of the right
 * kind, no newer than its parent, and led to once; that its nodes lie inside it and their keys are in order, also from page to page; that each
 * tree has as many pages and rows as is written down of it; and that no page in use is on the list of free ones.
 *
 * Of rows the check of their keys is looked at: what is looked for by another key would not be found. Their payloads have
 * checksums of their own, which are checked when they are read.
 */
import { readSync } from 'node:fs'
import { TABLES, type TableName } from './keys.ts'
import { compareBytes, compareNumbers, type CompareKeys, type Key, keyOf, leastPages, NODE, NODE_HEADER_BYTES, nodeAt, nodesProblem, Page, PAGE, PAGE_HEADER_BYTES, pageProblem } from './pages.ts'
import { FORMAT, KEY_ROW_BYTES, keyCheck } from './records.ts'

/** struct MDB_db: what is written down of a tree. */
export interface Tree {
  readonly flags: number
  readonly depth: number
  readonly branchPages: number
  readonly leafPages: number
  readonly overflowPages: number
  readonly rows: number
  /** Undefined: it is empty. */
  readonly root: number | undefined
}

export const TREE_BYTES = 48
const NO_ROOT_HALF = 0xffff_ffff
/** LMDB's own bound on the depth of a tree. */
const DEEPEST = 32
/** Flags that change what a tree's pages mean; none of ours has any, and the free list has numbers as its keys. */
const MEANING_FLAGS = 0x7e
const NUMBER_KEYS = 0x08

export function readTree(page: Page, at: number): Tree {
  const isEmpty = page.u32(at + 40) === NO_ROOT_HALF && page.u32(at + 44) === NO_ROOT_HALF
  return {
    flags: page.u16(at + 4), depth: page.u16(at + 6), branchPages: page.u64(at + 8), leafPages: page.u64(at + 16),
    overflowPages: page.u64(at + 24), rows: page.u64(at + 32), root: isEmpty ? undefined : page.u64(at + 40),
  }
}

export interface TreesOf {
  readonly descriptor: number
  readonly pageSize: number
  /** Whole pages that the file has. */
  readonly pages: number
  /** Pages that the file should have; it may be shorter where the last ones are free. */
  readonly claimed: number
  readonly transaction: number
  readonly free: Tree
  readonly main: Tree
  /** Whether the leaves of tables are looked at: they are nearly all pages. */
  readonly leaves: boolean
}

/** What is wrong with the file, in words; undefined when nothing is. */
export function treesProblem(file: TreesOf): string | undefined {
  return new Trees(file).problem()
}

/** The keys that a subtree may have: from the first one, included, down to the last one, not included. */
export interface Bounds {
  readonly from: Key | undefined
  readonly to: Key | undefined
}

export interface TableTree {
  readonly tree: Tree
  readonly transaction: number
  /** Undefined: none of ours. */
  readonly table: TableName | undefined
}

interface Walk {
  readonly tree: Tree
  /** Whether its leaves are looked at. */
  readonly leaves: boolean
  readonly compare: CompareKeys
  readonly leaf: (page: Page, number: number) => string | undefined
  /** Whose rows these are, where they are ours. */
  readonly table?: TableName | undefined
}

interface Walked extends Walk {
  branches: number
  leavesSeen: number
  overflows: number
  rows: number
}

class Trees {
  readonly #file: TreesOf
  /** 1: led to. */
  readonly #used: Uint8Array
  /** One for each level of each kind of tree: a branch is still looked at when its children are. */
  readonly #levels: Page[] = []
  readonly #tables: TableTree[] = []
  readonly #freed: number[] = []

  /** The whole file, where its leaves are looked at: reading it at once is several times quicker than page by page. */
  readonly #whole: ArrayBuffer | undefined

  constructor(file: TreesOf) {
    this.#file = file
    this.#used = new Uint8Array(Math.min(file.pages, file.claimed))
    this.#whole = file.leaves ? wholeFile(file) : undefined
  }

  problem(): string | undefined {
    const { free, main, transaction, leaves } = this.#file
    const problem = this.#walk({ tree: main, leaves: true, compare: compareBytes, leaf: (page, number) => this.#mainLeaf(page, number) }, transaction, 0) ??
      this.#walk({ tree: free, leaves: true, compare: compareNumbers, leaf: page => this.#freeLeaf(page) }, transaction, NUMBER_KEYS)
    if (problem !== undefined) return problem
    for (const { tree, table, transaction: newest } of this.#tables) {
      const leaf = (page: Page, number: number): string | undefined => table === undefined ? undefined : keysProblem(table, page, number)
      const found = this.#walk({ tree, leaves, table, compare: compareBytes, leaf }, newest, 0)
      if (found !== undefined) return found
    }
    const both = this.#freed.find(number => number < this.#used.length && this.#used[number] === 1)
    return both === undefined ? undefined : `page ${both} is in use and on the list of free ones`
  }

  #walk(how: Walk, newest: number, meaning: number): string | undefined {
    const { tree } = how
    const walk: Walked = { ...how, branches: 0, leavesSeen: 0, overflows: 0, rows: 0 }
    if ((tree.flags & MEANING_FLAGS) !== meaning || tree.depth > DEEPEST || (tree.root === undefined) !== (tree.depth === 0)) return 'a tree is not what it should be'
    const problem = tree.root === undefined ? undefined : this.#subtree(walk, tree.root, 1, newest, { from: undefined, to: undefined })
    if (problem !== undefined) return problem
    const isRight = walk.branches === tree.branchPages && walk.leavesSeen === tree.leafPages &&
      (!walk.leaves || (walk.overflows === tree.overflowPages && walk.rows === tree.rows))
    return isRight ? undefined : 'a tree has other pages or rows than it says'
  }

  #subtree(walk: Walked, number: number, level: number, newest: number, bounds: Bounds): string | undefined {
    const page = this.#levels[level] ??= new Page(this.#file.pageSize, this.#whole)
    const isBranch = level < walk.tree.depth
    const unique = this.#use(number, 1)
    if (unique === undefined && !isBranch && !walk.leaves) {
      walk.leavesSeen++
      return undefined
    }
    const problem = unique ?? this.#read(page, number, 1) ??
      pageProblem(page, number, isBranch ? PAGE.branch : PAGE.leaf, newest) ?? nodesProblem(page, number, isBranch, walk.compare) ?? boundsProblem(walk.compare, page, number, isBranch, bounds)
    if (problem !== undefined) return problem
    // Each commit changes what is written down of some table. Another header than the last one's may be whole, and is not the last.
    if (level === 1 && walk.tree === this.#file.main && page.u64(8) !== newest) return 'its header is not that of the last commit'
    if (!isBranch) return this.#leaf(walk, page, number)
    walk.branches++
    const nodes = page.u16(20) >>> 1
    const transaction = page.u64(8)
    let from = bounds.from
    for (let i = 0; i < nodes; i++) {
      const at = nodeAt(page, i)
      const child = page.u16(at) + page.u16(at + 2) * 0x1_0000 + page.u16(at + 4) * 0x1_0000_0000
      const to = i + 1 < nodes ? keyOf(page, i + 1) : bounds.to
      const found = this.#subtree(walk, child, level + 1, transaction, { from, to })
      if (found !== undefined) return found
      from = to
    }
    return undefined
  }

  #leaf(walk: Walked, page: Page, number: number): string | undefined {
    walk.leavesSeen++
    const nodes = page.u16(20) >>> 1
    walk.rows += nodes
    for (let i = 0; page.flags !== 0 && i < nodes; i++) {
      const at = nodeAt(page, i)
      const flags = page.u16(at + 4)
      if (flags === 0) continue
      if (flags === NODE.bigData) {
        const problem = this.#overflow(walk, page, at)
        if (problem !== undefined) return problem
      } else if (flags !== NODE.table || walk.tree !== this.#file.main) return `node ${i} of page ${number} is of no known kind`
    }
    return walk.leaf(page, number)
  }

  /** Its value lies on pages of its own. */
  #overflow(walk: Walked, page: Page, at: number): string | undefined {
    const { pageSize } = this.#file
    const data = at + NODE_HEADER_BYTES + page.u16(at + 6)
    const [first, pages] = [page.u64(data), page.u64(data + 16)]
    if (pages < leastPages(page.u32(at), pageSize)) return `a value that begins on page ${first} has an impossible size`
    const header = this.#levels[0] ??= new Page(PAGE_HEADER_BYTES + 8, this.#whole)
    walk.overflows += pages
    const problem = this.#use(first, pages) ?? this.#read(header, first, pages) ?? pageProblem(header, first, PAGE.overflow, page.u64(8))
    if (problem !== undefined) return problem
    if (header.u32(20) !== pages) return `page ${first} is the first of another number of pages`
    const isRight = walk.table === undefined || isKeyRight(walk.table, page, at, data, header, PAGE_HEADER_BYTES)
    return isRight ? undefined : `the key of the value that begins on page ${first} is damaged`
  }

  #mainLeaf(page: Page, number: number): string | undefined {
    const tables = tablesOn(page, number)
    if (typeof tables === 'string') return tables
    for (const table of tables) this.#tables.push(table)
    return undefined
  }

  /** Rows of the free list: how many numbers follow, then those; a negative one says how many pages there are from the next one on. */
  #freeLeaf(page: Page): string | undefined {
    const nodes = page.u16(20) >>> 1
    for (let i = 0; i < nodes; i++) {
      const at = nodeAt(page, i)
      if (page.u16(at + 6) !== 8) return 'the list of free pages makes no sense'
      const transaction = page.u64(at + NODE_HEADER_BYTES)
      const size = page.u32(at)
      let list = Buffer.from(page.bytes.buffer, page.base + at + NODE_HEADER_BYTES + 8, (page.u16(at + 4) & NODE.bigData) !== 0 ? 0 : size)
      if ((page.u16(at + 4) & NODE.bigData) !== 0) {
        const first = page.u64(at + NODE_HEADER_BYTES + 8)
        list = Buffer.alloc(size)
        if (readSync(this.#file.descriptor, list, 0, size, first * this.#file.pageSize + PAGE_HEADER_BYTES) !== size) return `page ${first} is missing`
      }
      if (transaction === 0 || transaction > this.#file.transaction || !this.#takeFreed(list)) return 'the list of free pages makes no sense'
    }
    return undefined
  }

  #takeFreed(list: Buffer): boolean {
    if (list.length < 8 || list.length % 8 !== 0) return false
    const count = Number(list.readBigUInt64LE(0))
    if (count > list.length / 8 - 1) return false
    for (let i = 1; i <= count; i++) {
      const entry = Number(list.readBigInt64LE(i * 8))
      if (entry === 0) continue
      // A length at the very end is left over from a list that was split.
      if (entry < 0 && i === count) return true
      const first = entry > 0 ? entry : Number(list.readBigInt64LE(++i * 8))
      const pages = entry > 0 ? 1 : -entry
      if (first < 2 || first + pages > this.#file.claimed) return false
      for (let page = first; page < first + pages; page++) this.#freed.push(page)
    }
    return true
  }

  #use(first: number, pages: number): string | undefined {
    if (first < 2 || first + pages > this.#file.claimed) return `page ${first} does not exist`
    if (first + pages > this.#used.length) return `page ${first} is missing`
    for (let number = first; number < first + pages; number++) {
      if (this.#used[number] === 1) return `page ${number} is in use twice`
      this.#used[number] = 1
    }
    return undefined
  }

  #read(page: Page, number: number, pages: number): string | undefined {
    const { descriptor, pageSize } = this.#file
    if (number + pages > this.#file.pages) return `page ${number} is missing`
    if (this.#whole === undefined) return page.read(descriptor, number * pageSize) ? undefined : `page ${number} is missing`
    page.base = number * pageSize
    return undefined
  }
}

/** What a leaf of the tree of all tables says of them. */
export function tablesOn(page: Page, number: number): readonly TableTree[] | string {
  const tables: TableTree[] = []
  const nodes = page.u16(20) >>> 1
  for (let i = 0; i < nodes; i++) {
    const at = nodeAt(page, i)
    if (page.u16(at + 4) !== NODE.table) continue
    if (page.u32(at) !== TREE_BYTES) return `node ${i} of page ${number} is no table`
    const data = at + NODE_HEADER_BYTES + page.u16(at + 6)
    const record = new Page(TREE_BYTES)
    record.bytes.set(page.bytes.subarray(page.base + data, page.base + data + TREE_BYTES))
    // LMDB's names of tables end with a NUL.
    const name = Buffer.from(page.bytes.subarray(page.base + at + NODE_HEADER_BYTES, page.base + data)).toString().replace(/\0$/, '')
    tables.push({ tree: readTree(record, 0), transaction: page.u64(8), table: TABLES.find(table => table === name) })
  }
  return tables
}

/** The parent's page stays as it is while this is looked at, so its keys need not be copied. */
export function boundsProblem(compare: CompareKeys, page: Page, number: number, isBranch: boolean, { from, to }: Bounds): string | undefined {
  const nodes = page.u16(20) >>> 1
  const first = isBranch ? 1 : 0
  if (nodes <= first) return nodes === 0 ? `page ${number} has nothing on it` : undefined
  const low = keyOf(page, first)
  const high = keyOf(page, nodes - 1)
  const isInside = (from === undefined || compare(from.bytes, from.start, from.end, low.bytes, low.start, low.end) <= 0) &&
    (to === undefined || compare(high.bytes, high.start, high.end, to.bytes, to.start, to.end) < 0)
  return isInside ? undefined : `the keys of page ${number} belong elsewhere`
}

/** Of values that lie on pages of their own the key was checked with them. */
export function keysProblem(table: TableName, page: Page, number: number): string | undefined {
  const nodes = page.u16(20) >>> 1
  for (let i = 0; i < nodes; i++) {
    const at = nodeAt(page, i)
    const data = at + NODE_HEADER_BYTES + page.u16(at + 6)
    if ((page.u16(at + 4) & NODE.bigData) === 0 && (page.u32(at) < KEY_ROW_BYTES || !isKeyRight(table, page, at, data, page, data))) {
      return `a row of table "${table}" on page ${number} is damaged`
    }
  }
  return undefined
}

/**
 * The row of the node at `at`, whose value begins at `from` of `value`. Whatever its format, the check of its key comes next: what is newer is otherwise left to those
 * who read the record, but damage to a key and to what follows it must not pass for that.
 */
export function isKeyRight(table: TableName, page: Page, at: number, keyEnd: number, value: Page, from: number): boolean {
  const format = value.bytes[value.base + from]!
  return format >= FORMAT && value.u32(from + 1) === keyCheck(table, page.bytes, page.base + at + NODE_HEADER_BYTES, page.base + keyEnd)
}

/** What could not be read is zeros, which are no pages. */
function wholeFile({ descriptor, pageSize, pages, claimed }: TreesOf): ArrayBuffer {
  // Behind what is claimed is room kept ready.
  const whole = new ArrayBuffer(Math.min(pages, claimed) * pageSize)
  const bytes = new Uint8Array(whole)
  for (let at = 0; at < bytes.length;) {
    const read = readSync(descriptor, bytes, at, bytes.length - at, at)
    if (read === 0) break
    at += read
  }
  return whole
}
