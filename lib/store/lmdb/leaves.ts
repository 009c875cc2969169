/**
 * Looks at the leaves of a store that is too large for all of them to be looked at before it is opened, a few at a time, between commits. On the
 * thread that commits, so nothing changes while some are looked at, and no page has to be kept from being used again; in between everything may. So it
 * goes on by key: whatever comes before it was looked at, or is younger than the process.
 */
import { closeSync, openSync } from 'node:fs'
import { StoreFormatError } from '../../errors.ts'
import { monotonicMs } from '../../system.ts'
import { type Meta, newestMeta } from './data-file.ts'
import { compareBytes, type Key, keyOf, leastPages, NODE, NODE_HEADER_BYTES, nodeAt, nodesProblem, OVERFLOW_BYTES, Page, PAGE, PAGE_HEADER_BYTES, pageProblem } from './pages.ts'
import { type Bounds, boundsProblem, isKeyRight, keysProblem, tablesOn, type TableTree, type Tree } from './trees.ts'

/** A page of the way down, and which of its children was taken. */
interface Level {
  readonly page: Page
  nodes: number
  child: number
  newest: number
  bounds: Bounds
}

/** Thrown inside, and told as an error of ours. */
class Damage {
  readonly problem: string

  constructor(problem: string) {
    this.problem = problem
  }
}

export class LeafCheck {
  readonly #path: string
  readonly #descriptor: number
  readonly #levels: Level[] = []
  readonly #header = new Page(PAGE_HEADER_BYTES + OVERFLOW_BYTES)
  #meta: Meta
  /** Of the tables in the order of their names. */
  #table = 0
  /** The last key that was looked at; undefined: none of this table. */
  #after: Key | undefined
  #pages = 0

  constructor(path: string) {
    this.#path = path
    this.#descriptor = openSync(path, 'r')
    this.#meta = newestMeta(this.#descriptor, path)
  }

  /** Leaves that were looked at so far. */
  get pages(): number {
    return this.#pages
  }

  /**
   * Looks at some more for about so long, at one leaf at least. False: that was all.
   * @throws StoreFormatError a leaf is damaged
   */
  some(forMs: number): boolean {
    const untilMs = monotonicMs() + forMs
    try {
      this.#meta = newestMeta(this.#descriptor, this.#path)
      const tables = this.#tables()
      while (this.#table < tables.length) {
        if (!this.#someOf(tables[this.#table]!, untilMs)) return true
        this.#table++
        this.#after = undefined
      }
      return false
    } catch (error) {
      if (!(error instanceof Damage)) throw error
      throw new StoreFormatError({ what: `the data file "${this.#path}"`, problem: `is damaged (${error.problem})`, advice: 'Restore a backup.' })
    }
  }

  close(): void {
    closeSync(this.#descriptor)
  }

  /** Each time anew: their roots move with every commit. */
  #tables(): readonly TableTree[] {
    const { main, transaction } = this.#meta
    const tables: TableTree[] = []
    for (let leaf = this.#first(main, transaction, undefined); leaf !== undefined; leaf = this.#next(main)) {
      const found = tablesOn(leaf.page, leaf.page.u64(0))
      if (typeof found === 'string') throw new Damage(found)
      tables.push(...found)
    }
    return tables
  }

  /** True: it has been looked at to its end. */
  #someOf({ tree, transaction, table }: TableTree, untilMs: number): boolean {
    const after = this.#after
    let leaf = this.#first(tree, transaction, after)
    // All of this one was looked at before; going on with the next, each call gets further.
    if (leaf !== undefined && after !== undefined && compareKeys(keyOf(leaf.page, leaf.nodes - 1), after) <= 0) leaf = this.#next(tree)
    for (; leaf !== undefined; leaf = this.#next(tree)) {
      const { page, nodes } = leaf
      const number = page.u64(0)
      const problem = this.#overflowProblem(leaf, table) ?? (table === undefined ? undefined : keysProblem(table, page, number))
      if (problem !== undefined) throw new Damage(problem)
      this.#pages++
      if (monotonicMs() >= untilMs) {
        const { bytes, start, end } = keyOf(page, nodes - 1)
        this.#after = { bytes: bytes.slice(start, end), start: 0, end: end - start }
        return false
      }
    }
    return true
  }

  /** Goes down to the leaf that has a key, or would have it. */
  #first(tree: Tree, newest: number, key: Key | undefined): Level | undefined {
    if (tree.root === undefined) return undefined
    return this.#down(tree, 1, tree.root, newest, { from: undefined, to: undefined }, key)
  }

  #down(tree: Tree, depth: number, root: number, newest: number, bounds: Bounds, key: Key | undefined): Level {
    let number = root
    for (let level = depth; ; level++) {
      const at = this.#look(tree, level, number, newest, bounds)
      if (level >= tree.depth) return at
      at.child = key === undefined ? 0 : childFor(at, key)
      ;({ number, newest, bounds } = childOf(at))
    }
  }

  /** The leaf after the one that was found last. */
  #next(tree: Tree): Level | undefined {
    for (let level = tree.depth - 1; level >= 1; level--) {
      const at = this.#levels[level]!
      if (at.child + 1 >= at.nodes) continue
      at.child++
      const { number, newest, bounds } = childOf(at)
      return this.#down(tree, level + 1, number, newest, bounds, undefined)
    }
    return undefined
  }

  #look(tree: Tree, level: number, number: number, newest: number, bounds: Bounds): Level {
    const { pageSize, lastPage } = this.#meta
    const at = this.#levels[level] ??= { page: new Page(pageSize), nodes: 0, child: 0, newest: 0, bounds }
    const { page } = at
    const isBranch = level < tree.depth
    const problem = (number < 2 || number > lastPage || !page.read(this.#descriptor, number * pageSize) ? `page ${number} is missing` : undefined) ??
      pageProblem(page, number, isBranch ? PAGE.branch : PAGE.leaf, newest) ?? nodesProblem(page, number, isBranch, compareBytes) ??
      boundsProblem(compareBytes, page, number, isBranch, bounds)
    if (problem !== undefined) throw new Damage(problem)
    at.nodes = page.u16(20) >>> 1
    at.newest = page.u64(8)
    at.bounds = bounds
    return at
  }

  /** Of values that lie on pages of their own: whether these are theirs, and have the right key. */
  #overflowProblem({ page, nodes }: Level, table: TableTree['table']): string | undefined {
    if ((page.flags & NODE.bigData) === 0) return undefined
    const { pageSize, lastPage } = this.#meta
    const header = this.#header
    for (let i = 0; i < nodes; i++) {
      const at = nodeAt(page, i)
      if ((page.u16(at + 4) & NODE.bigData) === 0) continue
      const data = at + NODE_HEADER_BYTES + page.u16(at + 6)
      const [first, pages] = [page.u64(data), page.u64(data + 16)]
      if (pages < leastPages(page.u32(at), pageSize)) return `a value that begins on page ${first} has an impossible size`
      if (first < 2 || first + pages - 1 > lastPage || !header.read(this.#descriptor, first * pageSize)) return `page ${first} is missing`
      const problem = pageProblem(header, first, PAGE.overflow, page.u64(8))
      if (problem !== undefined) return problem
      if (header.u32(20) !== pages) return `page ${first} is the first of another number of pages`
      if (table !== undefined && !isKeyRight(table, page, at, data, header, PAGE_HEADER_BYTES)) return `the key of the value that begins on page ${first} is damaged`
    }
    return undefined
  }
}

function compareKeys(a: Key, b: Key): number {
  return compareBytes(a.bytes, a.start, a.end, b.bytes, b.start, b.end)
}

/** The last child whose keys may begin before a key; LMDB does not look at the first one's. */
function childFor({ page, nodes }: Level, key: Key): number {
  let [low, high] = [0, nodes - 1]
  while (low < high) {
    const middle = (low + high + 1) >>> 1
    if (compareKeys(keyOf(page, middle), key) <= 0) low = middle
    else high = middle - 1
  }
  return low
}

function childOf({ page, child, nodes, newest, bounds }: Level): { readonly number: number, readonly newest: number, readonly bounds: Bounds } {
  const at = nodeAt(page, child)
  return {
    number: page.u16(at) + page.u16(at + 2) * 0x1_0000 + page.u16(at + 4) * 0x1_0000_0000,
    newest,
    bounds: { from: child === 0 ? bounds.from : keyOf(page, child), to: child + 1 < nodes ? keyOf(page, child + 1) : bounds.to },
  }
}
