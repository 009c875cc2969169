/** Rows kept in order: a list of short sorted lists, so that a row goes in or out in about the square root of their number. */
const MAX_CHUNK = 512

export class SortedRows<Row> {
  readonly #compare: (a: Row, b: Row) => number
  readonly #chunks: Row[][] = []
  #size = 0

  constructor(compare: (a: Row, b: Row) => number) {
    this.#compare = compare
  }

  get size(): number {
    return this.#size
  }

  /** Adds a row, or replaces the one that compares equal. */
  put(row: Row): void {
    if (this.#chunks.length === 0) {
      this.#chunks.push([row])
      this.#size = 1
      return
    }
    const chunk = this.#chunks[Math.min(this.#chunkOf(row), this.#chunks.length - 1)]!
    const at = lowerBound(chunk, row, this.#compare)
    if (at < chunk.length && this.#compare(chunk[at]!, row) === 0) {
      chunk[at] = row
      return
    }
    chunk.splice(at, 0, row)
    this.#size++
    if (chunk.length > MAX_CHUNK) this.#chunks.splice(this.#chunks.indexOf(chunk) + 1, 0, chunk.splice(MAX_CHUNK / 2))
  }

  remove(row: Row): void {
    const index = this.#chunkOf(row)
    const chunk = this.#chunks[index]
    if (chunk === undefined) return
    const at = lowerBound(chunk, row, this.#compare)
    if (at === chunk.length || this.#compare(chunk[at]!, row) !== 0) return
    chunk.splice(at, 1)
    this.#size--
    if (chunk.length === 0) this.#chunks.splice(index, 1)
  }

  /** Rows in order, from the first that is greater than `after` (which need not be a row). */
  * rowsAfter(after: Row | undefined): Generator<Row> {
    let index = after === undefined ? 0 : this.#chunkOf(after)
    for (; index < this.#chunks.length; index++) {
      for (const row of this.#chunks[index]!) {
        if (after === undefined || this.#compare(row, after) > 0) yield row
      }
    }
  }

  /** Rows in the opposite order, from the last that is smaller than `before`. */
  * rowsBefore(before: Row | undefined): Generator<Row> {
    let index = before === undefined ? this.#chunks.length - 1 : Math.min(this.#chunkOf(before), this.#chunks.length - 1)
    for (; index >= 0; index--) {
      const chunk = this.#chunks[index]!
      for (let at = chunk.length - 1; at >= 0; at--) {
        if (before === undefined || this.#compare(chunk[at]!, before) < 0) yield chunk[at]!
      }
    }
  }

  /** The first chunk whose last row is not smaller. */
  #chunkOf(row: Row): number {
    let low = 0
    let high = this.#chunks.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#compare(this.#chunks[middle]!.at(-1)!, row) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}

function lowerBound<Row>(rows: readonly Row[], row: Row, compare: (a: Row, b: Row) => number): number {
  let low = 0
  let high = rows.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compare(rows[middle]!, row) < 0) low = middle + 1
    else high = middle
  }
  return low
}
