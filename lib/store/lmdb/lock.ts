/**
 * One supervisor a folder. A supervisor listens on a socket of its own in the folder, `supervisor-<pid>-<chance>.sock`;
 * whoever can be connected to is alive, because the kernel closes a socket when its thread, its process or its machine
 * ends, however it ends. On Windows it is a named pipe derived from the folder's path, of which there can be one.
 *
 * To take the lock: listen, publish the socket by renaming it to its name (a name that shows always answers: bind and
 * listen are two calls), and only then look for others. Of two that come at once, the one that looks later sees the other: both
 * may be refused, never both let in. A refused one tries again a few times, so that as a rule one of them gets through. Names
 * are never used twice, so a dead one can be removed without hitting a live one that took its place.
 *
 * What it does and does not:
 * - Holds between threads and processes, across containers that share the folder (a socket in the file system is found
 *   by its inode, not by its network or process namespace; only the pid that StoreInUseError names is the holder's own view).
 * - Not between machines: a network file system is refused in folder.ts; LMDB does not work on one either.
 * - Children started by spawn, exec or fork() of node:child_process do not inherit it. A bare fork(2) in native code would: the
 *   lock then lasts as long as that child, which errs on the safe side.
 * - Needs a file system that can hold a socket; where it cannot, opening fails and says so.
 * - Whoever removes the socket file removes the lock. The holder notices at the next commit (isHeld) and stops.
 */
import { createHash } from 'node:crypto'
import { closeSync, lstatSync, openSync, readdirSync, realpathSync, renameSync, rmSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { StoreInUseError, StoreUnavailableError } from '../../errors.ts'
import { newToken, systemClock } from '../../system.ts'

/** What the lock leaves in the folder, published or not yet. */
export const LOCK_NAME = /^supervisor-(\d+)-[0-9a-f]+\.(sock|new)$/
/** sun_path has 108 bytes on Linux and 104 on macOS, one of them for the end. */
const LONGEST_SOCKET_PATH = 103
const ATTEMPTS = 5
const LONGEST_PAUSE_MS = 20
const LONGEST_CONNECT_MS = 2_000
const UNPUBLISHED_FOR_MS = 60_000

export interface FolderLock {
  /** False when somebody took the socket, or the folder, away. */
  isHeld(): boolean
  release(): Promise<void>
}

/**
 * @throws StoreInUseError naming the pid of the holder
 * @throws StoreUnavailableError where the folder cannot hold a socket
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const real = realpathSync(folder)
  if (process.platform === 'win32') return lockByPipe(folder, real)
  for (let attempt = 1; ; attempt++) {
    const socket = await publishSocket(folder, real)
    const holder = await findHolder(real, socket.name)
    if (holder === undefined) return socket
    await socket.release()
    if (attempt === ATTEMPTS) throw new StoreInUseError({ store: folder, pid: holder })
    // Chance parts two that came at once; a holder that stays is found again by all attempts.
    await delay(systemClock.random() * LONGEST_PAUSE_MS)
  }
}

async function publishSocket(folder: string, real: string): Promise<FolderLock & { readonly name: string }> {
  const stem = `supervisor-${process.pid}-${newToken()}`
  const name = `${stem}.sock`
  const server = newServer()
  try {
    await atShortPath(real, `${stem}.new`, path => listen(server, path))
    // Relative to nothing: rename(2) has no limit of 104 bytes.
    renameSync(join(real, `${stem}.new`), join(real, name))
  } catch (cause) {
    await closeServer(server)
    throw new StoreUnavailableError({ store: folder, problem: `its folder cannot hold the socket that locks it (${(cause as Error).message})`, cause })
  }
  const path = join(real, name)
  const { ino } = lstatSync(path)
  return {
    name,
    isHeld: () => lstatSync(path, { throwIfNoEntry: false })?.ino === ino,
    release: async () => {
      // Removed first: a name that shows always answers.
      rmSync(path, { force: true })
      await closeServer(server)
    },
  }
}

/** The pid of another supervisor of the folder. Removes the sockets of dead ones. */
async function findHolder(real: string, ownName: string): Promise<number | undefined> {
  for (const name of readdirSync(real)) {
    const [, pid, kind] = LOCK_NAME.exec(name) ?? []
    if (pid === undefined || name === ownName) continue
    if (kind === 'new') {
      // No holder yet: it will see us when it looks. One that stays unpublished for long belonged to a process that died there.
      const now = systemClock.nowMs()
      const age = now - (lstatSync(join(real, name), { throwIfNoEntry: false })?.mtimeMs ?? now)
      if (age > UNPUBLISHED_FOR_MS) rmSync(join(real, name), { force: true })
      continue
    }
    if (await atShortPath(real, name, answers)) return Number(pid)
    rmSync(join(real, name), { force: true })
  }
  return undefined
}

/** Whether somebody listens. Only a refusal is a no: an error that may have other reasons counts as a live holder. */
function answers(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(path)
    const settle = (alive: boolean): void => {
      socket.destroy()
      resolve(alive)
    }
    socket.setTimeout(LONGEST_CONNECT_MS, () => settle(true))
    socket.once('connect', () => settle(true))
    socket.once('error', (error: NodeJS.ErrnoException) => settle(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT'))
  })
}

/** Calls with a path to a file of the folder that fits into a socket's address. */
async function atShortPath<T>(real: string, name: string, use: (path: string) => Promise<T>): Promise<T> {
  const path = join(real, name)
  if (process.platform !== 'linux' || Buffer.byteLength(path) <= LONGEST_SOCKET_PATH) return use(path)
  const descriptor = openSync(real, 'r')
  try {
    return await use(`/proc/self/fd/${descriptor}/${name}`)
  } finally {
    closeSync(descriptor)
  }
}

async function lockByPipe(folder: string, real: string): Promise<FolderLock> {
  const server = newServer()
  const hash = createHash('sha256').update(real.toLowerCase()).digest('hex').slice(0, 32)
  try {
    await listen(server, `\\\\.\\pipe\\troupe-${hash}`)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EADDRINUSE') throw new StoreInUseError({ store: folder })
    throw new StoreUnavailableError({ store: folder, problem: 'the pipe that locks it could not be made', cause })
  }
  return { isHeld: () => server.listening, release: () => closeServer(server) }
}

/** Nobody says anything over this socket: that it answers is all. It does not keep the process alive. */
function newServer(): Server {
  const server = createServer(socket => socket.destroy())
  server.unref()
  return server
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => {
      server.off('error', reject)
      // A failed accept (out of descriptors) does not end the lock, and must not end the process.
      server.on('error', () => {})
      resolve()
    })
  })
}

function closeServer(server: Server): Promise<void> {
  return new Promise(resolve => { server.close(() => resolve()) })
}
