/**
 * Removes a run: every row it has in any table but those of the journals, and the rows that others keep of it. What stays are
 * the starts counted against its queue's rate, which are the queue's, and the timers, of which a finished run has none.
 */
import type { RunMeta, RunProgress } from '../contract.ts'
import type { WriteBatch } from './batch.ts'
import { writePlace } from './bounds.ts'
import type { Tables } from './engine.ts'
import { KeyWriter, labelKey, labelsOf, STATUS_BYTES, type TableName } from './keys.ts'

/** One row a run, under its key. */
const SINGLE = ['metas', 'args', 'progress', 'outcomes'] as const satisfies readonly TableName[]
/** Any number of rows, under keys that begin with the run's. */
const MANY = ['waits', 'awaiters', 'parents', 'messages', 'message-keys', 'events', 'streams'] as const satisfies readonly TableName[]

export function removeRun(tables: Tables, batch: WriteBatch, meta: RunMeta, progress: RunProgress): void {
  const { key: run, createdAtMs, parent } = meta
  batch.key.utf8(meta.id)
  batch.remove('ids')
  for (const table of SINGLE) {
    batch.key.u48(run)
    batch.remove(table)
  }
  batch.key.f64(createdAtMs).u48(run)
  batch.remove('created')
  batch.key.u8(STATUS_BYTES[progress.status]).f64(createdAtMs).u48(run)
  batch.remove('status')
  if (progress.status === 'enqueued') {
    batch.key.f64(meta.priority).f64(progress.queuePosition).u48(run)
    batch.remove('queue')
  }
  writePlace(batch, meta, progress, undefined)
  for (const label of labelsOf(meta)) {
    labelKey(batch.key, label).f64(createdAtMs).u48(run)
    batch.remove('labels')
  }
  if (parent !== undefined) {
    batch.key.u48(parent.key).u48(run)
    batch.remove('parents')
  }
  for (const table of MANY) {
    let isFirst = true
    for (const key of tables[table].getKeys({ start: new KeyWriter().u48(run), end: new KeyWriter().u48(run + 1) })) {
      batch.key.raw(key)
      if (isFirst) batch.remove(table)
      else batch.removeNext(table)
      isFirst = false
    }
  }
}
