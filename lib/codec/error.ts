import { deserialize, serialize } from 'node:v8'
import type { Encoded } from './encoded.ts'

export function encodeError(thrown: unknown): Encoded {
  return serialize(thrown) as unknown as Encoded
}

export function decodeError(bytes: Uint8Array): unknown {
  return deserialize(bytes)
}

export function registerErrorClasses(..._classes: (new (...args: never[]) => Error)[]): void {}
