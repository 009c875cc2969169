import { existsSync, lstatSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { isAbsolute, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { makeFolder, writeWhole } from './durable-files.ts'
import { ArchiveError, codeOf, reasonOf } from './failures.ts'
import { ARCHIVE_FORMAT, ARCHIVE_VERSION, keyOf, manifestFile, markerFile, objectsFolder, unfinishedFile, workFolder } from './layout.ts'

/** Where to read from and write to, checked before anything is touched. */
export interface Places {
  readonly folder: string
  readonly output: string
  /** Stands for the two, at every start. */
  readonly key: string
}

interface Unfinished extends Places {
  /** FOLDER as it was given, absolute: still known when the folder itself is gone. */
  readonly given: string
}

const packageFolder = fileURLToPath(new URL('../../..', import.meta.url))

/** A path as its user meant it: npm runs scripts in the package's folder, wherever it was called. */
export function absolute(path: string, env: NodeJS.ProcessEnv = process.env): string {
  const base = env['npm_lifecycle_event'] === 'start' ? env['INIT_CWD'] : undefined
  return resolve(base ?? '.', path)
}

/** Checks the two folders, and makes `output` an archive if it is new. */
export async function prepareArchive(folder: string | undefined, output: string | undefined): Promise<Places> {
  const given = folder === undefined ? join(packageFolder, 'node_modules') : absolute(folder)
  const target = output === undefined ? join(packageFolder, 'archive-output') : absolute(output)
  if (!existsSync(target)) refuseOverlap(given, target)
  const isNew = checkTarget(target)
  const unfinished = isNew ? undefined : readUnfinished(target)
  const source = realFolder(given, unfinished)
  refuseOverlap(source, isNew ? target : realpathSync(target))
  await makeArchive(target, output === undefined)
  const real = realpathSync(target)
  const places = { folder: source, output: real, key: keyOf(source, real) }
  if (unfinished !== undefined) checkSame(places, unfinished)
  await makeFolder(workFolder(real))
  await writeWhole(unfinishedFile(real), [JSON.stringify({ ...places, given } satisfies Unfinished)])
  return places
}

/** @throws ArchiveError for a folder with something else in it */
function checkTarget(target: string): boolean {
  try {
    const names = readdirSync(target)
    if (names.length === 0) return true
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return true
    throw new ArchiveError(`cannot write an archive to ${target}: ${codeOf(error) === 'ENOTDIR' ? 'it is not a folder' : reasonOf(error)}`)
  }
  checkMarker(target)
  return false
}

/** @throws ArchiveError unless `output` is an archive of a version that this program knows */
export function checkMarker(output: string): void {
  const marker = readMarker(output)
  if (marker['format'] !== ARCHIVE_FORMAT) throw new ArchiveError(`${output} is not an archive: its archive.json says otherwise. Nothing was written.`)
  if (marker['version'] !== ARCHIVE_VERSION) throw new ArchiveError(`${output} is an archive of another version than ${ARCHIVE_VERSION}. Nothing was written.`)
}

function readMarker(output: string): Readonly<Record<string, unknown>> {
  try {
    const marker: unknown = JSON.parse(readFileSync(markerFile(output), 'utf8'))
    return typeof marker === 'object' && marker !== null ? { ...marker } : {}
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw new ArchiveError(`${markerFile(output)} cannot be read: ${reasonOf(error)}`)
    throw new ArchiveError(existsSync(output) ? `${output} is not an archive: it has no archive.json. Nothing was written.` : `${output} is not there`)
  }
}

function realFolder(given: string, unfinished: Unfinished | undefined): string {
  try {
    const folder = realpathSync(given)
    if (!lstatSync(folder).isDirectory()) throw new ArchiveError(`${given} is not a folder`)
    return folder
  } catch (error) {
    if (error instanceof ArchiveError) throw error
    // Goes on with what is left to do, and names all that cannot be found any more.
    if (unfinished?.given === given) return unfinished.folder
    throw new ArchiveError(`cannot archive ${given}: ${reasonOf(error)}`)
  }
}

function refuseOverlap(folder: string, output: string): void {
  if (isWithin(folder, output)) throw new ArchiveError(`cannot archive ${folder} into ${output}: the archive would hold itself. Choose an OUTPUT elsewhere.`)
}

/** True when `inner` is `outer` or below it. */
export function isWithin(inner: string, outer: string): boolean {
  const way = relative(outer, inner)
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way))
}

async function makeArchive(output: string, isDefault: boolean): Promise<void> {
  await makeFolder(output)
  if (!existsSync(markerFile(output))) await writeWhole(markerFile(output), [`{"format":"${ARCHIVE_FORMAT}","version":${ARCHIVE_VERSION}}\n`])
  await makeFolder(objectsFolder(output))
  // The default OUTPUT is inside the clone: this keeps it out of git without a word in the clone's own .gitignore.
  if (isDefault && !existsSync(join(output, '.gitignore'))) await writeWhole(join(output, '.gitignore'), ['*\n'])
}

function readUnfinished(output: string): Unfinished | undefined {
  try {
    return JSON.parse(readFileSync(unfinishedFile(output), 'utf8')) as Unfinished // this program's own file, written whole
  } catch {
    return undefined
  }
}

function checkSame(places: Places, unfinished: Unfinished): void {
  if (places.key === unfinished.key) return
  if (places.output !== unfinished.output) throw new ArchiveError(`${places.output} was moved while an archive of ${unfinished.folder} was unfinished in it. Move it back to ${unfinished.output} and finish that first.`)
  throw new ArchiveError(`an archive of ${unfinished.folder} is unfinished in ${places.output}. Finish it first (the same command as then goes on), or choose another OUTPUT.`)
}

/** True when an archive run is under way or interrupted. */
export function isUnfinished(output: string): boolean {
  return existsSync(unfinishedFile(output))
}

export function hasManifest(output: string): boolean {
  return existsSync(manifestFile(output))
}
