/** Opens the store in a folder: look, lock, look again, let lmdb at it, check what it holds. */
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { open, type RootDatabase } from 'lmdb'
import { StoreFormatError } from '../../errors.ts'
import { WriteBatch } from './batch.ts'
import { hasUnseenLeaves } from './data-file.ts'
import { COMMIT_LOG_FILE, CommitLog, type LogBase, readCommitLog } from './commit-log.ts'
import type { Table, Tables } from './engine.ts'
import { DATA_FILE, flushPath, inspectFolder, LOCK_FILE, makeFolder, notAStore, readError, worriesOf } from './folder.ts'
import { keyEncoder, KeyWriter, readU48, TABLES, type TableName } from './keys.ts'
import { lockFolder } from './lock.ts'
import { DEFAULT_HOT_JOURNAL_BYTES, DEFAULT_LOG_LIMITS, DEFAULT_MIN_FREE_BYTES, type LmdbStoreOptions } from './options.ts'
import { payloadOf, seedOf } from './records.ts'
import { LeafCheck } from './leaves.ts'
import { Room } from './room.ts'
import { PendingRows } from './redo.ts'
import { FreeSpace } from './space.ts'
import { newLogBase, NEWEST_SCHEMA, putLogBase, putSchema, readLogBase, SCHEMA, SCHEMA_KEY } from './state.ts'
import { LmdbStore, NEXT_RUN } from './store.ts'

const CREATED_BY = 'created-by'
const WRITER = 'troupe'
/** Where a store is until it is whole. */
const UNFINISHED = '.unfinished-store'

/**
 * Opens the store in a folder, or makes one in an empty or absent folder. On one thread: lmdb must not be opened in threads
 * that may be terminated.
 * @throws StoreInUseError another supervisor, of this process or another, has it open
 * @throws StoreFormatError no store of troupe's, a newer one or a damaged one; nothing was changed
 * @throws StoreUnavailableError no permission, a read-only or a network file system, no room
 */
export async function openLmdbStore(options: LmdbStoreOptions): Promise<LmdbStore> {
  const { folder } = options
  const made = makeFolder(folder)
  inspectFolder(folder, 'headers')
  const lock = await lockFolder(folder)
  let root: RootDatabase | undefined
  let room: Room | undefined
  let leaves: LeafCheck | undefined
  let log: CommitLog | undefined
  // Looked at again under the lock: another supervisor may have made or changed it in between.
  const hadLockFile = existsSync(join(folder, LOCK_FILE))
  try {
    const state = inspectFolder(folder, 'pages')
    const minFreeBytes = options.minFreeBytes ?? DEFAULT_MIN_FREE_BYTES
    const space = new FreeSpace(folder, minFreeBytes)
    if (state === 'new') {
      space.check(TABLES.length, 0)
      await makeStore(options, made)
    }
    // What an earlier user of it did not wait for is as good as acknowledged once it has been read.
    if (options.durability === 'power-loss') flushPath(join(folder, DATA_FILE))
    room = new Room(folder, join(folder, DATA_FILE), () => mapSizeOf(root!))
    if (hasUnseenLeaves(join(folder, DATA_FILE))) leaves = new LeafCheck(join(folder, DATA_FILE))
    root = openRoot(options)
    const schema = readSchema(folder, root)
    const tables = openTables(folder, root, false)
    const base = takeCommitLog(folder, root, tables, schema, room)
    const worries = worriesOf(folder)
    log = openCommitLog(options, worries)
    return new LmdbStore({
      folder, root, tables, lock, space, room, leaves, log, base, minFreeBytes, worries, logLimits: options.logLimits ?? DEFAULT_LOG_LIMITS,
      nextKey: firstFreeKey(tables), hotJournalBytes: options.hotJournalBytes ?? DEFAULT_HOT_JOURNAL_BYTES,
    })
  } catch (error) {
    log?.close()
    await root?.close()
    room?.close()
    leaves?.close()
    const told = readError(folder, error)
    if (!hadLockFile && told instanceof StoreFormatError) rmSync(join(folder, LOCK_FILE), { force: true })
    await lock.release()
    throw told
  }
}

/**
 * Makes a store in a folder of its own inside this one, and gives it its name when it is whole and on the disk: whatever ends the
 * process or the machine meanwhile leaves no half of a store, which nobody could open.
 */
async function makeStore({ folder, durability }: LmdbStoreOptions, made: readonly string[]): Promise<void> {
  const unfinished = join(folder, UNFINISHED)
  rmSync(unfinished, { recursive: true, force: true })
  mkdirSync(unfinished)
  const root = openRoot({ folder: unfinished, durability: 'process-crash' })
  let room: Room | undefined
  try {
    room = new Room(folder, join(unfinished, DATA_FILE), () => mapSizeOf(root))
    room.ensure({ rows: 2 * TABLES.length, bytes: 0, neighbours: 0 })
    openTables(unfinished, root, true)
  } finally {
    await root.close()
    room?.close()
  }
  if (durability === 'power-loss') flushPath(join(unfinished, DATA_FILE))
  renameSync(join(unfinished, DATA_FILE), join(folder, DATA_FILE))
  rmSync(unfinished, { recursive: true, force: true })
  if (durability === 'power-loss') for (const path of [folder, ...made.map(path => dirname(path))]) flushPath(path)
}

function openRoot({ folder, durability }: LmdbStoreOptions): RootDatabase {
  return open({
    path: folder,
    // A folder called "store.db" is a folder all the same.
    noSubdir: false,
    encoding: 'binary',
    keyEncoding: 'binary',
    maxDbs: 2 * TABLES.length,
    // Nothing becomes visible before it is durable, and a failed commit is a failed call.
    overlappingSync: false,
    noSync: durability === 'process-crash',
  })
}

function mapSizeOf(root: RootDatabase): number {
  return (root.getStats() as { readonly mapSize: number }).mapSize
}

function readSchema(folder: string, root: RootDatabase): number {
  const meta = openTable(root, 'meta', false)
  const record = meta?.get(new KeyWriter().utf8(SCHEMA_KEY))
  if (record === undefined) throw notAStore(folder, 'is an LMDB file, but no store of troupe\'s')
  const version = payloadOf(record, 'meta', 0)[0]!
  if (version > NEWEST_SCHEMA) throw notAStore(folder, `was written by a newer version of troupe (schema ${version}; this version knows ${NEWEST_SCHEMA})`)
  return version
}

/**
 * Gives LMDB what it lacks of a store that was not closed; returns the base for what comes. The store is whole after it: its log has nothing that
 * is needed any more.
 */
function takeCommitLog(folder: string, root: RootDatabase, tables: Tables, schema: number, room: Room): LogBase {
  const base = readLogBase(tables)
  if (schema === SCHEMA.whole) return baseOfWhole(folder, base)
  const content = readCommitLog(folder, base)
  if (content === undefined) throw notAStore(folder, `is not whole (it was not closed, and its file "${COMMIT_LOG_FILE}" is missing)`)
  const { commits, lastBase } = content
  if (lastBase > base.number) throw notAStore(folder, `is not whole ("${DATA_FILE}" is older than "${COMMIT_LOG_FILE}", which belongs to a later state of it)`)
  const pending = new PendingRows()
  for (const [i, rows] of commits.entries()) {
    if (rows === undefined) throw notAStore(folder, `is damaged (record ${i} of its commit log is missing, and ${commits.length - 1} is there)`)
    pending.add(rows.bytes, rows.start, rows.end)
  }
  const next = { ...base, number: base.number + 1 }
  room.ensure({ rows: pending.size, bytes: pending.bytes, neighbours: 0 })
  const state = new WriteBatch()
  putSchema(state, SCHEMA.whole)
  putLogBase(state, next)
  const byNumber = TABLES.map(name => tables[name])
  root.transactionSync(() => {
    pending.write(byNumber)
    state.write(byNumber)
  })
  room.written()
  return next
}

/** Never one that a record in the file has: a data file that was put back from a backup is older than they are. */
function baseOfWhole(folder: string, base: LogBase): LogBase {
  try {
    return { ...base, number: Math.max(base.number, readCommitLog(folder, base)?.lastBase ?? 0) }
  } catch {
    return newLogBase() // whatever stands there belongs to no base with this id
  }
}

/** A store can do without, only slower, so whatever is in the way of it is no reason not to open. */
function openCommitLog({ folder, durability, logLimits = DEFAULT_LOG_LIMITS }: LmdbStoreOptions, worries: string[]): CommitLog | undefined {
  try {
    const log = CommitLog.open(folder, logLimits.fileBytes, durability)
    if (durability === 'power-loss') flushPath(folder)
    return log
  } catch (error) {
    worries.push(`"${join(folder, COMMIT_LOG_FILE)}" could not be made or opened (${(error as Error).message}). Commits go without it, each of them slower.`)
    return undefined
  }
}

/** All tables are made in one commit, together with the records that say what this is. */
function openTables(folder: string, root: RootDatabase, isNew: boolean): Tables {
  const batch = new WriteBatch()
  if (isNew) {
    putSchema(batch, SCHEMA.whole)
    batch.key.utf8(CREATED_BY)
    batch.put('meta', Buffer.from(WRITER), seedOf('meta', 0))
  }
  return root.transactionSync(() => {
    const tables = TABLES.map(name => {
      const table = openTable(root, name, isNew)
      if (table === undefined) throw notAStore(folder, `is damaged (its table "${name}" is missing)`)
      return table
    })
    batch.write(tables)
    return Object.fromEntries(TABLES.map((name, number) => [name, tables[number]!])) as unknown as Tables
  })
}

function openTable(root: RootDatabase, name: TableName, create: boolean): Table | undefined {
  const options: object = { name, encoding: 'binary', keyEncoder, create }
  return root.openDB(options as { name: string }) as unknown as Table | undefined
}

function firstFreeKey(tables: Tables): number {
  const record = tables.meta.get(new KeyWriter().utf8(NEXT_RUN))
  return record === undefined ? 1 : readU48(payloadOf(record, 'meta', 0), 0)
}
