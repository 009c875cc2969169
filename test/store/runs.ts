/** Runs and changes for the tests of the stores. */
import type { Encoded } from '../../lib/codec/encoded.ts'
import type { RunKey, RunStatus } from '../../lib/model/run.ts'
import type { Change, RunMeta, RunProgress, Store } from '../../lib/store/contract.ts'

export function bytes(...values: number[]): Encoded {
  return Uint8Array.from(values) as Encoded
}

export function text(value: string): Encoded {
  return new TextEncoder().encode(value) as Encoded
}

export function metaOf(key: RunKey, facts: Partial<RunMeta> = {}): RunMeta {
  return { key, id: `run-${key}`, workflow: 'w', args: bytes(1, 2, 3), createdAtMs: 1_000 + key, priority: 0, tags: {}, ...facts }
}

export function progressOf(status: RunStatus, facts: Partial<RunProgress> = {}): RunProgress {
  return {
    status, incarnation: 0, crashes: 0, crashesAtMs: [], processDeaths: 0, suspect: false, queuePosition: 0, updatedAtMs: 1_000, ...facts,
  }
}

export interface Started {
  readonly key: RunKey
  readonly meta: RunMeta
  readonly progress: RunProgress
}

export function newRun(store: Store, facts: Partial<RunMeta> = {}, status: RunStatus = 'enqueued', progress: Partial<RunProgress> = {}): Started {
  const key = store.newRunKey()
  return { key, meta: metaOf(key, facts), progress: progressOf(status, progress) }
}

export function started(run: Started): Change {
  return { type: 'run-started', meta: run.meta, progress: run.progress }
}

/** The change, and the run as it is after it. */
export function moved(run: Started, status: RunStatus, facts: Partial<RunProgress> = {}): { readonly change: Change, readonly run: Started } {
  const after = { ...run.progress, status, ...facts }
  return { change: { type: 'run-changed', meta: run.meta, before: run.progress, after }, run: { ...run, progress: after } }
}

/** What was read, with every kind of bytes made the same kind, so that two stores can be compared. */
export function plain<T>(value: T): T {
  if (value instanceof Uint8Array) return `bytes:${Buffer.from(value).toString('hex')}` as T
  if (Array.isArray(value)) return value.map(plain) as T
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, part]) => [name, plain(part)])) as T
}
