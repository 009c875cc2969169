import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { makeFolder, writeWhole } from './durable-files.ts'
import { ArchiveError, codeOf, type Problem } from './failures.ts'
import { compareNames, isSafePath, parentOf, quoteName } from './file-names.ts'
import { ARCHIVE_FORMAT, ARCHIVE_VERSION, isHash, manifestFile, generationFile, manifestsFolder } from './layout.ts'

/**
 * The manifest says what was in the folder: one JSON object with an entry a line, in the order of the names' bytes.
 * It holds nothing that depends on when or how often the archive was interrupted, so the same folder always gives the
 * same bytes; its last line is the SHA-256 of all before it.
 */
export interface FileEntry {
  readonly type: 'file'
  readonly path: string
  readonly mode: number
  /** Nanoseconds since the epoch, in decimal. */
  readonly mtimeNs: string
  readonly size: number
  readonly hash: string
}
export interface FolderEntry { readonly type: 'folder', readonly path: string, readonly mode: number, readonly mtimeNs: string }
export interface LinkEntry { readonly type: 'link', readonly path: string, readonly target: string, readonly mtimeNs: string }
export type Entry = FileEntry | FolderEntry | LinkEntry

export interface Manifest {
  readonly folder: string
  /** The first one is the folder itself, with the path '.'. */
  readonly entries: readonly Entry[]
  /** What could not be archived as it should. */
  readonly problems: readonly Problem[]
}

export function formatManifest(manifest: Manifest): string {
  const entries = manifest.entries.toSorted((left, right) => compareEntries(left.path, right.path))
  const problems = manifest.problems.toSorted((left, right) => compareNames(left.path, right.path))
  const head = `{"format":"${ARCHIVE_FORMAT}","version":${ARCHIVE_VERSION},"folder":${JSON.stringify(manifest.folder)},\n`
  const body = `${head}"entries":[${lines(entries)}],\n"problems":[${lines(problems)}],\n`
  return `${body}"sha256":"${sha256(body)}"}\n`
}

function compareEntries(left: string, right: string): number {
  if (left === '.' || right === '.') return left === right ? 0 : left === '.' ? -1 : 1
  return compareNames(left, right)
}

function lines(values: readonly object[]): string {
  return values.length === 0 ? '' : `\n${values.map(value => JSON.stringify(value)).join(',\n')}\n`
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** @throws ArchiveError saying what is wrong with it */
export function parseManifest(text: string): Manifest {
  const cut = text.lastIndexOf('"sha256":')
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    throw new ArchiveError('it is damaged: it is not JSON')
  }
  if (!isRecord(parsed) || parsed['format'] !== ARCHIVE_FORMAT) throw new ArchiveError('it is not the manifest of an archive')
  if (parsed['version'] !== ARCHIVE_VERSION) throw new ArchiveError(`it is of version ${String(parsed['version'])}; this program reads version ${ARCHIVE_VERSION}`)
  const { folder, entries, problems } = parsed
  if (typeof folder !== 'string' || !Array.isArray(entries) || !Array.isArray(problems) || !problems.every(isProblem)) throw new ArchiveError('it is damaged: a part is missing')
  const checked = entries.map(checkEntry)
  checkTree(checked)
  // After the tree, so that a manifest made to break out of the folder is called what it is.
  if (parsed['sha256'] !== sha256(text.slice(0, cut))) throw new ArchiveError('it is damaged: its text does not have the SHA-256 on its last line')
  return { folder, entries: checked, problems }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isProblem(value: unknown): value is Problem {
  return isRecord(value) && typeof value['path'] === 'string' && typeof value['reason'] === 'string'
}

function checkEntry(value: unknown, index: number): Entry {
  if (!isRecord(value) || typeof value['path'] !== 'string') throw new ArchiveError(`it is damaged: entry ${index} has no path`)
  const { type, path, mode, mtimeNs, size, hash, target } = value
  const refuse = (what: string): never => { throw new ArchiveError(`entry ${quoteName(path)}: ${what}`) }
  if (!(path === '.' && index === 0) && !isSafePath(path)) return refuse('its path leads out of the folder or is not one; nothing was written')
  if (typeof mtimeNs !== 'string' || !/^-?\d{1,20}$/.test(mtimeNs)) return refuse('its mtimeNs is not a number of nanoseconds')
  if (type === 'link') return typeof target === 'string' && target !== '' && !target.includes('\0') ? { type, path, target, mtimeNs } : refuse('its target is not one')
  if (!isWhole(mode) || mode > 0o7777) return refuse('its mode is not one')
  if (type === 'folder') return { type, path, mode, mtimeNs }
  if (type !== 'file') return refuse(`its type ${JSON.stringify(type)} is unknown`)
  if (!isWhole(size)) return refuse('its size is not one')
  if (typeof hash !== 'string' || !isHash(hash)) return refuse('its hash is not a SHA-256')
  return { type, path, mode, mtimeNs, size, hash }
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value) && typeof value === 'number' && value >= 0
}

/** Each path once, and each below a folder of the manifest: so nothing can be written through a link. */
function checkTree(entries: readonly Entry[]): void {
  const types = new Map<string, Entry['type']>()
  for (const { path, type } of entries) {
    if (types.has(path)) throw new ArchiveError(`entry ${quoteName(path)}: it is there twice`)
    types.set(path, type)
  }
  if (types.get('.') !== 'folder') throw new ArchiveError('it is damaged: the entry of the folder itself is missing')
  for (const { path } of entries) {
    if (path !== '.' && types.get(parentOf(path)) !== 'folder') throw new ArchiveError(`entry ${quoteName(path)}: ${quoteName(parentOf(path))} is not a folder of the manifest; nothing was written`)
  }
}

/** @throws ArchiveError naming the file when it is missing, damaged or not one */
export function readManifest(file: string): Manifest {
  try {
    return parseManifest(readFileSync(file, 'utf8'))
  } catch (error) {
    if (error instanceof ArchiveError) throw new ArchiveError(`${file}: ${error.message}`)
    if (codeOf(error) === 'ENOENT') throw new ArchiveError(`${file}: there is no such manifest`)
    throw error
  }
}

/** Numbers of the generations there are, in order. */
export function generationsOf(output: string): number[] {
  try {
    return readdirSync(manifestsFolder(output)).filter(name => /^\d{6,}\.json$/.test(name)).map(name => Number.parseInt(name, 10)).sort((left, right) => left - right)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return []
    throw error
  }
}

/**
 * Writes `text` as generation `generation`, unless the one before has the very same; in both cases manifest.json has it afterwards.
 * Doing it again after a crash has the same outcome.
 */
export async function publishManifest(output: string, generation: number, text: string): Promise<'new' | 'unchanged'> {
  const outcome = generation > 1 && sameText(generationFile(output, generation - 1), text) ? 'unchanged' : 'new'
  await makeFolder(manifestsFolder(output))
  if (outcome === 'new') await writeWhole(generationFile(output, generation), [text])
  if (!sameText(manifestFile(output), text)) await writeWhole(manifestFile(output), [text])
  return outcome
}

function sameText(file: string, text: string): boolean {
  try {
    return readFileSync(file, 'utf8') === text
  } catch {
    return false
  }
}
