/** What the bounds of queues are kept with: the places their runs hold, the starts counted against their rates, and the settings. */
import type { Encoded } from '../../codec/encoded.ts'
import { Reader, Writer } from '../../codec/wire.ts'
import type { RunKey } from '../../model/run.ts'
import type { Change, RunMeta, RunProgress, SettingKind, StartRow } from '../contract.ts'
import { isStorable } from '../names.ts'
import type { WriteBatch } from './batch.ts'
import type { Tables } from './engine.ts'
import { KeyWriter, readF64, readU48, settingKey } from './keys.ts'
import { payloadOf, seedOf } from './records.ts'

export type BoundsChange = Extract<Change, { type: 'start-counted' | 'start-uncounted' | 'setting-put' | 'setting-removed' }>
export type HeldPlace = { readonly key: RunKey, readonly queue: string, readonly queueKey?: string }

/** Rows of one key are written in the order of their changes, so the last one stays. */
export function writeBounds(batch: WriteBatch, change: BoundsChange): void {
  switch (change.type) {
    case 'start-counted':
    case 'start-uncounted': {
      const { queue, atMs, key } = change.start
      batch.key.name(queue).f64(atMs).u48(key)
      return change.type === 'start-counted' ? batch.putEmpty('starts') : batch.remove('starts')
    }
    case 'setting-put':
      settingKey(batch.key, change.kind, change.name)
      return batch.put('settings', change.record, seedOf('settings', 0))
    case 'setting-removed':
      settingKey(batch.key, change.kind, change.name)
      return batch.remove('settings')
  }
}

/** A run of a named queue has a row as long as it holds a place. `after` is undefined for a run that goes. */
export function writePlace(batch: WriteBatch, { key, queue, queueKey }: RunMeta, before: RunProgress | undefined, after: RunProgress | undefined): void {
  const held = before?.holdsPlace === true
  const holds = after?.holdsPlace === true
  if (queue === undefined || held === holds) return
  batch.key.u48(key)
  if (!holds) return batch.remove('places')
  const to = new Writer()
  to.u8(queueKey === undefined ? 0 : 1)
  to.string(queue)
  if (queueKey !== undefined) to.string(queueKey)
  batch.put('places', to.view(), seedOf('places', key))
}

export function scanPlaces(tables: Tables, after: RunKey | undefined, limit: number): HeldPlace[] {
  const places: HeldPlace[] = []
  if (limit <= 0) return places
  const start = new KeyWriter().u48(after === undefined ? 0 : after + 1)
  for (const { key, value } of tables.places.getRange({ start, end: new KeyWriter().u48(0xffff_ffff_ffff).u8(0), limit })) {
    const run = readU48(key, 0) as RunKey
    const from = new Reader(payloadOf(value, 'places', run))
    const hasKey = from.u8() === 1
    places.push({ key: run, queue: from.string(), ...(hasKey ? { queueKey: from.string() } : {}) })
  }
  return places
}

export function countedStarts(tables: Tables, queue: string): StartRow[] {
  const starts: StartRow[] = []
  if (!isStorable(queue)) return starts
  const start = new KeyWriter().name(queue)
  const end = new KeyWriter().name(queue).f64(Infinity).u48(0xffff_ffff_ffff).u8(0)
  for (const key of tables.starts.getKeys({ start, end })) {
    starts.push({ queue, atMs: readF64(key, key.length - 14), key: readU48(key, key.length - 6) as RunKey })
  }
  return starts
}

export function readSettings(tables: Tables, kind: SettingKind): { readonly name: string, readonly record: Encoded }[] {
  const start = settingKey(new KeyWriter(), kind, '')
  const end = settingKey(new KeyWriter(), kind, '').u8(0xff) // a byte that UTF-8 does not have
  const settings: { name: string, record: Encoded }[] = []
  for (const { key, value } of tables.settings.getRange({ start, end })) {
    settings.push({ name: Buffer.from(key.subarray(1)).toString(), record: payloadOf(value, 'settings', 0) as Encoded })
  }
  return settings
}
