/**
 * Copies a store while it is in use. LMDB writes the image on a thread of its own, from a snapshot that it takes when that
 * thread begins: later than the call, so with all that was acknowledged before it. Not its compacting way, of which damaged
 * copies have been reported.
 *
 * The image grows in a folder of its own inside the target and gets its name there when it is whole and on the disk, so
 * whatever ends the process leaves no half of a store that somebody could take for one.
 */
import { mkdirSync, readdirSync, renameSync, rmdirSync, rmSync, statfsSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { open as openFile } from 'node:fs/promises'
import type { RootDatabase } from 'lmdb'
import { InvalidOptionError, StoreUnavailableError, TroupeError } from '../../errors.ts'
import { DATA_FILE, flushPath, inspectFolder, makeWithParents } from './folder.ts'
import { mebibytes } from './space.ts'

/** Where the image of a process is until it is whole. */
const UNFINISHED = /^\.unfinished-backup-(\d+)$/
/** Folders into which this process copies now. */
const inProgress = new Set<string>()

/** `minFreeBytes` are left free where source and target lie on one disk: the store goes on there. */
export async function backUp(root: RootDatabase, source: string, target: string, minFreeBytes: number): Promise<void> {
  const folder = resolve(target)
  const unfinished = join(folder, `.unfinished-backup-${process.pid}`)
  let made: readonly string[] = []
  let begun = false
  try {
    made = emptyFolder(source, folder)
    for (const name of readdirSync(folder)) if (isLeftOver(folder, name)) rmSync(join(folder, name), { recursive: true, force: true })
    checkRoom(source, folder, minFreeBytes)
    mkdirSync(unfinished)
    inProgress.add(folder)
    begun = true
    await root.backup(unfinished, false)
    await flush(join(unfinished, DATA_FILE))
    // What cannot be opened is no backup: better told today than on the day when it is needed.
    inspectFolder(unfinished, 'pages')
    renameSync(join(unfinished, DATA_FILE), join(folder, DATA_FILE))
    rmdirSync(unfinished)
    for (const path of [folder, ...made.map(path => dirname(path))]) flushPath(path)
  } catch (error) {
    if (begun) {
      rmSync(unfinished, { recursive: true, force: true })
      rmSync(join(folder, DATA_FILE), { force: true })
    }
    removeFolders(made)
    if (error instanceof TroupeError) throw error
    throw new StoreUnavailableError({ store: folder, problem: `the backup of "${source}" failed (${(error as Error).message})`, cause: error })
  } finally {
    if (begun) inProgress.delete(folder)
  }
}

/** Makes it if it is not there; gives the folders that were made, from the top. */
function emptyFolder(source: string, folder: string): readonly string[] {
  const stat = statSync(folder, { throwIfNoEntry: false })
  if (stat === undefined) return makeWithParents(folder)
  const refuse = (what: string): never => {
    throw new InvalidOptionError({ option: 'folder', rule: `name an empty folder or one that is not there yet, and "${folder}" ${what}`, received: folder, doing: `Backing up store "${source}"` })
  }
  if (!stat.isDirectory()) return refuse('is a file')
  // A disk of its own has this folder from the beginning.
  const entry = readdirSync(folder).find(name => name !== 'lost+found' && !isLeftOver(folder, name))
  return entry === undefined ? [] : refuse(`has "${entry}" in it`)
}

/** Whether it is what a process left that was killed while it made a backup. */
function isLeftOver(folder: string, name: string): boolean {
  const pid = Number(UNFINISHED.exec(name)?.[1] ?? Number.NaN)
  if (pid === process.pid) return !inProgress.has(folder)
  try {
    return !Number.isNaN(pid) && !process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
}

/** Looked at before, because a full disk may hurt the store itself. */
function checkRoom(source: string, folder: string, minFreeBytes: number): void {
  const data = statSync(join(source, DATA_FILE))
  const { bavail, bsize } = statfsSync(folder)
  const free = bavail * bsize
  const needed = data.size + (statSync(folder).dev === data.dev ? minFreeBytes : 0)
  if (free >= needed) return
  throw new StoreUnavailableError({ store: folder, problem: `its disk has ${mebibytes(free)} MiB left, and a backup of "${source}" needs ${mebibytes(needed)} MiB` })
}

/** Off this thread: an image of gigabytes takes its time, and the supervisor goes on meanwhile. */
async function flush(path: string): Promise<void> {
  const file = await openFile(path, 'r+')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

function removeFolders(made: readonly string[]): void {
  for (const path of made.toReversed()) {
    try {
      rmdirSync(path)
    } catch {
      return // somebody else uses it by now
    }
  }
}
