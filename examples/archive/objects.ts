import { chmodSync, closeSync, createReadStream, openSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { createHash, randomUUID } from 'node:crypto'
import { dirname, join } from 'node:path'
import { brotliCompressSync, brotliDecompressSync, constants, createBrotliCompress, createBrotliDecompress, type BrotliOptions } from 'node:zlib'
import { pipeline } from 'node:stream/promises'
import { checkSpace, flush, flushFolder, makeFolder, writeFully } from './durable-files.ts'
import { codeOf } from './failures.ts'
import { objectFile } from './layout.ts'
import { readPieces, readWhole, SMALL_BYTES, whenLargeMay } from './reading.ts'

/**
 * The content-addressed store: one file for each content, named by its SHA-256, compressed with brotli.
 * An object appears whole or not at all, and is on disk before anybody is told (temporary file, flush, rename, flush of the
 * folder). Two runs that store the same content at once both rename the same bytes to the same name: one object.
 */
export interface Store {
  readonly output: string
  /** Where files that are being written are; on the same file system as the objects. */
  readonly work: string
  readonly quality: number
}

export interface Source {
  readonly descriptor: number
  /** Bytes to take from the file, at most. */
  readonly size: number
  readonly signal?: AbortSignal | undefined
  readonly onBytes?: (count: number) => void
}

export interface Written {
  readonly hash: string
  readonly size: number
}

export interface PendingObject extends Written {
  /** Puts it in place; the object is on disk when it resolves. */
  keep(): Promise<void>
  discard(): void
}

function brotliOptions(quality: number, size: number): BrotliOptions {
  const params: Record<number, number> = { [constants.BROTLI_PARAM_QUALITY]: quality }
  if (size < 2 ** 30) params[constants.BROTLI_PARAM_SIZE_HINT] = size
  return { params }
}

/** Reads `source` once, hashing and compressing what it reads, into a temporary file that is not yet an object. */
export async function compressObject(store: Store, source: Source): Promise<PendingObject> {
  const temporary = join(store.work, `${randomUUID()}.tmp`)
  const descriptor = openSync(temporary, 'wx', 0o444)
  try {
    try {
      const written = source.size <= SMALL_BYTES ? compressAtOnce(store, source, descriptor) : await whenLargeMay(() => compressInPieces(store, source, descriptor))
      await flush(descriptor)
      return { ...written, keep: () => putInPlace(store, written.hash, temporary), discard: () => rmSync(temporary, { force: true }) }
    } finally {
      closeSync(descriptor)
    }
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
}

/** In one call on this thread: that is where CPU work belongs here, and quicker for small files than a stream. */
function compressAtOnce(store: Store, source: Source, target: number): Written {
  const bytes = readWhole(source.descriptor, source.size)
  const compressed = brotliCompressSync(bytes, brotliOptions(store.quality, bytes.length))
  checkSpace(store.work, compressed.length)
  writeFully(target, compressed)
  source.onBytes?.(bytes.length)
  return { hash: createHash('sha256').update(bytes).digest('hex'), size: bytes.length }
}

async function compressInPieces(store: Store, source: Source, target: number): Promise<Written> {
  const hash = createHash('sha256')
  let size = 0
  async function* hashed(): AsyncGenerator<Buffer> {
    for await (const piece of readPieces(source.descriptor, source.size, source.signal)) {
      hash.update(piece)
      size += piece.length
      source.onBytes?.(piece.length)
      yield piece
    }
  }
  await pipeline(hashed, createBrotliCompress(brotliOptions(store.quality, source.size)), async (pieces: AsyncIterable<Buffer>) => {
    for await (const piece of pieces) {
      checkSpace(store.work, piece.length)
      writeFully(target, piece)
    }
  })
  return { hash: hash.digest('hex'), size }
}

async function putInPlace(store: Store, hash: string, temporary: string): Promise<void> {
  const path = objectFile(store.output, hash)
  try {
    await makeFolder(dirname(path))
    if (process.platform === 'win32') allowReplacing(path)
    renameSync(temporary, path)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
  await flushFolder(dirname(path))
}

function allowReplacing(path: string): void {
  try {
    chmodSync(path, 0o666) // Windows does not rename over a read-only file
  } catch {
    // it is not there
  }
}

export interface StoredObject {
  readonly bytes: number
  readonly writtenAtMs: number
}

export function findObject(output: string, hash: string): StoredObject | undefined {
  const found = statSync(objectFile(output, hash), { throwIfNoEntry: false })
  return found === undefined ? undefined : { bytes: found.size, writtenAtMs: found.mtimeMs }
}

/** The reason why the object does not hold what its name promises; undefined when it does. */
export async function faultOf(output: string, hash: string, signal?: AbortSignal): Promise<string | undefined> {
  return await unpack(output, hash, { write: () => {}, ...signal === undefined ? {} : { signal } })
}

export interface Sink {
  write(piece: Buffer): void
  readonly signal?: AbortSignal
}

/**
 * Decompresses an object into `sink` and checks it against its name.
 * Resolves with what is wrong with the object, undefined when it is sound; what `sink` got is worthless otherwise.
 * Rejects for errors that are not the object's: those of `sink`, and of a disk that does not answer.
 */
export async function unpack(output: string, hash: string, sink: Sink): Promise<string | undefined> {
  const path = objectFile(output, hash)
  const stored = findObject(output, hash)
  if (stored === undefined) return 'the object is missing'
  const digest = createHash('sha256')
  let sinkFailed = false
  const take = (piece: Buffer): void => {
    digest.update(piece)
    sinkFailed = true
    sink.write(piece)
    sinkFailed = false
  }
  try {
    const used = (stored.bytes <= SMALL_BYTES ? unpackAtOnce(path, take) : undefined) ?? await whenLargeMay(() => unpackInPieces(path, take, sink.signal))
    if (used !== stored.bytes) return `the object goes on after its end (${stored.bytes - used} bytes too many)`
  } catch (error) {
    const fault = sinkFailed ? undefined : faultBehind(error)
    if (fault === undefined) throw error
    return fault
  }
  const actual = digest.digest('hex')
  return actual === hash ? undefined : `the object decompresses to other bytes (SHA-256 ${actual})`
}

interface Unpacked { readonly buffer: Buffer, readonly engine: { readonly bytesWritten: number } }

/** Bytes of the object that were used; undefined when its contents would not fit into bounded memory. */
function unpackAtOnce(path: string, take: (piece: Buffer) => void): number | undefined {
  let unpacked: Unpacked
  try {
    // `info` changes what is returned; the types of Node do not say so.
    unpacked = brotliDecompressSync(readFileSync(path), { maxOutputLength: SMALL_BYTES, info: true }) as unknown as Unpacked
  } catch (error) {
    if (codeOf(error) === 'ERR_BUFFER_TOO_LARGE') return undefined
    throw error
  }
  take(unpacked.buffer)
  return unpacked.engine.bytesWritten
}

async function unpackInPieces(path: string, take: (piece: Buffer) => void, signal?: AbortSignal): Promise<number> {
  const decompress = createBrotliDecompress()
  await pipeline(createReadStream(path), decompress, async (pieces: AsyncIterable<Buffer>) => {
    for await (const piece of pieces) {
      signal?.throwIfAborted()
      take(piece)
    }
  })
  return decompress.bytesWritten
}

function faultBehind(error: unknown): string | undefined {
  const code = codeOf(error) ?? ''
  if (code === 'ENOENT') return 'the object is missing'
  if (code === 'EACCES' || code === 'EPERM') return 'the object cannot be read: permission denied'
  if (code === 'EIO') return 'the object cannot be read: the disk reported an error'
  if (code === 'Z_BUF_ERROR') return 'the object is cut short'
  return code.startsWith('ERR__ERROR') || code.startsWith('Z_') ? `the object is damaged (brotli: ${code})` : undefined
}
