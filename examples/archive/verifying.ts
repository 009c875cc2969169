import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { codeOf, type Problem } from './failures.ts'
import { quoteName } from './file-names.ts'
import { generationFile, hashOfObject, manifestFile, objectFile, objectsFolder } from './layout.ts'
import { generationsOf, readManifest, type Manifest } from './manifest.ts'
import { faultOf } from './objects.ts'
import type { Totals } from './news.ts'

/** What the steps of a verification do. Nothing here writes to the archive. */
export interface VerifyPlan {
  /** Folders below objects/, some to a part. */
  readonly parts: readonly (readonly string[])[]
  readonly totals: Totals
  readonly missing: readonly string[]
  /** Manifests that cannot be read, by file. */
  readonly unreadable: readonly Problem[]
}

export interface DamagedObject {
  readonly hash: string
  readonly reason: string
}

export interface CheckedObjects {
  readonly objects: number
  readonly bytes: number
  readonly damaged: readonly DamagedObject[]
}

const PART_OBJECTS = 200
const PART_BYTES = 16 * 1024 * 1024

export function planVerification(output: string): VerifyPlan {
  const found = new Set<string>()
  const parts: string[][] = []
  let bytes = 0
  let room = { objects: 0, bytes: 0 }
  for (const prefix of foldersOf(output)) {
    const objects = objectsIn(output, prefix)
    const size = objects.reduce((sum, hash) => sum + sizeOf(objectFile(output, hash)), 0)
    for (const hash of objects) found.add(hash)
    if (parts.length === 0 || room.objects + objects.length > PART_OBJECTS || room.bytes + size > PART_BYTES) {
      parts.push([])
      room = { objects: 0, bytes: 0 }
    }
    parts.at(-1)?.push(prefix)
    room = { objects: room.objects + objects.length, bytes: room.bytes + size }
    bytes += size
  }
  const { manifests, unreadable } = readManifests(output)
  const missing = [...hashesOf(manifests)].filter(hash => !found.has(hash))
  return { parts, totals: { items: found.size, bytes }, missing, unreadable }
}

function foldersOf(output: string): string[] {
  return namesIn(objectsFolder(output)).filter(name => /^[0-9a-f]{2}$/.test(name))
}

function objectsIn(output: string, prefix: string): string[] {
  return namesIn(join(objectsFolder(output), prefix)).flatMap(name => hashOfObject(prefix, name) ?? [])
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort()
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return []
    throw error
  }
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0
}

/** Every generation, and manifest.json itself. */
function readManifests(output: string): { manifests: Manifest[], unreadable: Problem[] } {
  const manifests: Manifest[] = []
  const unreadable: Problem[] = []
  for (const file of [manifestFile(output), ...generationsOf(output).map(generation => generationFile(output, generation))]) {
    try {
      manifests.push(readManifest(file))
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      unreadable.push({ path: file, reason: message.replace(`${file}: `, '') })
    }
  }
  return { manifests, unreadable }
}

function hashesOf(manifests: readonly Manifest[]): Set<string> {
  const hashes = new Set<string>()
  for (const { entries } of manifests) for (const entry of entries) if (entry.type === 'file') hashes.add(entry.hash)
  return hashes
}

/** Decompresses every object of one folder and holds it against its name. */
export async function checkObjects(output: string, prefix: string, signal?: AbortSignal, onObject: (bytes: number) => void = () => {}): Promise<CheckedObjects> {
  const hashes = objectsIn(output, prefix)
  const damaged: DamagedObject[] = []
  let bytes = 0
  for (const hash of hashes) {
    signal?.throwIfAborted()
    const size = sizeOf(objectFile(output, hash))
    const reason = await faultOf(output, hash, signal)
    if (reason !== undefined) damaged.push({ hash, reason })
    bytes += size
    onObject(size)
  }
  return { objects: hashes.length, bytes, damaged }
}

/** A problem for each damaged object, with the files that it was for. */
export function nameDamage(output: string, damaged: readonly DamagedObject[]): Problem[] {
  const owners = new Map<string, Set<string>>(damaged.map(({ hash }) => [hash, new Set()]))
  for (const { entries } of readManifests(output).manifests) {
    for (const entry of entries) if (entry.type === 'file') owners.get(entry.hash)?.add(entry.path)
  }
  return damaged.map(({ hash, reason }) => {
    const paths = [...owners.get(hash) ?? []].map(quoteName)
    const users = paths.length === 0 ? 'no file of any generation' : paths.length > 5 ? `${paths.slice(0, 5).join(', ')} and ${paths.length - 5} more` : paths.join(', ')
    return { path: objectFile('.', hash), reason: `${reason}; it is needed for ${users}` }
  })
}
