import { lstatSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { writeWhole } from './durable-files.ts'
import { reasonOf, type Problem } from './failures.ts'
import { pathBelow } from './file-names.ts'
import { formatManifest, generationsOf, publishManifest, type Entry, type FileEntry, type FolderEntry, type LinkEntry } from './manifest.ts'
import { compressObject, faultOf, findObject, type PendingObject } from './objects.ts'
import { fingerprint, isSameState, openRegularFile, type FileState, type Fingerprint, type OpenFile } from './reading.ts'
import { objectFile, workFolder } from './layout.ts'
import { listFolder, type ListedFile, type Listing } from './walking.ts'

/**
 * What the steps of an archive run do, as plain functions: workflows.ts makes them durable.
 * Lists of files go through small files in OUTPUT/.work rather than through step results, so that no run's journal
 * grows with the folder.
 */
export interface ArchiveJob {
  readonly folder: string
  readonly output: string
  readonly quality: number
  /** Name of this archive run: its folder below OUTPUT/.work. */
  readonly key: string
}

/** A started job: objects that are older were there before. */
export interface StartedJob extends ArchiveJob {
  readonly startedAtMs: number
}

export interface Plan {
  readonly parts: number
  readonly files: number
  readonly bytes: number
  readonly generation: number
}

export interface Archived extends Fingerprint {
  readonly status: 'archived'
  readonly path: string
  readonly storedBytes: number
  readonly isNew: boolean
  /** Why it should be looked at although it is in the archive. */
  readonly warning?: string
}
export interface NotArchived { readonly status: 'not-archived', readonly path: string, readonly reason: string }
export type Outcome = Archived | NotArchived

const PART_FILES = 200
const LARGE_BYTES = 1024 * 1024

const jobFolder = (job: ArchiveJob): string => join(workFolder(job.output), job.key)
const partFile = (job: ArchiveJob, part: number): string => join(jobFolder(job), `part-${part}.json`)
const outcomeFile = (job: ArchiveJob, part: number): string => join(jobFolder(job), `outcome-${part}.json`)
const restFile = (job: ArchiveJob): string => join(jobFolder(job), 'rest.json')

/**
 * Cuts a listing into parts of bounded length. Large files come first, the largest before all: begun last, one of them
 * would keep a single thread busy at the end while the others have nothing left.
 */
export function cutIntoParts(files: readonly ListedFile[], partFiles = PART_FILES): ListedFile[][] {
  const large = files.filter(file => file.size >= LARGE_BYTES).sort((left, right) => right.size - left.size)
  const ordered = [...large, ...files.filter(file => file.size < LARGE_BYTES)]
  return Array.from({ length: Math.ceil(ordered.length / partFiles) }, (_, part) => ordered.slice(part * partFiles, (part + 1) * partFiles))
}

/** Lists the folder and writes down what is to be done, part by part. */
export async function writePlan(job: ArchiveJob, onFiles: (files: number) => void): Promise<Plan> {
  const listing = listFolder(job.folder, job.output, onFiles)
  mkdirSync(jobFolder(job), { recursive: true })
  const parts = cutIntoParts(listing.files)
  for (const [part, files] of parts.entries()) await writeWhole(partFile(job, part), [JSON.stringify(files)])
  await writeWhole(restFile(job), [JSON.stringify({ others: listing.others, problems: listing.problems })])
  const bytes = listing.files.reduce((sum, file) => sum + file.size, 0)
  return { parts: parts.length, files: listing.files.length, bytes, generation: (generationsOf(job.output).at(-1) ?? 0) + 1 }
}

// These files are this program's own, written whole before the step that names them was recorded.
export function readPart(job: ArchiveJob, part: number): ListedFile[] {
  return JSON.parse(readFileSync(partFile(job, part), 'utf8')) as ListedFile[]
}

export async function writeOutcomes(job: ArchiveJob, part: number, outcomes: readonly Outcome[]): Promise<void> {
  await writeWhole(outcomeFile(job, part), [JSON.stringify(outcomes)])
}

function readOutcomes(job: ArchiveJob, part: number): Outcome[] {
  try {
    return JSON.parse(readFileSync(outcomeFile(job, part), 'utf8')) as Outcome[]
  } catch {
    return []
  }
}

export async function fingerprintOf(job: ArchiveJob, path: string, signal?: AbortSignal): Promise<Fingerprint> {
  return await fingerprint(pathBelow(job.folder, path), signal)
}

export interface StoreRequest {
  readonly path: string
  readonly expected: Fingerprint
  /** On the last round a file that does not keep still is stored as it was read. */
  readonly round: 'first' | 'again' | 'last'
}

/** 'unsettled': the file changed under the read, and nothing was stored. */
export type StoreOutcome = 'unsettled' | Archived

/** Reads the file again, compresses it, and stores it under the hash of what was read this time. */
export async function storeContents(job: StartedJob, request: StoreRequest, signal?: AbortSignal, onBytes: (count: number) => void = () => {}): Promise<StoreOutcome> {
  const { path, expected } = request
  using file = openRegularFile(pathBelow(job.folder, path))
  const before = file.state()
  if (isSameState(before, expected) && await isStored(job, expected.hash, signal)) {
    onBytes(before.size)
    return archived(job, path, { ...before, hash: expected.hash })
  }
  const store = { output: job.output, work: workFolder(job.output), quality: job.quality }
  const pending = await compressObject(store, { descriptor: file.descriptor, size: before.size, signal, onBytes })
  return await settle(job, request, pending, before, file)
}

async function settle(job: StartedJob, request: StoreRequest, pending: PendingObject, before: FileState, file: OpenFile): Promise<StoreOutcome> {
  const keptStill = pending.size === before.size && isSameState(before, file.state())
  if (!keptStill && request.round !== 'last') {
    pending.discard()
    return 'unsettled'
  }
  if (await isStored(job, pending.hash)) pending.discard()
  else await pending.keep()
  const result = archived(job, request.path, { ...before, size: pending.size, hash: pending.hash })
  if (!keptStill) return { ...result, warning: 'it kept changing while it was read; what was read last is in the archive and may mix two states' }
  const changed = pending.hash !== request.expected.hash || request.round !== 'first'
  return changed ? { ...result, warning: 'it changed while it was archived; its later state is in the archive' } : result
}

/** An object from before is only trusted after a look: one that is damaged is replaced, now that its contents are at hand. */
async function isStored(job: StartedJob, hash: string, signal?: AbortSignal): Promise<boolean> {
  const stored = findObject(job.output, hash)
  if (stored === undefined) return false
  return stored.writtenAtMs >= job.startedAtMs || await faultOf(job.output, hash, signal) === undefined
}

function archived(job: StartedJob, path: string, state: Fingerprint): Archived {
  const object = findObject(job.output, state.hash)
  if (object === undefined) throw new Error(`the object ${objectFile(job.output, state.hash)} vanished right after it was stored`)
  return { status: 'archived', path, ...state, storedBytes: object.bytes, isNew: object.writtenAtMs >= job.startedAtMs }
}

export interface ManifestSummary {
  readonly generation: number
  readonly outcome: 'new' | 'unchanged'
  readonly files: number
  readonly folders: number
  readonly links: number
  readonly bytes: number
  readonly objects: number
  readonly storedBytes: number
  /** Objects that were in the archive before this run. */
  readonly reusedObjects: number
  readonly reusedBytes: number
  readonly problems: number
}

/** Puts the outcomes together, looks at each file once more, and publishes the manifest. */
export async function publish(job: StartedJob, plan: Plan, failedParts: readonly { readonly part: number, readonly reason: string }[]): Promise<ManifestSummary> {
  const rest = JSON.parse(readFileSync(restFile(job), 'utf8')) as Omit<Listing, 'files'>
  const outcomes = Array.from({ length: plan.parts }, (_, part) => outcomesOf(job, part, failedParts.find(failed => failed.part === part)?.reason)).flat()
  const files = outcomes.filter(outcome => outcome.status === 'archived')
  const problems = [...folderProblems(job), ...rest.problems, ...outcomes.flatMap(outcome => problemOf(job, outcome))]
  const text = formatManifest({ folder: job.folder, entries: [...rest.others, ...files.map(entryOf)], problems })
  const outcome = await publishManifest(job.output, plan.generation, text)
  return { generation: outcome === 'new' ? plan.generation : plan.generation - 1, outcome, ...count(rest.others), ...countObjects(files), problems: problems.length }
}

function outcomesOf(job: ArchiveJob, part: number, reason = 'its run came to no outcome'): Outcome[] {
  const known = new Map(readOutcomes(job, part).map(outcome => [outcome.path, outcome]))
  return readPart(job, part).map(({ path }) => known.get(path) ?? { status: 'not-archived', path, reason })
}

function folderProblems(job: ArchiveJob): Problem[] {
  try {
    lstatSync(job.folder)
    return []
  } catch (error) {
    return [{ path: '.', reason: `the folder ${job.folder} vanished while it was archived: ${reasonOf(error)}` }]
  }
}

function problemOf(job: ArchiveJob, outcome: Outcome): Problem[] {
  if (outcome.status === 'not-archived') return [{ path: outcome.path, reason: `not archived: ${outcome.reason}` }]
  if (outcome.warning !== undefined) return [{ path: outcome.path, reason: outcome.warning }]
  return changeSince(job, outcome)
}

/** A look at the end finds what changed after it had been archived, also while the program was not running. */
function changeSince(job: ArchiveJob, { path, size, mtimeNs }: Archived): Problem[] {
  try {
    const now = lstatSync(pathBelow(job.folder, path), { bigint: true })
    if (now.isFile() && Number(now.size) === size && String(now.mtimeNs) === mtimeNs) return []
    return [{ path, reason: 'it changed after it was archived; its earlier state is in the archive' }]
  } catch (error) {
    return [{ path, reason: `it is in the archive, but could not be found again at the end: ${reasonOf(error)}` }]
  }
}

function entryOf({ path, mode, mtimeNs, size, hash }: Archived): FileEntry {
  return { type: 'file', path, mode, mtimeNs, size, hash }
}

function count(others: readonly (FolderEntry | LinkEntry)[]): Pick<ManifestSummary, 'folders' | 'links'> {
  const folders = others.filter((entry: Entry) => entry.type === 'folder').length
  return { folders, links: others.length - folders }
}

function countObjects(files: readonly Archived[]): Pick<ManifestSummary, 'files' | 'bytes' | 'objects' | 'storedBytes' | 'reusedObjects' | 'reusedBytes'> {
  const byHash = new Map<string, { storedBytes: number, isNew: boolean }>()
  for (const { hash, storedBytes, isNew } of files) byHash.set(hash, { storedBytes, isNew: isNew || byHash.get(hash)?.isNew === true })
  const objects = [...byHash.values()]
  const reused = objects.filter(object => !object.isNew)
  const sum = (of: readonly { storedBytes: number }[]): number => of.reduce((total, { storedBytes }) => total + storedBytes, 0)
  const bytes = files.reduce((total, { size }) => total + size, 0)
  return { files: files.length, bytes, objects: objects.length, storedBytes: sum(objects), reusedObjects: reused.length, reusedBytes: sum(reused) }
}

/** Last of all: the lists, and what a killed process left half written. */
export function removeWork(output: string): void {
  rmSync(workFolder(output), { recursive: true, force: true })
}

