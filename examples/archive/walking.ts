import { lstatSync, readdirSync, readlinkSync, type BigIntStats } from 'node:fs'
import { reasonOf, type Problem } from './failures.ts'
import { compareNames, nameFromBytes, pathBelow } from './file-names.ts'
import type { FolderEntry, LinkEntry } from './manifest.ts'

export interface ListedFile {
  readonly path: string
  readonly size: number
}

export interface Listing {
  readonly files: readonly ListedFile[]
  /** Folders and links are complete as they are listed; only files need runs. */
  readonly others: readonly (FolderEntry | LinkEntry)[]
  readonly problems: readonly Problem[]
}

interface MutableListing { files: ListedFile[], others: (FolderEntry | LinkEntry)[], problems: Problem[] }

/**
 * Lists what is in `folder`; always in the same order, and without following links.
 * What cannot be read is a problem by name and the rest goes on; only `folder` itself must be readable.
 * @param skip absolute path that is not entered: the archive, where it lies inside the folder
 */
export function listFolder(folder: string, skip: string, onFiles: (files: number) => void = () => {}): Listing {
  const listing: MutableListing = { files: [], others: [], problems: [] }
  const pending = ['.']
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    for (const name of namesIn(folder, path, listing)) {
      const below = path === '.' ? name : `${path}/${name}`
      if (`${folder === '/' ? '' : folder}/${below}` !== skip && addEntry(folder, below, listing) === 'enter') pending.push(below)
    }
    onFiles(listing.files.length)
  }
  return listing
}

function namesIn(folder: string, path: string, listing: MutableListing): string[] {
  try {
    const bytes = pathBelow(folder, path)
    if (path === '.') listing.others.push(folderEntry(path, lstatSync(bytes, { bigint: true })))
    return readdirSync(bytes, 'buffer').map(nameFromBytes).sort(compareNames)
  } catch (error) {
    if (path === '.') throw error
    listing.problems.push({ path, reason: `what is in it cannot be listed: ${reasonOf(error)}` })
    return []
  }
}

/** Notes what is at `path`, and says whether it is a folder to enter. */
function addEntry(folder: string, path: string, listing: MutableListing): 'enter' | 'done' {
  try {
    const bytes = pathBelow(folder, path)
    const stats = lstatSync(bytes, { bigint: true })
    if (stats.isDirectory()) {
      listing.others.push(folderEntry(path, stats))
      return 'enter'
    }
    if (stats.isFile()) listing.files.push({ path, size: Number(stats.size) })
    else if (stats.isSymbolicLink()) listing.others.push({ type: 'link', path, target: nameFromBytes(readlinkSync(bytes, 'buffer')), mtimeNs: String(stats.mtimeNs) })
    else listing.problems.push({ path, reason: `${kindOf(stats)} cannot be archived` })
  } catch (error) {
    listing.problems.push({ path, reason: reasonOf(error) })
  }
  return 'done'
}

function folderEntry(path: string, stats: BigIntStats): FolderEntry {
  return { type: 'folder', path, mode: Number(stats.mode & 0o7777n), mtimeNs: String(stats.mtimeNs) }
}

function kindOf(stats: BigIntStats): string {
  if (stats.isFIFO()) return 'a pipe'
  if (stats.isSocket()) return 'a socket'
  return 'a device'
}
