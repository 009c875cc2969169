/** The part of lmdb that the store uses, with the key type that its encoder takes (lmdb's own types know only built-in keys). */
import type { KeyBytes, TableName } from './keys.ts'

export interface KeyRange {
  readonly start: KeyBytes
  readonly end: KeyBytes
  readonly limit?: number
  /** From `start`, included, down to `end`, not included. */
  readonly reverse?: boolean
  readonly exclusiveStart?: boolean
}

export interface Table {
  get(key: KeyBytes): Uint8Array | undefined
  getRange(range: KeyRange): Iterable<{ readonly key: Uint8Array, readonly value: Uint8Array }>
  /** Keeps notes in the object it is given. */
  getKeys(range: KeyRange): Iterable<Uint8Array>
  getKeysCount(range: KeyRange): number
  putSync(key: KeyBytes, value: Uint8Array): boolean
  removeSync(key: KeyBytes): boolean
}

export type Tables = { readonly [name in TableName]: Table }
