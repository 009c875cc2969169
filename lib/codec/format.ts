/**
 * The stored format of values, version 1. Every number here is durable: it may be added to, never given another meaning.
 *
 *   bytes = primitive
 *         | tree
 *         | Graph            v8
 *         | GraphWithHosts   hosts v8
 *         | GraphWithExtras  hosts v8, where v8 holds [value, bare, fields]
 *   primitive = one tag, then what the table says; 0x80..0xff are the whole numbers 0..127 themselves
 *   tree      = Object, u8 n, n times (string, primitive or tree) | Array, u8 n, n times (primitive or tree)
 *   v8        = what node:v8 writes: header and one value
 *   hosts     = varint e, then e times the head of an error (error-record.ts), memory (memory.ts)
 *   bare      = the objects of the value that have no prototype
 *   fields    = for each error of hosts the values of its fields
 *
 * Primitives and small trees (tree.ts) spare the start of a serializer. In the graph, what v8 would lose or change (the class of an error, which
 * views share a buffer, what is a Buffer) is a host object: the number of one of the hosts, errors first. So v8 itself
 * keeps identity and cycles, and its data never holds an error: one with a cause that Node 20 wrote, Node 22 cannot read.
 * Numbers and strings outside of v8's part are wire.ts's.
 */
import { StoreFormatError } from '../errors.ts'

export const Tag = {
  Undefined: 0x01,
  Null: 0x02,
  True: 0x03,
  False: 0x04,
  /** varint: a whole number 128..2^31-1 */
  Positive: 0x05,
  /** varint of the number negated: -1..-2^31 */
  Negative: 0x06,
  /** f64: all other numbers, -0, NaN and the infinities among them */
  Double: 0x07,
  /** string */
  String: 0x08,
  /** string of hexadecimal digits, after a '-' if negative */
  BigInt: 0x09,
  /** u8: so many fields, each a string that is not "__proto__" and its value; and the same for elements without keys */
  Object: 0x0a,
  Array: 0x0b,

  Graph: 0x10,
  GraphWithHosts: 0x11,
  GraphWithExtras: 0x12,

  SmallInt: 0x80,
} as const

/**
 * How deep objects may be nested, from the root on. Fixed, so that what one thread wrote any other can read: v8's reader
 * comes 1600 to 1900 levels deep on the stack of Node's main thread, and four times as deep in a worker thread (measured on
 * Node 20 and 24).
 */
export const MAX_DEPTH = 1000

export function damaged(how: string): StoreFormatError {
  return new StoreFormatError({ what: 'a stored value', problem: `is damaged (${how})` })
}

export function unknownTag(tag: number): StoreFormatError {
  return new StoreFormatError({
    what: 'a stored value', problem: `was written by a newer version of troupe, or is damaged (format 0x${tag.toString(16).padStart(2, '0')} is not known)`,
  })
}
