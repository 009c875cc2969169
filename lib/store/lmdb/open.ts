/** Opens the store in a folder: look, lock, look again, let lmdb at it, check what it holds. */
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { open, type RootDatabase } from 'lmdb'
import { StoreFormatError } from '../../errors.ts'
import { WriteBatch } from './batch.ts'
import { hasUnseenLeaves } from './data-file.ts'
import type { Table, Tables } from './engine.ts'
import { DATA_FILE, flushPath, inspectFolder, LOCK_FILE, makeFolder, notAStore, readError, worriesOf } from './folder.ts'
import { keyEncoder, KeyWriter, readU48, TABLES, type TableName } from './keys.ts'
import { lockFolder } from './lock.ts'
import { DEFAULT_HOT_JOURNAL_BYTES, DEFAULT_MIN_FREE_BYTES, type LmdbStoreOptions } from './options.ts'
import { payloadOf, seedOf } from './records.ts'
import { LeafCheck } from './leaves.ts'
import { Room } from './room.ts'
import { FreeSpace } from './space.ts'
import { LmdbStore, NEXT_RUN } from './store.ts'

/** Raised by whatever an older version would read wrongly. */
export const SCHEMA_VERSION = 1

const SCHEMA = 'schema'
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
    checkSchema(folder, root)
    const tables = openTables(folder, root, false)
    return new LmdbStore({
      folder, root, tables, lock, space, room, leaves, minFreeBytes, worries: worriesOf(folder),
      nextKey: firstFreeKey(tables), hotJournalBytes: options.hotJournalBytes ?? DEFAULT_HOT_JOURNAL_BYTES,
    })
  } catch (error) {
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

function checkSchema(folder: string, root: RootDatabase): void {
  const meta = openTable(root, 'meta', false)
  const record = meta?.get(new KeyWriter().utf8(SCHEMA))
  if (record === undefined) throw notAStore(folder, 'is an LMDB file, but no store of troupe\'s')
  const version = payloadOf(record, 'meta', 0)[0]!
  if (version > SCHEMA_VERSION) throw notAStore(folder, `was written by a newer version of troupe (schema ${version}; this version knows ${SCHEMA_VERSION})`)
}

/** All tables are made in one commit, together with the records that say what this is. */
function openTables(folder: string, root: RootDatabase, isNew: boolean): Tables {
  const batch = new WriteBatch()
  if (isNew) {
    batch.key.utf8(SCHEMA)
    batch.put('meta', Uint8Array.of(SCHEMA_VERSION), seedOf('meta', 0))
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
