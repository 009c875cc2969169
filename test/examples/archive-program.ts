import type { Test } from 'tap'
import { execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

/** The program as its users run it: a process with arguments, an exit code, and a power switch. */
const program = fileURLToPath(new URL('../../examples/archive/main.js', import.meta.url))
export const seed = Number(process.env['TEST_SEED'] ?? 20_261_122)

export interface Ended { readonly code: number | null, readonly signal: NodeJS.Signals | null, readonly text: string }

export async function run(args: readonly string[], disturb: (stop: (signal: NodeJS.Signals) => void, ended: Promise<unknown>) => Promise<void> = async () => {}): Promise<Ended> {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, NODE_V8_COVERAGE: undefined } })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (piece: string) => { text += piece })
  const ended = once(child, 'close')
  await disturb(signal => { child.kill(signal) }, ended)
  await ended
  return { code: child.exitCode, signal: child.signalCode, text }
}

export function randomFrom(start: number): () => number {
  let state = start >>> 0
  return () => { // mulberry32
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** A folder with some of everything, the same for the same seed. */
export function makeFolder(folder: string, files = 150): void {
  const random = randomFrom(seed)
  const text = (length: number): string => Array.from({ length: Math.ceil(length / 8) }, () => random().toString(36).slice(2, 6)).join(' the ').slice(0, length)
  for (const name of ['a/b/c', 'empty/emptier', 'grüße 日本']) mkdirSync(join(folder, name), { recursive: true })
  const places = ['.', 'a', 'a/b', 'a/b/c', 'grüße 日本']
  for (let index = 0; index < files; index += 1) {
    const place = places[Math.floor(random() * places.length)] ?? '.'
    const contents = index % 10 === 9 ? 'one of many alike' : text(Math.floor(random() ** 3 * 60_000))
    writeFileSync(join(folder, place, `file-${index}`), contents, { mode: index % 7 === 0 ? 0o600 : 0o644 })
  }
  writeFileSync(join(folder, 'new\nline'), 'x')
  writeFileSync(Buffer.concat([Buffer.from(`${folder}/not utf-8 `), Buffer.from([0xff, 0xfe])]), 'y')
  writeFileSync(join(folder, 'large'), text(6_000_000))
  writeFileSync(join(folder, 'empty file'), '')
  symlinkSync('nowhere', join(folder, 'dangling'))
  utimesSync(join(folder, 'a'), 1_000_000_000, 1_000_000_000.25)
}

/** All of a tree that an archive must bring back; times to the microsecond. */
export function look(folder: string, path = Buffer.from(folder)): string[] {
  const stats = lstatSync(path, { bigint: true })
  const contents = stats.isSymbolicLink() ? readlinkSync(path) : stats.isFile() ? createHash('sha256').update(readFileSync(path)).digest('hex') : ''
  const line = `${path.toString('latin1').slice(Buffer.from(folder).length)} ${stats.mode} ${stats.mtimeNs / 1000n} ${contents}`
  const names = stats.isDirectory() ? readdirSync(path, 'buffer').sort(Buffer.compare) : []
  return [line, ...names.flatMap(name => look(folder, Buffer.concat([path, Buffer.from('/'), name])))]
}

export const manifestOf = (output: string): string => readFileSync(join(output, 'manifest.json'), 'utf8')

async function until(condition: () => boolean, ended: Promise<unknown>): Promise<void> {
  let over = false
  void ended.then(() => { over = true })
  while (!condition() && !over) await wait(2)
}

export async function mustEnd(t: Test, args: readonly string[], code: number, ...patterns: readonly RegExp[]): Promise<string> {
  const ended = await run(args)
  t.equal(ended.code, code, `${args.map(arg => arg.replace(/.*\//, '')).join(' ')}: exit code`)
  for (const pattern of patterns) t.match(ended.text, pattern)
  if (ended.code !== code) t.comment(ended.text)
  return ended.text
}

function countObjects(output: string): number {
  const objects = join(output, 'objects')
  return existsSync(objects) ? readdirSync(objects).reduce((sum, prefix) => sum + readdirSync(join(objects, prefix)).length, 0) : 0
}

/** Starts it, and sends the signals once it has stored another object: then the list of files is settled, and there is more to do. */
export async function interrupt(args: readonly string[], output: string, ...signals: readonly NodeJS.Signals[]): Promise<Ended> {
  const before = countObjects(output)
  return await run(args, async (stop, ended) => {
    await until(() => countObjects(output) > before, ended)
    for (const signal of signals) stop(signal)
  })
}

/** Runs a command of the system, quietly; throws when it fails. */
export function system(command: string, ...args: readonly string[]): void {
  execFileSync(command, args, { stdio: 'ignore' })
}
