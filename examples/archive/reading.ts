import { closeSync, constants, fstatSync, openSync, read, readSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { promisify } from 'node:util'

/** Up to here a file is read, hashed and compressed in one go on its worker thread; beyond, it is streamed. */
export const SMALL_BYTES = 4 * 1024 * 1024
const CHUNK_BYTES = 1024 * 1024

const readAt = promisify(read)

/** What tells one state of a file from another without reading it. */
export interface FileState {
  readonly size: number
  /** Nanoseconds since the epoch, in decimal: a double would lose the last digits. */
  readonly mtimeNs: string
  readonly mode: number
}

export interface Fingerprint extends FileState {
  readonly hash: string
}

export interface OpenFile extends Disposable {
  readonly descriptor: number
  state(): FileState
}

/**
 * Opens a regular file for reading.
 * Never follows a link and never waits, whatever has taken the file's place since it was listed.
 * @throws ELOOP for a link, ENXIO for anything else that is not a file
 */
export function openRegularFile(path: Buffer): OpenFile {
  const descriptor = openSync(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0))
  const close = (): void => closeSync(descriptor)
  try {
    if (!fstatSync(descriptor).isFile()) throw Object.assign(new Error('not a regular file'), { code: 'ENXIO' })
  } catch (error) {
    close()
    throw error
  }
  return { descriptor, state: () => stateOf(descriptor), [Symbol.dispose]: close }
}

function stateOf(descriptor: number): FileState {
  const { size, mtimeNs, mode } = fstatSync(descriptor, { bigint: true })
  return { size: Number(size), mtimeNs: String(mtimeNs), mode: Number(mode & 0o7777n) }
}

export function isSameState(left: FileState, right: FileState): boolean {
  return left.size === right.size && left.mtimeNs === right.mtimeNs
}

/** The first `size` bytes, fewer if the file is shorter. Bounded by `size`, so that a file that grows has an end. */
export function readWhole(descriptor: number, size: number): Buffer {
  const bytes = Buffer.allocUnsafe(size)
  let filled = 0
  while (filled < size) {
    const count = readSync(descriptor, bytes, filled, size - filled, filled)
    if (count === 0) break
    filled += count
  }
  return bytes.subarray(0, filled)
}

/** The same in pieces, for a file of any size in bounded memory. */
export async function* readPieces(descriptor: number, size: number, signal?: AbortSignal): AsyncGenerator<Buffer> {
  for (let position = 0; position < size;) {
    signal?.throwIfAborted()
    const wanted = Math.min(CHUNK_BYTES, size - position)
    const { bytesRead, buffer } = await readAt(descriptor, Buffer.allocUnsafe(wanted), 0, wanted, position)
    if (bytesRead === 0) return
    position += bytesRead
    yield buffer.subarray(0, bytesRead)
  }
}

let lastLarge: Promise<void> = Promise.resolve()

/**
 * Large files are taken one after the other on each thread. A compressor takes some 25 MB, and dozens of runs may share the
 * thread: small files, which are done within one turn of its loop, need no such bound.
 */
export async function whenLargeMay<R>(work: () => Promise<R>): Promise<R> {
  const before = lastLarge
  let leave: () => void = () => {}
  lastLarge = new Promise(resolve => { leave = resolve })
  await before
  try {
    return await work()
  } finally {
    leave()
  }
}

/** SHA-256 of a file with the state it had. A file that changes while it is read gets a hash that storing it will refute. */
export async function fingerprint(path: Buffer, signal?: AbortSignal): Promise<Fingerprint> {
  using file = openRegularFile(path)
  const state = file.state()
  const hash = createHash('sha256')
  if (state.size <= SMALL_BYTES) hash.update(readWhole(file.descriptor, state.size))
  else await whenLargeMay(async () => { for await (const piece of readPieces(file.descriptor, state.size, signal)) hash.update(piece) })
  return { ...state, hash: hash.digest('hex') }
}
