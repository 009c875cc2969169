/** What tests of the whole share: an open Troupe in a folder of the test's own, a logger that remembers, and facts to wait for. */
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import workerThreads from 'node:worker_threads'
import type { WorkerOptions } from 'node:worker_threads'
import type { Test } from 'tap'
import { Troupe } from 'troupe'
import type { Logger, RunInfo, TroupeOptions } from 'troupe'
import { isInMemory, linkToStore } from './harness-inline.ts'

/**
 * Threads begin bare: without source maps, which each would read for all it loads, and without the loaders that `tap run` slips into
 * all that a test starts. Both make opening a Troupe some ten times slower. Coverage is measured where it is asked for.
 */
process.env['NODE_OPTIONS'] = process.env['NODE_OPTIONS']?.replaceAll(/"?--import=\S*@tapjs\S*/g, '') ?? ''
const execArgv = process.execArgv.filter(word => word.startsWith('--require='))
workerThreads.Worker = class extends workerThreads.Worker {
  constructor(file: string | URL, options?: WorkerOptions) {
    super(file, { execArgv, ...options })
  }
}
syncBuiltinESMExports()

export interface LogLine {
  readonly level: keyof Logger
  readonly fields: Readonly<Record<string, unknown>>
  readonly message: string
}

export interface RecordingLogger extends Logger {
  readonly lines: readonly LogLine[]
}

export function recordingLogger(): RecordingLogger {
  const lines: LogLine[] = []
  const write = (level: keyof Logger) => (fields: object, message = ''): void => { lines.push({ level, fields: { ...fields }, message }) }
  return { lines, debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') }
}

/** A folder for a store, removed with the test. Ask once a test: t.testdir() begins afresh each time. */
export function storeFolder(t: Test): string {
  return join(t.testdir({}), 'store')
}

export type OpenOptions = Pick<TroupeOptions, 'workflows'> & Partial<TroupeOptions>

/**
 * An open Troupe: two threads, commits as quick as the kernel, a silent logger, and a store of the test's own unless the
 * options say otherwise. It is closed with the test; closing it earlier is fine.
 */
export async function openTroupe(t: Test, options: OpenOptions): Promise<Troupe> {
  const store = options.store ?? storeFolder(t)
  const all = { threads: 2, durability: 'process-crash', logger: recordingLogger(), ...options, store } as const
  const troupe = isInMemory() ? await Troupe.openOver(all, linkToStore()) : await Troupe.open(all)
  t.teardown(() => troupe.close({ mode: 'abandon' }))
  return troupe
}

/** Longest wait for a fact: far beyond what any takes, so that only one that never comes fails. */
const FACT_WAIT_MS = 60_000

/** Asks until the answer is something other than undefined or false, and gives it. A fact that never comes fails, by its name. */
export async function until<T>(fact: string, ask: () => T | Promise<T>): Promise<Exclude<T, undefined | false>> {
  const deadlineMs = performance.now() + FACT_WAIT_MS
  for (;;) {
    const answer = await ask()
    if (answer !== undefined && answer !== false) return answer as Exclude<T, undefined | false>
    if (performance.now() > deadlineMs) throw new Error(`It never came true that ${fact}`)
    await delay(5)
  }
}

/** What a promise rejects with; fails if it resolves. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  const outcome = await promise.then(value => ({ value }), (error: unknown) => ({ error }))
  if ('error' in outcome) return outcome.error
  throw new Error('It resolved, where a rejection was expected')
}

export async function listAll(troupe: Troupe, filter?: Parameters<Troupe['list']>[0]): Promise<RunInfo[]> {
  const runs: RunInfo[] = []
  for await (const run of troupe.list(filter)) runs.push(run)
  return runs
}

/** All that a host can see of a store: every run with its values, and its steps. For "the store is unchanged". */
export async function storeImage(troupe: Troupe): Promise<readonly object[]> {
  const image: object[] = []
  for (const run of await listAll(troupe, { order: 'oldest-first', values: true })) {
    image.push({ ...run, steps: await (await troupe.get(run.id)).steps() })
  }
  return image
}
