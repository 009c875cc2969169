import { closeSync, fsync, mkdirSync, openSync, renameSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { randomUUID } from 'node:crypto'
import { dirname } from 'node:path'
import { promisify } from 'node:util'

/**
 * Files that are there, whole, after a power cut. Everything quick is synchronous: on a worker thread that costs a few
 * microseconds where a promise costs a hundred. Only the flush, which waits for the disk, lets other actors go on meanwhile.
 */
export const flush = promisify(fsync)

/** Left free, more than troupe's store insists on, so that what happened can still be recorded when the disk fills up. */
export const RESERVED_BYTES = 96 * 1024 * 1024

export async function flushFolder(folder: string | Buffer): Promise<void> {
  if (process.platform === 'win32') return // a folder cannot be opened there, and NTFS journals the names itself
  const descriptor = openSync(folder, 'r')
  try {
    await flush(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/** Makes the folder and what is missing above it; the names of those made are on disk when it resolves. */
export async function makeFolder(folder: string): Promise<void> {
  const first = mkdirSync(folder, { recursive: true })
  if (first === undefined) return
  for (let at = folder; at.length >= first.length; at = dirname(at)) await flushFolder(dirname(at))
}

/** Puts a file in place at once or not at all; on disk when it resolves. */
export async function writeWhole(path: string, pieces: Iterable<string | Buffer>): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`
  const descriptor = openSync(temporary, 'wx')
  try {
    try {
      for (const piece of pieces) writeFully(descriptor, typeof piece === 'string' ? Buffer.from(piece) : piece)
      await flush(descriptor)
    } finally {
      closeSync(descriptor)
    }
    renameSync(temporary, path)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
  await flushFolder(dirname(path))
}

export function writeFully(descriptor: number, bytes: Buffer): void {
  for (let written = 0; written < bytes.length;) written += writeSync(descriptor, bytes, written)
}

/** @throws an error with the code ENOSPC when writing `bytes` would leave less than the reserve */
export function checkSpace(folder: string, bytes: number): void {
  const { bavail, bsize, blocks } = statfsSync(folder)
  if (blocks === 0) return // a file system that does not say
  if (bavail * bsize - bytes >= RESERVED_BYTES) return
  throw Object.assign(new Error(`ENOSPC: no space left on the disk of ${folder}`), { code: 'ENOSPC' })
}
