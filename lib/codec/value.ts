import { deserialize, serialize } from 'node:v8'
import type { Encoded } from './encoded.ts'

export type { Encoded } from './encoded.ts'

/** Whose value it is, for the message of UnserializableValueError. */
export interface ValueOwner {
  /** In words: 'the result of step "resize" of workflow "thumbnails"'. */
  readonly what: string
  /** What paths start with: 'result', 'args'. */
  readonly root: string
}

export function encodeValue(value: unknown, _owner: ValueOwner | (() => ValueOwner)): Encoded {
  return serialize(value) as unknown as Encoded
}

export function decodeValue(bytes: Uint8Array): unknown {
  return deserialize(bytes)
}
