/**
 * The stored format of values, version 1. Every number here is durable: it may be added to, never given another meaning.
 *
 *   bytes      = primitive                                        a value that is not an object
 *              | Tree  value                                      objects, each met once
 *              | Graph value                                      objects, some met again: ids count
 *              | GraphWithMemory varint(length) value memory      the same, and views on memory (memory.ts)
 *   value      = one tag, then what the table says; 0x80..0xff are the whole numbers 0..127 themselves
 *
 * Objects, in the order they are met, have the ids 0, 1, 2, ...; Ref names one of them. Numbers and strings are wire.ts's.
 * It is troupe's own format rather than v8.serialize's: one pass checks and writes (a getter is asked once), small records
 * take a fifth of the time, and any Node version reads what any other wrote (v8's errors and next header version do not).
 */
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

  Tree: 0x10,
  Graph: 0x11,
  GraphWithMemory: 0x12,

  /** varint: the id */
  Ref: 0x20,
  /** varint n, then n times string key, value */
  Object: 0x21,
  /** the same, for an object without a prototype */
  BareObject: 0x22,
  /** varint n, then n values */
  Array: 0x23,
  /** varint length, varint n, then n times string key (indices too), value: arrays with holes or fields of their own */
  OddArray: 0x24,
  /** varint n, then n times value, value */
  Map: 0x25,
  /** varint n, then n values */
  Set: 0x26,
  /** f64: milliseconds, NaN for an invalid one */
  Date: 0x27,
  /** string source, string flags */
  RegExp: 0x28,
  /** value: the primitive in a Number, String, Boolean or BigInt object */
  Boxed: 0x29,
  /** see error-record.ts */
  Error: 0x2a,
  /** varint: which of the memory's views */
  View: 0x2b,
  /** varint: which of the memory's buffers */
  Buffer: 0x2c,

  SmallInt: 0x80,
} as const

/**
 * How deep objects may be nested, from the root on. Fixed, so that what one thread wrote any other can read: the deepest takes
 * about half of the stack of Node's main thread (measured, cold code included), and a quarter of that in a worker thread.
 */
export const MAX_DEPTH = 1000
