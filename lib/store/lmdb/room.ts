/**
 * Keeps room ready in the data file, beyond LMDB's last page, for what the next commit may take there. A write that the system refuses
 * (a quota, a limit on the size of files, a disk that others filled up) so fails here, as an error, and not in lmdb, which may end the process
 * over it: it prints the failure into a piece of memory that is too small. Zeros are written, because nothing else takes room for certain;
 * LMDB minds no file that is longer than it needs. And overwriting is quicker to flush than growing.
 *
 * The same goes for the map of the file: LMDB makes a larger one while it commits, and does not survive one that cannot be had.
 */
import { constants } from 'node:os'
import { closeSync, fstatSync, openSync, readFileSync, writeSync } from 'node:fs'
import { StoreUnavailableError } from '../../errors.ts'
import { monotonicMs } from '../../system.ts'
import { AT, META_BYTES, newestMeta } from './data-file.ts'
import { Page } from './pages.ts'
import { mebibytes } from './space.ts'

const KIB = 2 ** 10
const MIB = 2 ** 20
/** What any commit may take: the upper pages of a few trees, and the list of free ones. */
const BYTES_A_COMMIT = 64 * KIB
/** A row changes a page that is there: another one, until all have been changed, or most that a large commit's will. */
const BYTES_A_ROW = 4 * KIB
const MOST_FOR_CHANGED_PAGES = 8 * MIB
/** What goes with a row besides its own bytes: LMDB's head of it and its share of the pages above, all in pages that may be half empty. */
const BYTES_BESIDE_A_ROW = 64
/** Few rows may be unlucky, with many it evens out. */
const MORE_BESIDE_A_ROW = 192
const MOST_BESIDE = 4 * MIB
/** Its own bytes count twice for the same reason. Of a large value only the last page may be half empty. */
const MOST_DOUBLED_A_ROW = 4 * KIB
/** An eighth of the file at once, within these bounds. */
const LEAST_AHEAD = 512 * KIB
const MOST_AHEAD = 8 * MIB
const ZEROS = Buffer.alloc(MIB)
/** LMDB makes a map for twice the pages that it needs, rounded up to this. */
const MAP_STEP = 256 * KIB
/** Addresses are asked for in multiples of this, so that not every commit asks. */
const ASKED_STEP = 8 * MIB
/** Of the address space, left to all else. */
const SPARE_ADDRESSES = 32 * MIB
/** How long it is believed that there are as many addresses as there were. */
const BELIEVED_MS = 1_000
/** A commit that went through is proof enough for this long. */
const TRUSTED_MS = 5
/** What time or space may cure; after anything else the disk is not to be trusted. Node has no name for a quota. */
const { ENOSPC, EDQUOT, EFBIG, EAGAIN, ENOMEM } = constants.errno
const CURABLE = new Set([ENOSPC, EDQUOT, EFBIG, EAGAIN, ENOMEM])

/** What a batch of rows consists of. */
export interface RoomFor {
  readonly rows: number
  readonly bytes: number
  /** Rows that are removed together with those beside them. */
  readonly neighbours: number
}

/** What a process may have of the addresses that there are. */
export interface AddressSpace {
  limit(): number
  used(): number
}

export class Room {
  readonly #folder: string
  readonly #descriptor: number
  readonly #addresses: AddressSpace
  /** Both headers. */
  readonly #headers: Page
  readonly #pageSize: number
  /** What LMDB has mapped: not what the header says, which is the most that it ever had. */
  readonly #mapSize: () => number
  /** Where LMDB's last page ends, and what it had mapped when that was last asked. */
  #end = 0
  #mapped = 0
  /** So many bytes could be mapped when that was last asked, and when that was. */
  #mappable = 0
  #askedMs = -Infinity
  /** LMDB has written since that was looked at. */
  #isOld = false
  #provenMs = -Infinity
  /** Bytes of the file; it may be longer. */
  #size: number

  /**
   * To be made before lmdb opens the file.
   * @throws StoreUnavailableError it cannot be mapped
   */
  constructor(folder: string, path: string, mapSize: () => number, addresses = ADDRESSES) {
    this.#folder = folder
    this.#mapSize = mapSize
    this.#addresses = addresses
    this.#descriptor = openSync(path, 'r+')
    try {
      this.#pageSize = newestMeta(this.#descriptor, path).pageSize
      this.#headers = new Page(this.#pageSize + META_BYTES)
      this.#size = fstatSync(this.#descriptor).size
      this.#look()
      this.#checkMap(this.#end)
    } catch (error) {
      this.close()
      throw error
    }
  }

  /**
   * To be called before anything is promised that LMDB is to write, with all that it has not written yet.
   * @throws StoreUnavailableError there is no room now. Anything else that is thrown is a disk that fails.
   */
  ensure(needs: RoomFor): void {
    if (this.#isOld) this.#look()
    const needed = mostBytesOf(needs, this.#end)
    const most = this.#end + needed
    if (most >= this.#mapped) this.#ensureMap(most)
    if (most > this.#size) this.#grow(needed)
  }

  /**
   * To be called before LMDB writes: a file system that was shut down, or made read-only over an error, fails every write, even one of
   * nothing, or else a read.
   */
  probe(): void {
    if (monotonicMs() - this.#provenMs <= TRUSTED_MS) return
    writeSync(this.#descriptor, ZEROS, 0, 0, 0)
    this.#look()
  }

  /** LMDB has written, and nothing failed. */
  written(): void {
    this.#isOld = true
    this.#provenMs = monotonicMs()
  }

  close(): void {
    closeSync(this.#descriptor)
  }

  /** Commits are made on this thread, so no header changes meanwhile. */
  #look(): void {
    const page = this.#headers
    if (!page.read(this.#descriptor, 0)) throw new StoreUnavailableError({ store: this.#folder, problem: 'its file was cut short by somebody else' })
    page.base = page.u64(this.#pageSize + AT.transaction) > page.u64(AT.transaction) ? this.#pageSize : 0
    this.#end = (page.u64(AT.lastPage) + 1) * this.#pageSize
    page.base = 0
    this.#isOld = false
  }

  /** Only behind the file's end, where nothing can be that LMDB knows of. */
  #grow(needed: number): void {
    const ahead = Math.min(Math.max(this.#end / 8, LEAST_AHEAD), MOST_AHEAD)
    const target = Math.ceil((this.#end + needed + ahead) / this.#pageSize) * this.#pageSize
    this.#size = fstatSync(this.#descriptor).size
    try {
      while (this.#size < target) {
        const written = writeSync(this.#descriptor, ZEROS, 0, Math.min(ZEROS.length, target - this.#size), this.#size)
        this.#size += written
      }
    } catch (cause) {
      const errno = Math.abs((cause as NodeJS.ErrnoException).errno ?? 0)
      if (!CURABLE.has(errno)) throw cause
      if (this.#end + needed > this.#size) {
        const why = errno === EDQUOT ? 'EDQUOT: disk quota exceeded' : (cause as Error).message
        throw new StoreUnavailableError({ store: this.#folder, problem: `its file cannot grow by the ${mebibytes(needed)} MiB that a commit may need (${why})`, cause })
      }
    }
  }

  #ensureMap(most: number): void {
    const larger = Math.ceil((2 * most + MAP_STEP) / ASKED_STEP) * ASKED_STEP
    if (larger <= this.#mappable && monotonicMs() - this.#askedMs < BELIEVED_MS) return
    this.#mapped = this.#mapSize()
    if (most >= this.#mapped) this.#checkMap(larger)
  }

  #checkMap(bytes: number): void {
    const limit = this.#addresses.limit()
    if (limit === Infinity || this.#addresses.used() + bytes + SPARE_ADDRESSES <= limit) {
      this.#mappable = bytes
      this.#askedMs = monotonicMs()
      return
    }
    throw new StoreUnavailableError({
      store: this.#folder,
      problem: `mapping its file takes ${mebibytes(bytes)} MiB of addresses, and this process may not have so many (ulimit -v is ${mebibytes(limit)} MiB)`,
    })
  }
}

/** The most that LMDB may take at the end of its file for such a commit. */
function mostBytesOf({ rows, bytes, neighbours }: RoomFor, there: number): number {
  const changed = Math.min((rows - neighbours) * BYTES_A_ROW, there, MOST_FOR_CHANGED_PAGES)
  const beside = rows * BYTES_BESIDE_A_ROW + Math.min(rows * MORE_BESIDE_A_ROW, MOST_BESIDE)
  return BYTES_A_COMMIT + changed + beside + bytes + Math.min(bytes, rows * MOST_DOUBLED_A_ROW)
}

const ADDRESSES: AddressSpace = {
  limit: () => {
    const limit = textOf('/proc/self/limits', /^Max address space +(\d+)/m)
    return limit === undefined ? Infinity : Number(limit)
  },
  used: () => Number(textOf('/proc/self/status', /^VmSize:\s*(\d+) kB/m) ?? 0) * KIB,
}

function textOf(path: string, pattern: RegExp): string | undefined {
  if (process.platform !== 'linux') return undefined
  try {
    return pattern.exec(readFileSync(path, 'latin1'))?.[1]
  } catch {
    return undefined
  }
}
