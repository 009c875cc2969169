/** What LMDB's table `meta` says of the store as a whole: its schema, and to which state of it the commit log's records are added. */
import { newToken } from '../../system.ts'
import type { WriteBatch } from './batch.ts'
import { type LogBase, STORE_ID_BYTES } from './commit-log.ts'
import { KeyWriter, readU48 } from './keys.ts'
import { payloadOf, seedOf } from './records.ts'
import type { Tables } from './engine.ts'

/**
 * Raised by whatever an older version would read wrongly. `logged`: the commit log may have commits that LMDB lacks, of which older
 * versions know nothing; a store that was closed is `whole`.
 */
export const SCHEMA = { whole: 1, logged: 2 } as const
export const NEWEST_SCHEMA = SCHEMA.logged

export const SCHEMA_KEY = 'schema'
const LOG_BASE_KEY = 'commit-log'

export function putSchema(batch: WriteBatch, schema: number): void {
  batch.key.utf8(SCHEMA_KEY)
  batch.put('meta', Uint8Array.of(schema), seedOf('meta', 0))
}

/** [base u48][id of the store]. */
export function putLogBase(batch: WriteBatch, { store, number }: LogBase): void {
  const value = new KeyWriter(6 + STORE_ID_BYTES).u48(number)
  for (const byte of store) value.u8(byte)
  batch.key.utf8(LOG_BASE_KEY)
  batch.put('meta', value.bytes.subarray(0, value.end), seedOf('meta', 0))
}

export function newLogBase(): LogBase {
  return { store: Buffer.from(newToken(), 'hex'), number: 0 }
}

export function readLogBase(tables: Tables): LogBase {
  const record = tables.meta.get(new KeyWriter().utf8(LOG_BASE_KEY))
  if (record === undefined) return newLogBase()
  const payload = payloadOf(record, 'meta', 0)
  return { store: payload.slice(6), number: readU48(payload, 0) }
}
