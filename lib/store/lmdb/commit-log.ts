/**
 * The commit log: a file of fixed size beside LMDB's, written ahead of it. A commit is durable once its record is in the log, by one
 * flush of a file that does not grow, where LMDB takes two of one that may. Now and then LMDB gets the rows of many commits in one transaction,
 * flushed as ever, and the log begins anew from its start.
 *
 * What a record is to be added to is its base: how often rows have been written to LMDB, a number that LMDB has, too, written by the same transactions.
 * So opening knows which records LMDB lacks: those whose base is LMDB's own, 0, 1, 2, ... without a gap. All others are from before.
 *
 * A record begins at a place of its own, BLOCK_BYTES or more behind the one before it, so that no write touches bytes that were
 * acknowledged. It is [magic u32][crc32 of what follows u32][length of the rows u32][index u32][base f64][store, 8 bytes][rows].
 * The last record may be torn by a power cut, and then it was not acknowledged; any other that is not whole is damage.
 */
import { closeSync, constants, fdatasyncSync, fstatSync, fsyncSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { directMemory, O_DIRECT } from './direct.ts'

export const COMMIT_LOG_FILE = 'commits.log'
/** What a disk or a file system writes as one, or a multiple of that. */
const BLOCK_BYTES = 4096
export const RECORD_HEAD_BYTES = 32
export const STORE_ID_BYTES = 8
const MAGIC = 0x31_6c_63_74
const FLAGS = constants.O_RDWR | (constants.O_NOFOLLOW ?? 0)
const AT = { crc: 4, length: 8, index: 12, base: 16, store: 24 } as const

/** What records are added to. */
export interface LogBase {
  readonly store: Uint8Array
  readonly number: number
}

/** The rows of one commit. */
export interface LoggedRows {
  readonly bytes: Uint8Array
  readonly start: number
  readonly end: number
}

export interface LogContent {
  /** Commits that LMDB lacks, in order; undefined where one is missing or damaged. */
  readonly commits: readonly (LoggedRows | undefined)[]
  /** The largest base of this store in the file. */
  readonly lastBase: number
}

/** Whether a write is on the disk when it returns; else it is flushed, or need not be. */
type Flush = 'by-write' | 'after-write' | 'never'

export class CommitLog {
  readonly #path: string
  readonly #flush: Flush
  readonly #size: number
  #file: number
  /** Where a record is written from, past the system's cache of the file; undefined: not here. */
  #direct: Uint8Array | undefined
  #base: LogBase | undefined
  #index = 0
  #end = 0

  private constructor(path: string, size: number, flush: Flush) {
    this.#path = path
    this.#size = size
    this.#flush = flush
    this.#file = openSync(path, FLAGS | (flush === 'by-write' ? constants.O_DSYNC : 0))
    if (flush === 'by-write' && O_DIRECT !== undefined) this.#goDirect(O_DIRECT)
  }

  /** Opens the log of a folder, and makes it at its full size if it is not there, so that no commit finds the disk full. */
  static open(folder: string, size: number, durability: 'power-loss' | 'process-crash'): CommitLog {
    const path = join(folder, COMMIT_LOG_FILE)
    // Elsewhere the flag does not reach through the disk's own memory.
    const flush = durability === 'process-crash' ? 'never' : process.platform === 'linux' ? 'by-write' : 'after-write'
    try {
      const file = openSync(path, FLAGS | constants.O_CREAT, 0o664)
      try {
        if (fstatSync(file).size < size) {
          writeAll(file, new Uint8Array(size), 0)
          if (durability === 'power-loss') fsyncSync(file)
        }
      } finally {
        closeSync(file)
      }
      return new CommitLog(path, size, flush)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOSPC') rmSync(path, { force: true })
      throw error
    }
  }

  /** Where the file system does not have it, the file stays as it is. */
  #goDirect(flag: number): void {
    let file
    try {
      file = openSync(this.#path, FLAGS | constants.O_DSYNC | flag)
      this.#direct = directMemory(file, this.#size, BLOCK_BYTES)
    } catch {
      if (file !== undefined) closeSync(file)
      return
    }
    closeSync(this.#file)
    this.#file = file
  }

  /** Some file systems take such a file and refuse to write it. */
  #goThroughCache(): void {
    this.#direct = undefined
    closeSync(this.#file)
    this.#file = openSync(this.#path, FLAGS | constants.O_DSYNC)
  }

  /** From here on records are added to this base; those in the file have been written to LMDB. */
  begin(base: LogBase): void {
    this.#base = base
    this.#index = 0
    this.#end = 0
  }

  /** Whether there is a place for a record with so many bytes of rows. */
  hasRoom(bytes: number): boolean {
    return this.#base !== undefined && this.#end + wholeBlocks(RECORD_HEAD_BYTES + bytes) <= this.#size
  }

  /**
   * Adds a record of rows that lie behind room for its head, up to `end`, in memory of whole blocks. When it returns, they are as durable
   * as the store was opened to make them. When it throws, they may be there or not, and the log takes no more.
   */
  append(memory: Uint8Array, end: number): void {
    const { store, number } = this.#base!
    const view = new DataView(memory.buffer, memory.byteOffset, memory.byteLength)
    view.setUint32(0, MAGIC, true)
    view.setUint32(AT.length, end - RECORD_HEAD_BYTES, true)
    view.setUint32(AT.index, this.#index, true)
    view.setFloat64(AT.base, number, true)
    memory.set(store, AT.store)
    view.setUint32(AT.crc, crc32(memory.subarray(AT.length, end)), true)
    this.#write(memory)
    if (this.#flush === 'after-write') fdatasyncSync(this.#file)
    this.#index++
    this.#end += memory.length
  }

  #write(record: Uint8Array): void {
    if (this.#direct !== undefined) {
      this.#direct.set(record)
      try {
        return writeAll(this.#file, this.#direct.subarray(0, record.length), this.#end)
      } catch (error) {
        // A part of it that was written is written once more.
        if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error
        this.#goThroughCache()
      }
    }
    writeAll(this.#file, record, this.#end)
  }

  close(): void {
    closeSync(this.#file)
  }
}

/** Memory for the rows of a record, with room for its head. */
export function recordMemory(bytes: number): Uint8Array {
  return new Uint8Array(wholeBlocks(RECORD_HEAD_BYTES + bytes))
}

/** What a store's log holds; undefined: there is none. */
export function readCommitLog(folder: string, { store, number }: LogBase): LogContent | undefined {
  const bytes = readWhole(join(folder, COMMIT_LOG_FILE))
  if (bytes === undefined) return undefined
  const found: (LoggedRows | undefined)[] = []
  let lastBase = 0
  for (let at = 0; at + RECORD_HEAD_BYTES <= bytes.length;) {
    const record = readRecord(bytes, at, store)
    if (record === undefined) {
      at += BLOCK_BYTES
      continue
    }
    lastBase = Math.max(lastBase, record.base)
    if (record.base === number) found[record.index] = { bytes, start: at + RECORD_HEAD_BYTES, end: record.end }
    at += wholeBlocks(record.end - at)
  }
  return { commits: Array.from(found), lastBase }
}

function readRecord(bytes: Uint8Array, at: number, store: Uint8Array): { readonly base: number, readonly index: number, readonly end: number } | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at)
  if (view.getUint32(0, true) !== MAGIC) return undefined
  const end = at + RECORD_HEAD_BYTES + view.getUint32(AT.length, true)
  if (end > bytes.length || crc32(bytes.subarray(at + AT.length, end)) !== view.getUint32(AT.crc, true)) return undefined
  if (!store.every((byte, i) => bytes[at + AT.store + i] === byte)) return undefined
  return { base: view.getFloat64(AT.base, true), index: view.getUint32(AT.index, true), end }
}

function readWhole(path: string): Uint8Array | undefined {
  let file
  try {
    file = openSync(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  try {
    const bytes = new Uint8Array(fstatSync(file).size)
    for (let at = 0; at < bytes.length;) {
      const read = readSync(file, bytes, at, bytes.length - at, at)
      if (read === 0) return bytes.subarray(0, at)
      at += read
    }
    return bytes
  } finally {
    closeSync(file)
  }
}

function writeAll(file: number, bytes: Uint8Array, place: number): void {
  for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done, bytes.length - done, place + done)
}

function wholeBlocks(bytes: number): number {
  return Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES
}
