import { createHash } from 'node:crypto'
import { join } from 'node:path'

/**
 * Where things are in OUTPUT:
 *
 *     archive.json              marks the folder as an archive, and says of which format
 *     objects/ab/cdef….br       contents, brotli, named by the SHA-256 of what they decompress to
 *     manifest.json             the latest generation: every file, folder and link
 *     manifests/000001.json     each generation
 *     .work/…                   what an unfinished archive run needs; gone when it is complete
 *     .troupe/                  troupe's store
 */
export const ARCHIVE_FORMAT = 'troupe-archive'
export const ARCHIVE_VERSION = 1

export const storeFolder = (output: string): string => join(output, '.troupe')
export const workFolder = (output: string): string => join(output, '.work')
export const markerFile = (output: string): string => join(output, 'archive.json')
export const unfinishedFile = (output: string): string => join(output, '.work', 'unfinished.json')
export const objectsFolder = (output: string): string => join(output, 'objects')
export const manifestFile = (output: string): string => join(output, 'manifest.json')
export const manifestsFolder = (output: string): string => join(output, 'manifests')

export function generationFile(output: string, generation: number): string {
  return join(manifestsFolder(output), `${String(generation).padStart(6, '0')}.json`)
}

export function objectFile(output: string, hash: string): string {
  return join(objectsFolder(output), hash.slice(0, 2), `${hash.slice(2)}.br`)
}

/** Inverse of objectFile, for what is found in the folder `prefix`; undefined for a file that is no object. */
export function hashOfObject(prefix: string, name: string): string | undefined {
  const hash = `${prefix}${name.replace(/\.br$/, '')}`
  return name.endsWith('.br') && isHash(hash) ? hash : undefined
}

export function isHash(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text)
}

/** A name for the pair that is the same at every start, so that starting again attaches to what is there. */
export function keyOf(...parts: readonly string[]): string {
  return createHash('sha256').update(parts.join('\0')).digest('hex').slice(0, 12)
}
