/** The servers that peers need: each started for one visit, on loopback, with a folder and ports of its own, and ended after it. */
import { execFile, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { delimiter, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Reach } from './contract.ts'
import { PEERS } from './places.ts'

const run = promisify(execFile)
const START_MS = 60_000

/** Why something cannot take part, in words for whoever runs the bench. */
export class CannotRun extends Error {}

export type ServerKind = 'PostgreSQL' | 'Redis, appendfsync always' | 'Redis, appendfsync everysec' | 'Restate'

export interface Server {
  readonly version: string
  /** What it says itself of the settings that durability hangs on. */
  readonly settings: string
  /** For process `index` of a system: PostgreSQL gives each that asks for its own a database of its own. */
  reach(database: string): Promise<Omit<Reach, 'folder'>>
  stop(): Promise<void>
}

export function startServer(kind: ServerKind, folder: string): Promise<Server> {
  mkdirSync(folder, { recursive: true })
  if (kind === 'PostgreSQL') return startPostgres(folder)
  if (kind === 'Restate') return startRestate(folder)
  return startRedis(folder, kind === 'Redis, appendfsync always' ? 'always' : 'everysec')
}

async function startPostgres(folder: string): Promise<Server> {
  const bin = findPostgres()
  const user = userOfPostgres()
  const data = join(folder, 'data')
  const secret = join(folder, 'secret')
  const password = randomBytes(16).toString('hex')
  writeFileSync(secret, password, { mode: 0o600 })
  if (user !== undefined) for (const path of [folder, secret]) chownSync(path, user.uid, user.gid)
  // --no-sync leaves out the flush of the new, empty database; it changes nothing for the server.
  await run(join(bin, 'initdb'), ['-D', data, '-U', 'postgres', '-A', 'scram-sha-256', '--pwfile', secret, '-E', 'UTF8', '--locale=C', '--no-sync'], { cwd: folder, ...user })
    .catch((error: unknown) => { throw new CannotRun(`initdb failed: ${(error as { stderr?: string }).stderr ?? String(error)}`) })
  const port = await freePort()
  const settings = {
    listen_addresses: '127.0.0.1', port, unix_socket_directories: '', max_connections: 200,
    // A quarter of a small server's memory, as its documentation has it, and no checkpoint within a visit. All else is its default, and fsync and synchronous_commit are on.
    shared_buffers: '1GB', max_wal_size: '4GB',
  }
  const stop = guard('SIGQUIT', user, folder, join(bin, 'postgres'), ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])])
  const sql = async (text: string): Promise<string> => {
    const { stdout } = await run(join(bin, 'psql'), ['-h', '127.0.0.1', '-p', String(port), '-U', 'postgres', '-d', 'postgres', '-XAtc', text], { env: { ...process.env, PGPASSWORD: password } })
    return stdout.trim()
  }
  await untilReady('PostgreSQL', stop, folder, () => sql('SELECT 1'))
  const shown = []
  for (const name of ['fsync', 'synchronous_commit', 'wal_sync_method', 'full_page_writes']) shown.push(`${name} ${await sql(`SHOW ${name}`)}`)
  const made = new Set<string>()
  return {
    version: await sql('SHOW server_version'),
    settings: shown.join(', '),
    async reach(database) {
      if (!made.has(database)) await sql(`CREATE DATABASE ${database}`)
      made.add(database)
      return { postgres: `postgresql://postgres:${password}@127.0.0.1:${port}/${database}` }
    },
    stop,
  }
}

async function startRedis(folder: string, appendfsync: 'always' | 'everysec'): Promise<Server> {
  const program = findProgram('redis-server')
  const client = findProgram('redis-cli')
  if (program === undefined || client === undefined) throw new CannotRun('Redis is not installed. Debian: apt-get install redis-server')
  const port = await freePort()
  const password = randomBytes(16).toString('hex')
  const configuration = join(folder, 'redis.conf')
  writeFileSync(configuration, [
    'bind 127.0.0.1', `port ${port}`, `dir ${folder}`, `requirepass ${password}`, 'daemonize no',
    'appendonly yes', `appendfsync ${appendfsync}`, 'save ""', 'maxmemory-policy noeviction', '',
  ].join('\n'), { mode: 0o600 })
  const stop = guard('SIGKILL', undefined, folder, program, [configuration])
  const ask = async (...command: readonly string[]): Promise<string[]> => {
    const { stdout } = await run(client, ['-h', '127.0.0.1', '-p', String(port), ...command], { env: { ...process.env, REDISCLI_AUTH: password } })
    return stdout.trim().split('\n')
  }
  await untilReady('Redis', stop, folder, async () => { if ((await ask('PING'))[0] !== 'PONG') throw new CannotRun('no PONG') })
  const shown = []
  for (const name of ['appendonly', 'appendfsync', 'no-appendfsync-on-rewrite']) shown.push(`${name} ${(await ask('CONFIG', 'GET', name))[1] ?? '?'}`)
  return {
    version: /redis_version:(\S+)/.exec((await ask('INFO', 'server')).join('\n'))?.[1] ?? 'unknown',
    settings: shown.join(', '),
    reach: () => Promise.resolve({ redis: { host: '127.0.0.1', port, password } }),
    stop,
  }
}

async function startRestate(folder: string): Promise<Server> {
  const program = join(PEERS, `node_modules/@restatedev/restate-server-${process.platform}-${process.arch}/bin/restate-server`)
  if (!existsSync(program)) throw new CannotRun(`@restatedev/restate-server has no program for ${process.platform}-${process.arch}`)
  const [node, ingress, admin] = [await freePort(), await freePort(), await freePort()]
  const configuration = join(folder, 'restate.toml')
  // All else is its default for one node.
  writeFileSync(configuration, [
    'listen-mode = "tcp"', 'bind-ip = "127.0.0.1"', `bind-port = ${node}`, `base-dir = "${folder}"`, 'node-name = "bench"', 'disable-telemetry = true', 'log-filter = "warn"',
    '[ingress]', `bind-port = ${ingress}`, '[admin]', `bind-port = ${admin}`, '',
  ].join('\n'))
  const { stdout: resolved } = await run(program, ['--config-file', configuration, '--dump-config'])
  const { stdout: version } = await run(program, ['--version'])
  const stop = guard('SIGKILL', undefined, folder, program, ['--config-file', configuration, '--no-logo'])
  const at = (port: number): string => `http://127.0.0.1:${port}`
  await untilReady('Restate', stop, folder, async () => {
    for (const url of [`${at(admin)}/health`, `${at(ingress)}/restate/health`]) if (!(await fetch(url)).ok) throw new CannotRun('not healthy yet')
  })
  const flags = ['default-provider', 'default-replication', 'rocksdb-disable-wal-fsync']
  return {
    version: /\d+\.\d+\.\d+/.exec(version)?.[0] ?? 'unknown',
    settings: flags.map(name => `${name} ${[...new Set([...resolved.matchAll(new RegExp(`^${name} = (.+)$`, 'gm'))].map(match => match[1]))].join('/')}`).join(', '),
    reach: () => Promise.resolve({ restate: { ingress: at(ingress), admin: at(admin) } }),
    stop,
  }
}

const guards = new Set<() => void>()

/** Ends every server now, without waiting. What a signal that ends the bench does. */
export function abandonServers(): void {
  for (const abandon of guards) abandon()
}

/** Starts a server behind a guard (guard.ts). The function ends it and resolves when it is gone. */
function guard(signal: NodeJS.Signals, user: User | undefined, folder: string, program: string, args: readonly string[]): () => Promise<void> {
  const child = spawn(process.execPath,
    [join(import.meta.dirname, 'guard.js'), signal, user === undefined ? '-' : `${user.uid}:${user.gid}`, folder, `${folder}.log`, program, ...args],
    { stdio: ['pipe', 'ignore', 'inherit'], detached: true })
  const ended = once(child, 'exit')
  const abandon = (): void => { child.stdin.end() }
  guards.add(abandon)
  void ended.then(() => guards.delete(abandon))
  return async () => {
    abandon()
    await ended
  }
}

async function untilReady(name: string, stop: () => Promise<void>, folder: string, look: () => Promise<unknown>): Promise<void> {
  const untilMs = performance.now() + START_MS
  for (;;) {
    try {
      await look()
      return
    } catch (error) {
      const log = `${folder}.log`
      const said = existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n').slice(-3).join(' | ') : ''
      if (!existsSync(folder) || performance.now() > untilMs) {
        await stop()
        throw new CannotRun(`${name} did not start: ${said || String(error)}`)
      }
      await delay(50)
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

function findProgram(name: string): string | undefined {
  return (process.env['PATH'] ?? '').split(delimiter).map(folder => join(folder, name)).find(path => existsSync(path))
}

/** Debian keeps PostgreSQL's programs out of the PATH, by version. */
function findPostgres(): string {
  const debian = '/usr/lib/postgresql'
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)).map(version => join(debian, version, 'bin')) : []
  const onPath = findProgram('initdb')
  const found = [...versions, ...onPath === undefined ? [] : [join(onPath, '..')]].find(bin => existsSync(join(bin, 'initdb')) && existsSync(join(bin, 'psql')))
  if (found === undefined) throw new CannotRun('PostgreSQL is not installed. Debian: apt-get install postgresql')
  return found
}

interface User {
  readonly uid: number
  readonly gid: number
}

/** PostgreSQL does not run as root: root starts it as the user that the package made. */
function userOfPostgres(): User | undefined {
  if (process.getuid?.() !== 0) return undefined
  const [uid, gid] = ['-u', '-g'].map(flag => spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' })).map(({ status, stdout }) => status === 0 ? Number(stdout) : undefined)
  if (uid === undefined || gid === undefined) throw new CannotRun('PostgreSQL does not run as root, and there is no user "postgres" to run it as')
  return { uid, gid }
}
