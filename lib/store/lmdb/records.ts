/**
 * Records as they lie in the file: [format u8][check of the key u32][crc32 u32][payload], numbers little-endian. The checksum starts
 * from a seed made of the table and the row's numbers, so that a sound record in the wrong place does not pass either: LMDB has no checksums
 * of its own. It is checked when the record is read; a key that is damaged is not found, so keys are checked when the store is opened.
 * A row that says all by its key has [format u8][check of the key u32]. Every format begins with these two.
 */
import { crc32 } from 'node:zlib'
import type { Encoded } from '../../codec/encoded.ts'
import type { Writer } from '../../codec/wire.ts';
import { Reader } from '../../codec/wire.ts'
import { StoreFormatError } from '../../errors.ts'
import type { RunKey } from '../../model/run.ts'
import type { Outcome, RunMeta, RunProgress } from '../contract.ts'
import { STATUS_BYTES, STATUS_OF_BYTE, TABLES, type TableName } from './keys.ts'

/** The one format of records so far. */
export const FORMAT = 1
export const HEADER_BYTES = 9
export const KEY_ROW_BYTES = 5

const SEED_OF = Object.fromEntries(TABLES.map((name, number) => [name, Math.imul(number + 1, 0x9e3779b1) >>> 0])) as Record<TableName, number>

/** Where a record belongs. `part` is the position or the index where the key has one. */
export function seedOf(table: TableName, run: number, part = 0): number {
  return (SEED_OF[table] ^ run ^ Math.imul(part, 0x85ebca6b)) >>> 0
}

/** FNV-1a: done for every row of a file when it is opened, so it has to be quick; and no change of a few bytes goes unnoticed. */
export function keyCheck(table: TableName, bytes: Uint8Array, start: number, end: number): number {
  let check = SEED_OF[table]
  for (let at = start; at < end; at++) check = Math.imul(check ^ bytes[at]!, 0x01000193)
  return check >>> 0
}

/**
 * The payload of a record, a view on its bytes.
 * @throws StoreFormatError naming the table and the row, for a record that is damaged or newer
 */
export function payloadOf(record: Uint8Array, table: TableName, run: number, part?: number): Uint8Array {
  const what = `a record of table "${table}" for run ${run}${part === undefined ? '' : ` (${part})`}`
  const format = record[0] ?? 0
  if (format !== FORMAT) {
    throw new StoreFormatError({ what, problem: format > FORMAT ? `has format ${format}, which this version does not know` : 'is damaged' })
  }
  const payload = record.subarray(HEADER_BYTES)
  const crc = (record[5]! | (record[6]! << 8) | (record[7]! << 16) | (record[8]! << 24)) >>> 0
  if (crc32(payload, seedOf(table, run, part)) !== crc) throw new StoreFormatError({ what, problem: 'is damaged (its checksum does not fit)' })
  return payload
}

const OUTCOME_BYTES = { result: 0, error: 1 } as const

const META = { queue: 1, queueKey: 2, deduplicationId: 4, parent: 8, forkedFrom: 16, timeout: 32, version: 64 } as const

export function writeMeta(to: Writer, meta: RunMeta): void {
  const { parent } = meta
  to.u8(
    (meta.queue === undefined ? 0 : META.queue) | (meta.queueKey === undefined ? 0 : META.queueKey) |
    (meta.deduplicationId === undefined ? 0 : META.deduplicationId) | (parent === undefined ? 0 : META.parent) |
    (meta.forkedFrom === undefined ? 0 : META.forkedFrom) | (meta.timeoutMs === undefined ? 0 : META.timeout) |
    (meta.version === undefined ? 0 : META.version))
  to.string(meta.id)
  to.string(meta.workflow)
  to.f64(meta.createdAtMs)
  to.f64(meta.priority)
  if (meta.queue !== undefined) to.string(meta.queue)
  if (meta.queueKey !== undefined) to.string(meta.queueKey)
  if (meta.deduplicationId !== undefined) to.string(meta.deduplicationId)
  if (parent !== undefined) {
    to.varint(parent.key)
    to.string(parent.id)
    to.varint(parent.index)
  }
  if (meta.forkedFrom !== undefined) to.string(meta.forkedFrom)
  if (meta.timeoutMs !== undefined) to.f64(meta.timeoutMs)
  if (meta.version !== undefined) to.string(meta.version)
  const tags = Object.entries(meta.tags)
  to.varint(tags.length)
  for (const [name, value] of tags) {
    to.string(name)
    to.string(value)
  }
}

export function readMeta(payload: Uint8Array, key: RunKey, args: Encoded): RunMeta {
  const from = new Reader(payload)
  const has = from.u8()
  // The fields are read in the order in which this object lists them.
  const meta = {
    key,
    id: from.string(),
    workflow: from.string(),
    args,
    createdAtMs: from.f64(),
    priority: from.f64(),
    ...(has & META.queue ? { queue: from.string() } : {}),
    ...(has & META.queueKey ? { queueKey: from.string() } : {}),
    ...(has & META.deduplicationId ? { deduplicationId: from.string() } : {}),
    ...(has & META.parent ? { parent: { key: from.varint() as RunKey, id: from.string(), index: from.varint() } } : {}),
    ...(has & META.forkedFrom ? { forkedFrom: from.string() } : {}),
    ...(has & META.timeout ? { timeoutMs: from.f64() } : {}),
    ...(has & META.version ? { version: from.string() } : {}),
  }
  const tags: Record<string, string> = {}
  for (let left = from.varint(); left > 0; left--) {
    const name = from.string()
    // Defined, not assigned: a tag may be called "__proto__".
    Object.defineProperty(tags, name, { value: from.string(), enumerable: true, configurable: true, writable: true })
  }
  return { ...meta, tags }
}

const PROGRESS = {
  suspect: 1, startedAt: 2, finishedAt: 4, deadlineAt: 8, ending: 16, endingTimedOut: 32, startAt: 64, respawnAt: 128, holdsPlace: 256, trouble: 512,
} as const

export function writeProgress(to: Writer, progress: RunProgress): void {
  const { ending } = progress
  to.u8(STATUS_BYTES[progress.status])
  to.varint(
    (progress.suspect ? PROGRESS.suspect : 0) | (progress.startedAtMs === undefined ? 0 : PROGRESS.startedAt) |
    (progress.finishedAtMs === undefined ? 0 : PROGRESS.finishedAt) | (progress.deadlineAtMs === undefined ? 0 : PROGRESS.deadlineAt) |
    (ending === undefined ? 0 : PROGRESS.ending) | (ending?.reason === 'timed-out' ? PROGRESS.endingTimedOut : 0) |
    (progress.startAtMs === undefined ? 0 : PROGRESS.startAt) | (progress.respawnAtMs === undefined ? 0 : PROGRESS.respawnAt) |
    (progress.holdsPlace === true ? PROGRESS.holdsPlace : 0) | (progress.trouble === undefined ? 0 : PROGRESS.trouble))
  to.varint(progress.incarnation)
  to.varint(progress.crashes)
  to.varint(progress.processDeaths)
  to.f64(progress.queuePosition)
  to.f64(progress.updatedAtMs)
  to.varint(progress.crashesAtMs.length)
  for (const atMs of progress.crashesAtMs) to.f64(atMs)
  if (progress.startedAtMs !== undefined) to.f64(progress.startedAtMs)
  if (progress.finishedAtMs !== undefined) to.f64(progress.finishedAtMs)
  if (progress.deadlineAtMs !== undefined) to.f64(progress.deadlineAtMs)
  if (progress.startAtMs !== undefined) to.f64(progress.startAtMs)
  if (progress.respawnAtMs !== undefined) to.f64(progress.respawnAtMs)
  if (ending !== undefined) {
    to.f64(ending.atMs)
    to.f64(ending.graceMs)
  }
  if (progress.trouble !== undefined) {
    to.f64(progress.trouble.atMs)
    to.string(progress.trouble.text)
  }
}

export function readProgress(payload: Uint8Array, key: RunKey): RunProgress {
  const from = new Reader(payload)
  const status = STATUS_OF_BYTE[from.u8()]
  if (status === undefined) throw new StoreFormatError({ what: `the state of run ${key}`, problem: 'is none that this version knows' })
  const has = from.varint()
  // The fields are read in the order in which this object lists them.
  return {
    status,
    suspect: (has & PROGRESS.suspect) !== 0,
    incarnation: from.varint(),
    crashes: from.varint(),
    processDeaths: from.varint(),
    queuePosition: from.f64(),
    updatedAtMs: from.f64(),
    crashesAtMs: Array.from({ length: from.varint() }, () => from.f64()),
    ...(has & PROGRESS.holdsPlace ? { holdsPlace: true } : {}),
    ...(has & PROGRESS.startedAt ? { startedAtMs: from.f64() } : {}),
    ...(has & PROGRESS.finishedAt ? { finishedAtMs: from.f64() } : {}),
    ...(has & PROGRESS.deadlineAt ? { deadlineAtMs: from.f64() } : {}),
    ...(has & PROGRESS.startAt ? { startAtMs: from.f64() } : {}),
    ...(has & PROGRESS.respawnAt ? { respawnAtMs: from.f64() } : {}),
    ...(has & PROGRESS.ending
      ? { ending: { reason: has & PROGRESS.endingTimedOut ? 'timed-out' as const : 'cancelled' as const, atMs: from.f64(), graceMs: from.f64() } }
      : {}),
    ...(has & PROGRESS.trouble ? { trouble: { atMs: from.f64(), text: from.string() } } : {}),
  }
}

export function writeOutcome(to: Writer, outcome: Outcome): void {
  to.u8(OUTCOME_BYTES[outcome.type])
  to.raw(outcome.value)
}

export function readOutcome(payload: Uint8Array): Outcome {
  return { type: payload[0] === OUTCOME_BYTES.result ? 'result' : 'error', value: payload.subarray(1) as Encoded }
}
