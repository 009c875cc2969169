/**
 * A look at a store's folder before lmdb touches it: lmdb ends the process on a file that is not its own or is cut short, so
 * what a cheap check can tell is told here, as an error, with nothing changed.
 */
import { accessSync, closeSync, constants, fsyncSync, mkdirSync, openSync, readdirSync, statfsSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { StoreFormatError, StoreUnavailableError, TroupeError } from '../../errors.ts'
import { type FolderState, inspectFile, type Inspection } from './data-file.ts'
import { LOCK_NAME } from './lock.ts'

export const DATA_FILE = 'data.mdb'
export const LOCK_FILE = 'lock.mdb'

/** f_type of statfs(2): LMDB's memory map and locks do not hold across machines. */
const NETWORK_FILE_SYSTEMS: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'], [0x517b, 'SMB'], [0xff534d42, 'CIFS'], [0xfe534d42, 'SMB2'], [0x00c36400, 'Ceph'], [0x0bd00bd0, 'Lustre'], [0x5346414f, 'AFS'],
])

/**
 * Makes the folder if it is not there; gives what it made, from the top.
 * @throws StoreUnavailableError it cannot be made, read or written
 * @throws StoreFormatError a file stands in its place
 */
export function makeFolder(folder: string): readonly string[] {
  let isDirectory
  let made: readonly string[] = []
  try {
    isDirectory = statSync(folder, { throwIfNoEntry: false })?.isDirectory()
    if (isDirectory === undefined) made = makeWithParents(resolve(folder))
    if (isDirectory !== false) {
      accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK)
      const data = join(folder, DATA_FILE)
      if (statSync(data, { throwIfNoEntry: false }) !== undefined) accessSync(data, constants.R_OK | constants.W_OK)
    }
  } catch (cause) {
    throw new StoreUnavailableError({ store: folder, problem: `its folder cannot be made, read or written (${(cause as Error).message})`, cause })
  }
  if (isDirectory === false) throw notAStore(folder, 'is a file where a folder is needed', 'Nothing was changed; name a folder.')
  const network = NETWORK_FILE_SYSTEMS.get(statfsSync(folder).type >>> 0)
  if (network !== undefined) {
    throw new StoreUnavailableError({ store: folder, problem: `it lies on a network file system (${network}), on which neither its locks nor its memory map hold; use a local disk` })
  }
  return made
}

/** A file's bytes, or a folder's names, so that they last. */
export function flushPath(path: string): void {
  if (process.platform === 'win32' && statSync(path).isDirectory()) return // it flushes no folders
  const descriptor = openSync(path, statSync(path).isDirectory() ? 'r' : 'r+')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/** What should not be so with a folder that is used all the same, in words: others may change what it holds, or cannot open it any more. */
export function worriesOf(folder: string): string[] {
  const user = process.geteuid?.()
  if (user === undefined) return [] // Windows has other ways to say who may do what
  const worries: string[] = []
  for (const path of [folder, join(folder, DATA_FILE)]) {
    const { mode, uid } = statSync(path)
    if ((mode & 0o002) !== 0) worries.push(`"${path}" may be written by every user of this machine. Take that right away (chmod o-w), or whoever likes can change what runs see.`)
    if (uid !== user) worries.push(`"${path}" belongs to user ${uid}, and this process is user ${user}. What this process makes in it the other may be unable to open.`)
  }
  return worries
}

/**
 * Makes a folder and those above it; gives what it made, from the top.
 * Not mkdir's own `recursive`: on a file system that makes no folders (/proc) Node 20 loops in it for ever.
 */
export function makeWithParents(folder: string): string[] {
  const parent = dirname(folder)
  const made = statSync(parent, { throwIfNoEntry: false }) === undefined && parent !== folder ? makeWithParents(parent) : []
  try {
    mkdirSync(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    return made // somebody else was quicker
  }
  return [...made, folder]
}

/**
 * Reads, and changes nothing.
 * @throws StoreFormatError somebody else's folder or file, a newer one, or one that is damaged or cut short
 */
export function inspectFolder(folder: string, depth: Inspection): FolderState {
  try {
    return inspect(folder, depth)
  } catch (error) {
    throw readError(folder, error)
  }
}

function inspect(folder: string, depth: Inspection): FolderState {
  const names = readdirSync(folder)
  if (names.includes(DATA_FILE)) return inspectDataFile(folder, depth)
  const foreign = names.find(name => !isHarmless(name))
  if (foreign === undefined) return 'new'
  throw notAStore(folder, `is a folder with other files in it ("${foreign}") and no store`, 'Nothing was changed; name an empty folder, or one that is not there yet.')
}

/** What may be in an empty folder: leavings of an opening that did not get far, dot files, the root of a mounted disk. */
function isHarmless(name: string): boolean {
  return name === LOCK_FILE || name === 'lost+found' || name.startsWith('.') || LOCK_NAME.test(name)
}

function inspectDataFile(folder: string, depth: Inspection): FolderState {
  const found = inspectFile(join(folder, DATA_FILE), depth)
  if (typeof found === 'string') return found
  throw notAStore(folder, found.problem)
}

export function notAStore(folder: string, problem: string, advice?: string): StoreFormatError {
  return new StoreFormatError({ what: `store "${folder}"`, problem, advice })
}

/**
 * What lmdb or the system threw, as an error of ours: lmdb names damage by words, and both name troubles by number or by
 * name. Anything else is a bug and stays what it is.
 */
export function readError(folder: string, error: unknown): unknown {
  if (error instanceof TroupeError || !(error instanceof Error)) return error
  const { message } = error
  if (/^MDB_(CORRUPTED|PAGE_NOTFOUND|INVALID|VERSION_MISMATCH|INCOMPATIBLE|BAD_VALSIZE|CRYPTO_FAIL)|^Invalid key size/.test(message)) {
    return new StoreFormatError({ what: `store "${folder}"`, problem: `is damaged (${message})`, cause: error })
  }
  const { code } = error as NodeJS.ErrnoException | { readonly code?: number }
  if (!message.startsWith('MDB_') && typeof code !== 'number' && !/^E[A-Z]+$/.test(code ?? '')) return error
  return new StoreUnavailableError({ store: folder, problem: message, cause: error })
}
