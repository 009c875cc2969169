/** Values that are not objects, to bytes and back without v8; the tags are in format.ts. */
import type { Encoded } from './encoded.ts'
import { Tag, unknownTag } from './format.ts'
import { type Reader, Writer } from './wire.ts'

/** What has bytes without being an object. */
export type Primitive = string | number | bigint | boolean | null | undefined

// One for all: a primitive runs no code of a user, so nothing comes between its tag and its bytes.
const wire = new Writer()

export function isPrimitive(value: unknown): value is Primitive {
  return value === null || typeof value !== 'object' && typeof value !== 'function' && typeof value !== 'symbol'
}

export function encodePrimitive(value: Primitive): Encoded {
  return viewOfPrimitive(value).slice() as Encoded
}

/** Not copied: good until the next primitive is encoded. */
export function viewOfPrimitive(value: Primitive): Encoded {
  wire.reset()
  writePrimitive(wire, value)
  return wire.view() as Uint8Array as Encoded
}

export function writePrimitive(to: Writer, value: Primitive): void {
  if (typeof value === 'string') {
    to.u8(Tag.String)
    to.string(value)
  } else if (typeof value === 'number') writeNumber(to, value)
  else if (typeof value === 'bigint') {
    to.u8(Tag.BigInt)
    to.string(value.toString(16))
  } else if (typeof value === 'boolean') to.u8(value ? Tag.True : Tag.False)
  else to.u8(value === null ? Tag.Null : Tag.Undefined)
}

/** The value after its tag. */
export function readPrimitive(tag: number, from: Reader): Primitive {
  if (tag >= Tag.SmallInt) return tag - Tag.SmallInt
  switch (tag) {
    case Tag.String: return from.string()
    case Tag.Positive: return from.varint()
    case Tag.Negative: return -from.varint()
    case Tag.Double: return from.f64()
    case Tag.True: return true
    case Tag.False: return false
    case Tag.Null: return null
    case Tag.Undefined: return undefined
    case Tag.BigInt: {
      const digits = from.string()
      return digits.startsWith('-') ? -BigInt(`0x${digits.slice(1)}`) : BigInt(`0x${digits}`)
    }
    default: throw unknownTag(tag)
  }
}

function writeNumber(to: Writer, value: number): void {
  if ((value | 0) !== value || value === 0 && 1 / value < 0) {
    to.u8(Tag.Double)
    to.f64(value)
  } else if (value < 0) {
    to.u8(Tag.Negative)
    to.varint(-value)
  } else if (value < 128) to.u8(Tag.SmallInt | value)
  else {
    to.u8(Tag.Positive)
    to.varint(value)
  }
}
