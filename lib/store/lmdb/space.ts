/**
 * Watches the free space of the store's disk. A commit that fails on a full disk can end the process inside lmdb, so the
 * store stops taking commits while there still is room, and takes them again when there is room again.
 */
import { statfsSync } from 'node:fs'
import { StoreUnavailableError } from '../../errors.ts'
import { monotonicMs } from '../../system.ts'

/** How long one look at the disk is believed, as long as little was written since. */
const BELIEVED_MS = 1_000
/** A row dirties a page and, now and then, pages above it. */
const BYTES_A_ROW = 8_192
/** A row that is removed together with those beside it: what LMDB writes down of the pages that it frees. */
const BYTES_A_NEIGHBOUR = 256

/** Where time and room come from; tests have their own. */
export interface SpaceSources {
  /** Monotonic: a clock that is set back must not stretch the trust. */
  nowMs(): number
  freeBytes(folder: string): number
}

const SYSTEM: SpaceSources = {
  nowMs: monotonicMs,
  freeBytes: folder => {
    const { bavail, bsize } = statfsSync(folder)
    return bavail * bsize
  },
}

export class FreeSpace {
  readonly #sources: SpaceSources
  readonly #folder: string
  readonly #minFreeBytes: number
  #lookedAtMs = -Infinity
  #free = 0
  /** The most that commits may have taken since. */
  #taken = 0

  constructor(folder: string, minFreeBytes: number, sources = SYSTEM) {
    this.#sources = sources
    this.#folder = folder
    this.#minFreeBytes = minFreeBytes
  }

  /**
   * Whether the disk was looked at for this commit. `neighbours` of the rows are removed together with those beside them.
   * @throws StoreUnavailableError when less than the watermark would be left
   */
  check(rows: number, bytes: number, neighbours = 0): boolean {
    const needed = (rows - neighbours) * BYTES_A_ROW + neighbours * BYTES_A_NEIGHBOUR + bytes
    const now = this.#sources.nowMs()
    const looks = now - this.#lookedAtMs > BELIEVED_MS || this.#free - this.#taken - needed < this.#minFreeBytes
    if (looks) {
      this.#free = this.#freeBytes()
      this.#taken = 0
      this.#lookedAtMs = now
      if (this.#free - needed < this.#minFreeBytes) {
        this.#lookedAtMs = -Infinity
        throw new StoreUnavailableError({
          store: this.#folder,
          problem: `its disk has ${mebibytes(this.#free)} MiB left, and a commit needs ${mebibytes(this.#minFreeBytes + needed)} MiB`,
        })
      }
    }
    this.#taken += needed
    return looks
  }

  #freeBytes(): number {
    try {
      return this.#sources.freeBytes(this.#folder)
    } catch (cause) {
      throw new StoreUnavailableError({ store: this.#folder, problem: `its folder cannot be reached (${(cause as Error).message})`, cause })
    }
  }
}

export function mebibytes(bytes: number): number {
  return Math.ceil(bytes / 2 ** 20)
}
