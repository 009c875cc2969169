import { chmodSync, closeSync, fchmodSync, lutimesSync, mkdirSync, openSync, readdirSync, readlinkSync, renameSync, rmSync, statSync, symlinkSync, utimesSync, readFileSync } from 'node:fs'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { checkSpace, flush, flushFolder, writeFully, writeWhole } from './durable-files.ts'
import { codeOf, reasonOf, type Problem } from './failures.ts'
import { bytesFromName, pathBelow } from './file-names.ts'
import { readManifest, type Entry, type FileEntry } from './manifest.ts'
import { unpack } from './objects.ts'

/** What the steps of a restore do. The new folder holds its own work folder, and troupe's store in it, until it is complete. */
export interface RestoreJob {
  readonly output: string
  readonly manifest: string
  readonly folder: string
  /** Name of the work folder, within `folder`. */
  readonly work: string
}

export interface RestorePlan {
  readonly parts: number
  readonly files: number
  readonly bytes: number
}

const PART_FILES = 100
const PART_BYTES = 16 * 1024 * 1024

const partFile = (job: RestoreJob, part: number): string => join(job.folder, job.work, `part-${part}.json`)

/** Makes the folders, open for writing, and cuts the files into parts. */
export async function planRestore(job: RestoreJob): Promise<RestorePlan> {
  const { entries } = readManifest(job.manifest)
  for (const entry of entries) if (entry.type === 'folder') makeWritable(pathBelow(job.folder, entry.path))
  const files = entries.filter(entry => entry.type === 'file').sort((left, right) => right.size - left.size)
  const parts = cutIntoParts(files)
  for (const [part, some] of parts.entries()) await writeWhole(partFile(job, part), [JSON.stringify(some)])
  return { parts: parts.length, files: files.length, bytes: files.reduce((sum, file) => sum + file.size, 0) }
}

function makeWritable(folder: Buffer): void {
  try {
    mkdirSync(folder, { mode: 0o700 })
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error // made by an attempt before this one, or the folder itself
  }
}

export function cutIntoParts(files: readonly FileEntry[]): FileEntry[][] {
  const parts: FileEntry[][] = []
  let bytes = 0
  for (const file of files) {
    const last = parts.at(-1)
    if (last === undefined || last.length === PART_FILES || bytes + file.size > PART_BYTES) {
      parts.push([file])
      bytes = file.size
    } else {
      last.push(file)
      bytes += file.size
    }
  }
  return parts
}

export interface Follower {
  begin(path: string): void
  end(bytes: number): void
}

export interface RestoredPart {
  readonly files: number
  readonly bytes: number
  readonly problems: readonly Problem[]
}

/** Brings back the files of one part. What is wrong with one does not keep the others. */
export async function restorePart(job: RestoreJob, part: number, signal?: AbortSignal, follower?: Follower): Promise<RestoredPart> {
  // This program's own file, written whole from a manifest that was checked.
  const files = JSON.parse(readFileSync(partFile(job, part), 'utf8')) as FileEntry[]
  const problems: Problem[] = []
  for (const file of files) {
    signal?.throwIfAborted()
    follower?.begin(file.path)
    const reason = await restoreFile(job, file, signal)
    if (reason !== undefined) problems.push({ path: file.path, reason })
    follower?.end(file.size)
  }
  return { files: files.length, bytes: files.reduce((sum, file) => sum + file.size, 0), problems }
}

/** The reason why the file could not be brought back. It appears whole or not at all. */
async function restoreFile(job: RestoreJob, file: FileEntry, signal?: AbortSignal): Promise<string | undefined> {
  const temporary = join(job.folder, job.work, `${randomUUID()}.tmp`)
  checkSpace(job.folder, file.size)
  const descriptor = openSync(temporary, 'wx', 0o600)
  try {
    try {
      const fault = await unpack(job.output, file.hash, { write: piece => writeFully(descriptor, piece), ...signal === undefined ? {} : { signal } })
      if (fault !== undefined) return `not restored: ${fault}`
      fchmodSync(descriptor, file.mode)
      await flush(descriptor)
    } finally {
      closeSync(descriptor)
    }
    utimesSync(temporary, ...timesOf(file.mtimeNs))
    renameSync(temporary, pathBelow(job.folder, file.path))
    return undefined
  } finally {
    rmSync(temporary, { force: true })
  }
}

/**
 * The same time twice, for utimes, right to the microsecond.
 * Node takes seconds as a double and Linux gets the microseconds of it, cut off; a double near the edge of one would come
 * back as the one before. So a time that a double cannot hold is moved away from the edge, within its microsecond.
 */
export function timesOf(mtimeNs: string): [Date | number, Date | number] {
  const nanoseconds = BigInt(mtimeNs)
  if (nanoseconds < 0n) { // Node takes a negative number for "now"
    const date = new Date(Number(nanoseconds / 1_000_000n))
    return [date, date]
  }
  const fraction = Number(nanoseconds % 1_000_000_000n)
  const isExact = Number.isInteger(fraction / 1e9 * 2 ** 20)
  const nearest = isExact ? fraction : Math.floor(fraction / 1000) * 1000 + Math.min(750, Math.max(250, fraction % 1000))
  const time = Number(nanoseconds / 1_000_000_000n) + nearest / 1e9
  return [time, time]
}

/** When all files are there: links, then modes and times of folders, the innermost first, since each change inside would touch them. */
export async function finishTree(job: RestoreJob): Promise<Problem[]> {
  const { entries } = readManifest(job.manifest)
  const problems: Problem[] = []
  for (const entry of entries) if (entry.type === 'link') attempt(entry.path, problems, () => restoreLink(job, entry.path, entry.target, entry.mtimeNs))
  const folders = entries.filter(entry => entry.type === 'folder' && entry.path !== '.').toReversed()
  for (const entry of folders) await flushBelow(job, entry.path, problems)
  await flushFolder(job.folder)
  for (const entry of folders) attempt(entry.path, problems, () => seal(pathBelow(job.folder, entry.path), entry))
  return problems
}

async function flushBelow(job: RestoreJob, path: string, problems: Problem[]): Promise<void> {
  try {
    await flushFolder(pathBelow(job.folder, path))
  } catch (error) {
    problems.push({ path, reason: reasonOf(error) })
  }
}

function attempt(path: string, problems: Problem[], work: () => void): void {
  try {
    work()
  } catch (error) {
    problems.push({ path, reason: `not restored: ${reasonOf(error)}` })
  }
}

function restoreLink(job: RestoreJob, path: string, target: string, mtimeNs: string): void {
  const link = pathBelow(job.folder, path)
  try {
    symlinkSync(bytesFromName(target), link)
  } catch (error) {
    const isThere = codeOf(error) === 'EEXIST' && readlinkSync(link, 'buffer').equals(bytesFromName(target))
    if (!isThere) throw error
  }
  lutimesSync(link, ...timesOf(mtimeNs))
}

function seal(folder: Buffer, entry: Entry): void {
  if (entry.type === 'folder') chmodSync(folder, entry.mode)
  utimesSync(folder, ...timesOf(entry.mtimeNs))
}

/** After the store is closed: the work folder goes, and the folder itself gets its mode and time. */
export function finishRestore(job: RestoreJob): void {
  const { entries } = readManifest(job.manifest)
  rmSync(join(job.folder, job.work), { recursive: true, force: true })
  const top = entries[0]
  if (top !== undefined) seal(Buffer.from(job.folder), top)
}

/** What is at the place to restore to: 'free' to use, an 'unfinished' restore of this manifest, or 'taken'. */
export function stateOfTarget(folder: string, work: string): 'free' | 'unfinished' | 'taken' {
  try {
    if (!statSync(folder).isDirectory()) return 'taken'
    const names = readdirSync(folder)
    if (names.length === 0) return 'free'
    return names.includes(work) ? 'unfinished' : 'taken'
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return 'free'
    throw error
  }
}
