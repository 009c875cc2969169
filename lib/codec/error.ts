/** Whatever a step or workflow threw, to bytes and back. How errors are written is in error-record.ts. */
import type { Encoded } from './encoded.ts'
import { decodeValue, encodeLeniently } from './value.ts'

export { registerErrorClasses } from './classes.ts'

/**
 * The bytes of a thrown thing: an error with its class, message, stack, name, fields, causes and aggregated errors, or any
 * other value. Never throws: a part that cannot be stored (a function, a socket, a getter that throws) is replaced by a
 * short description in brackets, `[Socket]`, and the rest survives.
 */
export function encodeError(thrown: unknown): Encoded {
  return encodeLeniently(thrown)
}

/**
 * The thrown thing. Instances of registered classes, of troupe's and of the built-in ones are `instanceof` their class
 * again (DOMException included), without a call of its constructor; of other classes, of the nearest of these they extend,
 * with their `name` kept.
 * @throws StoreFormatError for bytes that are damaged or of a newer format
 */
export function decodeError(bytes: Uint8Array): unknown {
  return decodeValue(bytes)
}
