/**
 * Small trees of plain objects, arrays and primitives, to bytes and back without v8: most results and arguments are such, and
 * for them the start of a serializer costs several times what writing them does.
 *
 * It says no to whatever is not exactly that (an object met twice, a getter, a class, an own "__proto__", a hole), and to
 * what is not small; value.ts then lets v8 write it. So both give back the same value, and which one wrote it cannot be told.
 */
import { types } from 'node:util'
import { fieldsOf } from './array.ts'
import type { Encoded } from './encoded.ts'
import { damaged, Tag } from './format.ts'
import { isPrimitive, readPrimitive, writePrimitive } from './primitive.ts'
import { Reader, Writer } from './wire.ts'

/** More objects than this are found again too slowly by comparing each with all others. */
const MOST_CONTAINERS = 12
const MOST_FIELDS = 64
const MOST_ELEMENTS = 64

const { getOwnPropertyDescriptor, getPrototypeOf, prototype: objectPrototype } = Object
const describe = (value: object): string => Object.prototype.toString.call(value)

const wire = new Writer()
const seen: object[] = []
/** A symbol's getter or a trap may encode something itself, while this is under way. */
let busy = false

/** Good until the next one is written; undefined: v8 is to write it. */
export function viewOfTree(value: object): Encoded | undefined {
  if (busy) return undefined
  busy = true
  try {
    wire.reset()
    return writeContainer(value) ? wire.view() as Uint8Array as Encoded : undefined
  } catch { // a getter of a symbol or a trap, that threw
    return undefined
  } finally {
    busy = false
    seen.length = 0
  }
}

export function isTree(tag: number | undefined): boolean {
  return tag === Tag.Object || tag === Tag.Array
}

/** @throws StoreFormatError or RangeError for damaged bytes */
export function decodeTree(bytes: Uint8Array): unknown {
  const from = new Reader(bytes)
  const value = readElement(from)
  if (from.remaining > 0) throw damaged('bytes are left over')
  return value
}

function writeContainer(value: object): boolean {
  if (seen.length === MOST_CONTAINERS || seen.includes(value) || types.isProxy(value)) return false
  seen.push(value)
  if (Array.isArray(value)) return writeArray(value)
  // Neither an error nor `arguments`, and nothing that calls itself otherwise.
  return getPrototypeOf(value) === objectPrototype && describe(value) === '[object Object]' && writeObject(value)
}

function writeObject(value: object): boolean {
  wire.u8(Tag.Object)
  const countAt = wire.length
  wire.u8(0)
  let count = 0
  // Twice as quick as Object.keys(); what a program added to Object.prototype is passed over as not the object's own.
  // oxlint-disable-next-line guard-for-in
  for (const key in value) {
    const field = getOwnPropertyDescriptor(value, key)
    if (field === undefined) continue
    if (count++ === MOST_FIELDS || key === '__proto__' || field.get !== undefined || field.set !== undefined) return false
    wire.string(key)
    if (!writeElement(field.value)) return false
  }
  wire.replaceU8(countAt, count)
  // What looks empty may be something else that changed its prototype.
  return count > 0
}

function writeArray(value: readonly unknown[]): boolean {
  const { length } = value
  if (length > MOST_ELEMENTS || fieldsOf(value).length > 0) return false
  wire.u8(Tag.Array)
  wire.u8(length)
  for (let i = 0; i < length; i++) {
    const element = value[i]
    if (element === undefined && !(i in value) || !writeElement(element)) return false
  }
  return value.length === length
}

function writeElement(element: unknown): boolean {
  if (!isPrimitive(element)) return typeof element === 'object' && writeContainer(element)
  writePrimitive(wire, element)
  return true
}

function readElement(from: Reader): unknown {
  const tag = from.u8()
  if (tag === Tag.Object) {
    const object: Record<string, unknown> = {}
    for (let left = from.u8(); left > 0; left--) {
      const key = from.key()
      if (key === '__proto__') throw damaged('it has a field that is never written')
      object[key] = readElement(from)
    }
    return object
  }
  if (tag !== Tag.Array) return readPrimitive(tag, from)
  const elements: unknown[] = []
  for (let left = from.u8(); left > 0; left--) elements.push(readElement(from))
  return elements
}
