/** A host in a process of its own, whose disk fails when a file says so. */
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { compiledLibrary } from '../store/native.ts'
import type { Line, Request } from './fixtures/host.ts'

const HOST = fileURLToPath(new URL('fixtures/host.js', import.meta.url))

type Answer = { readonly value: unknown } | { readonly error: { readonly name: string, readonly code?: string, readonly message: string } }

export class FaultyHost {
  readonly logged: { readonly level: string, readonly event: unknown, readonly message: string }[] = []
  /** Errors that nobody caught. */
  readonly unhandled: string[] = []
  /** What it wrote to stderr: lmdb says there what it could not write. */
  complaints = ''
  readonly ended: Promise<string>
  readonly #faults: string
  readonly #child: ChildProcessWithoutNullStreams
  readonly #pending = new Map<number, (answer: Answer) => void>()
  #next = 1

  constructor(t: Test, folder: string, library: string | undefined) {
    this.#faults = join(folder, 'faults')
    const env = { ...process.env, NODE_OPTIONS: undefined, NODE_V8_COVERAGE: undefined, TROUPE_FAULTS: this.#faults, ...(library !== undefined && { LD_PRELOAD: library }) }
    this.#child = spawn(process.execPath, [HOST], { env })
    t.teardown(() => { this.#child.kill('SIGKILL') })
    this.#child.stdin.on('error', () => {}) // it may be gone already
    this.#child.stderr.on('data', (bytes: Buffer) => {
      this.complaints += bytes.toString()
      t.comment(`host: ${bytes.toString()}`)
    })
    this.ended = new Promise(resolve => {
      this.#child.once('close', (code, signal) => {
        for (const answer of this.#pending.values()) answer({ error: { name: 'HostDied', message: `${signal ?? code}` } })
        resolve(`${signal ?? code}`)
      })
    })
    createInterface(this.#child.stdout).on('line', line => { this.#take(JSON.parse(line) as Line) })
  }

  ask(request: Request): Promise<Answer> {
    const number = this.#next++
    this.#child.stdin.write(`${JSON.stringify({ number, ...request })}\n`)
    return new Promise(resolve => { this.#pending.set(number, resolve) })
  }

  /** What it answers; an error fails. */
  async get(request: Request): Promise<unknown> {
    const answer = await this.ask(request)
    if ('error' in answer) throw new Error(`${request.do}: ${answer.error.name} ${answer.error.message}`)
    return answer.value
  }

  /** See failing.c. */
  fail(how: string): void {
    writeFileSync(this.#faults, how)
  }

  heal(): void {
    rmSync(this.#faults, { force: true })
  }

  /** Closes it; resolves with its exit code, or the signal that it died of. */
  end(): Promise<string> {
    this.#child.stdin.end()
    return this.ended
  }

  logs(event: string): number {
    return this.logged.filter(line => line.event === event).length
  }

  #take(line: Line): void {
    if ('log' in line) this.logged.push(line.log)
    else if ('unhandled' in line) this.unhandled.push(line.unhandled)
    else {
      this.#pending.get(line.number)?.(line)
      this.#pending.delete(line.number)
    }
  }
}

/** The library that lets calls fail; without one the test is skipped, and says so. */
export function failingLibrary(t: Test): string | undefined {
  const library = compiledLibrary(t.testdir({}), 'faults/fixtures/failing.c')
  if (library === undefined) {
    t.comment('NOT SHOWN HERE: what a failing disk does. It takes Linux and a C compiler.')
    t.pass('skipped', { skip: 'no way to let calls fail: it takes Linux and a C compiler' })
  }
  return library
}

/** A folder in which something is mounted for a test; undefined where that is not allowed. */
export function mounted(t: Test, argsFor: (place: string) => readonly string[]): string | undefined {
  const place = mkdtempSync(join(tmpdir(), 'troupe-mounted-'))
  t.teardown(() => {
    spawnSync('umount', ['-l', place])
    rmSync(place, { recursive: true, force: true })
  })
  if (process.platform === 'linux' && spawnSync('mount', [...argsFor(place), place]).status === 0) return place
  t.comment('NOT SHOWN HERE: it takes Linux and the right to mount.')
  t.pass('skipped', { skip: 'no right to mount' })
  return undefined
}
