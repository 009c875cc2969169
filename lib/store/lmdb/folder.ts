/**
 * A look at a store's folder before lmdb touches it: lmdb ends the process on a file that is not its own or is cut short, so
 * what a cheap check can tell is told here, as an error, with nothing changed.
 */
import { accessSync, closeSync, constants, fstatSync, mkdirSync, openSync, readdirSync, readSync, statfsSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { StoreFormatError, StoreUnavailableError, TroupeError } from '../../errors.ts'
import { LOCK_NAME } from './lock.ts'
import { pagesAreThere, rootsAreThere } from './pages.ts'

export const DATA_FILE = 'data.mdb'
export const LOCK_FILE = 'lock.mdb'

/** f_type of statfs(2): LMDB's memory map and locks do not hold across machines. */
const NETWORK_FILE_SYSTEMS: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'], [0x517b, 'SMB'], [0xff534d42, 'CIFS'], [0xfe534d42, 'SMB2'], [0x00c36400, 'Ceph'], [0x0bd00bd0, 'Lustre'], [0x5346414f, 'AFS'],
])

/** 'new': there is no store yet. 'store': a file that lmdb can open. */
export type FolderState = 'new' | 'store'

/**
 * Makes the folder if it is not there.
 * @throws StoreUnavailableError it cannot be made, read or written
 * @throws StoreFormatError a file stands in its place
 */
export function makeFolder(folder: string): void {
  let isDirectory
  try {
    isDirectory = statSync(folder, { throwIfNoEntry: false })?.isDirectory()
    if (isDirectory === undefined) makeWithParents(resolve(folder))
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
export function inspectFolder(folder: string): FolderState {
  const names = readdirSync(folder)
  if (names.includes(DATA_FILE)) return inspectDataFile(folder)
  const foreign = names.find(name => !isHarmless(name))
  if (foreign === undefined) return 'new'
  throw notAStore(folder, `is a folder with other files in it ("${foreign}") and no store`, 'Nothing was changed; name an empty folder, or one that is not there yet.')
}

/** What may be in an empty folder: leavings of an opening that did not get far, dot files, the root of a mounted disk. */
function isHarmless(name: string): boolean {
  return name === LOCK_FILE || name === 'lost+found' || name.startsWith('.') || LOCK_NAME.test(name)
}

const META_BYTES = 168
const MAGIC = 0xbeefc0de
/** LMDB 1.0's, that lmdb 3 writes. */
const DATA_VERSION = 2
const META_PAGE_FLAG = 0x08
/** Pages that one transaction can have taken and let go again at the end of the file: LMDB's MDB_IDL_UM_MAX. */
const MOST_FREE_AT_END = 131_072n

/** Where things are on a meta page (struct MDB_meta behind the header of a page), on a 64-bit machine. */
const AT = { flags: 18, magic: 24, version: 28, pageSize: 48, freeRoot: 88, mainRoot: 136, lastPage: 144, transaction: 152 } as const

interface Meta {
  readonly pageSize: number
  readonly freeRoot: bigint
  readonly mainRoot: bigint
  readonly lastPage: bigint
  readonly transaction: bigint
}

function inspectDataFile(folder: string): FolderState {
  const descriptor = openSync(join(folder, DATA_FILE), 'r')
  try {
    const stat = fstatSync(descriptor)
    if (!stat.isFile()) throw notAStore(folder, `has a "${DATA_FILE}" that is not a file`)
    // An opening that died before its first write: lmdb takes it as new, too.
    if (stat.size === 0) return 'new'
    const first = readMetaPage(folder, descriptor, 0, stat.size)
    const second = readMetaPage(folder, descriptor, first.pageSize, stat.size)
    const newest = second.transaction > first.transaction ? second : first
    const whole = Math.floor(stat.size / first.pageSize)
    const missing = newest.lastPage + 1n - BigInt(whole)
    const roots = [newest.freeRoot, newest.mainRoot]
    const isCut = missing > MOST_FREE_AT_END || !(missing > 0n ? pagesAreThere : rootsAreThere)(descriptor, first.pageSize, whole, roots)
    if (isCut) throw notAStore(folder, missing > 0n ? `is damaged (its file is cut short: it should have ${newest.lastPage + 1n} pages and has ${whole})` : 'is damaged (its first pages are not where its header says)')
    return 'store'
  } finally {
    closeSync(descriptor)
  }
}

function readMetaPage(folder: string, descriptor: number, at: number, size: number): Meta {
  const bytes = Buffer.alloc(META_BYTES)
  if (size < at + META_BYTES || readSync(descriptor, bytes, 0, META_BYTES, at) < META_BYTES) throw notAStore(folder, 'is no store, or was cut short')
  if (bytes.readUInt32LE(AT.magic) !== MAGIC || (bytes.readUInt16LE(AT.flags) & META_PAGE_FLAG) === 0) {
    throw notAStore(folder, at === 0 ? 'is no store (its data file is of another kind)' : 'is damaged (its second header is gone)')
  }
  const version = bytes.readUInt32LE(AT.version) & 0xffff
  if (version !== DATA_VERSION) throw notAStore(folder, `has the LMDB data version ${version}; this version knows ${DATA_VERSION}`)
  const pageSize = bytes.readUInt32LE(AT.pageSize)
  if (pageSize < 512 || pageSize > 65_536 || (pageSize & (pageSize - 1)) !== 0) throw notAStore(folder, `is damaged (it claims pages of ${pageSize} bytes)`)
  return {
    pageSize,
    freeRoot: bytes.readBigUInt64LE(AT.freeRoot),
    mainRoot: bytes.readBigUInt64LE(AT.mainRoot),
    lastPage: bytes.readBigUInt64LE(AT.lastPage),
    transaction: bytes.readBigUInt64LE(AT.transaction),
  }
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
  if (/^MDB_(CORRUPTED|PAGE_NOTFOUND|INVALID|VERSION_MISMATCH|INCOMPATIBLE|BAD_VALSIZE|CRYPTO_FAIL)/.test(message)) {
    return new StoreFormatError({ what: `store "${folder}"`, problem: `is damaged (${message})`, cause: error })
  }
  const { code } = error as NodeJS.ErrnoException | { readonly code?: number }
  if (!message.startsWith('MDB_') && typeof code !== 'number' && !/^E[A-Z]+$/.test(code ?? '')) return error
  return new StoreUnavailableError({ store: folder, problem: message, cause: error })
}
