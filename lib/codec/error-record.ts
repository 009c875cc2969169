/**
 * Errors inside values, and the errors that runs and steps end with.
 *
 *   head  = u8 built-in class, string registered class ('' if none), [DOMException: string message, string name],
 *           varint n, then n times: string key, u8 way
 *
 * and the values of these n fields in the graph (format.ts).
 *
 * Structured clone keeps of an error its message, stack and cause; this keeps its class, name, code, own fields and the
 * errors of an AggregateError too. Nothing in an error can make it unstorable: what cannot be stored is replaced by a
 * description in brackets, since the error one has is worth more than the error one would get for it.
 */
import { types } from 'node:util'
import { classesOf, DOM_EXCEPTION, makeBuiltIn, registeredClass } from './classes.ts'
import type { Reader, Writer } from './wire.ts'

/** How a field was there, and shall be again. */
const Way = {
  /** an enumerable field of its own */
  Field: 0,
  /** its own, not enumerable: as built-in errors have message, stack, cause and errors */
  Hidden: 1,
  /** from its prototype: needed only where the class that gave it is not known */
  Inherited: 2,
} as const

/** Fields that count although they are not enumerable. `stack` is handled by itself, as text. */
const HIDDEN_FIELDS = ['message', 'name', 'code', 'cause', 'errors', 'error', 'suppressed']
/** Fields that a class may give to its instances by its prototype. */
const INHERITED_FIELDS = ['message', 'name', 'code']

interface ErrorField {
  readonly key: string
  readonly way: number
}

interface DomFields {
  readonly message: string
  readonly name: string
}

/** All of an error but the values of its fields. */
export interface ErrorHead {
  readonly builtIn: number
  readonly className: string
  readonly dom: DomFields | undefined
  readonly fields: readonly ErrorField[]
}

/** An error that waits for the values of its fields. */
export interface EmptyError {
  readonly error: Error
  readonly fields: readonly ErrorField[]
}

/** Whether it goes through this codec: all errors, those of other realms and DOMExceptions included. */
export function isError(value: object): value is Error {
  return types.isNativeError(value) || value instanceof Error || value instanceof DOMException
}

export function headOf(error: Error): ErrorHead {
  const { className, builtIn } = classesOf(error)
  const dom = builtIn === DOM_EXCEPTION ? domFieldsOf(error) : undefined
  return { className, builtIn: builtIn === DOM_EXCEPTION && dom === undefined ? 0 : builtIn, dom, fields: fieldsOf(error, dom !== undefined) }
}

export function writeHead(wire: Writer, { builtIn, className, dom, fields }: ErrorHead): void {
  wire.u8(builtIn)
  wire.string(className)
  if (dom !== undefined) {
    wire.string(dom.message)
    wire.string(dom.name)
  }
  wire.varint(fields.length)
  for (const { key, way } of fields) {
    wire.string(key)
    wire.u8(way)
  }
}

export function readHead(wire: Reader): EmptyError {
  const builtIn = wire.u8()
  const errorClass = registeredClass(wire.string())
  const error = builtIn === DOM_EXCEPTION ? new DOMException(wire.string(), wire.string()) : makeBuiltIn(builtIn)
  // A native error under the prototype of its class, without a call of a constructor that may want arguments and do things.
  if (errorClass !== undefined) Object.setPrototypeOf(error, errorClass.prototype as object)
  const fields: ErrorField[] = []
  for (let left = wire.varint(); left > 0; left--) fields.push({ key: wire.string(), way: wire.u8() })
  return { error, fields }
}

export function fillError({ error, fields }: EmptyError, values: readonly unknown[]): void {
  let hasStack = false
  for (const [i, { key, way }] of fields.entries()) {
    const value = values[i]
    if (key === 'stack') hasStack = true
    if (way === Way.Inherited && attempt(() => (error as unknown as Readonly<Record<string, unknown>>)[key]) === value) continue
    Object.defineProperty(error, key, { value, writable: true, configurable: true, enumerable: way === Way.Field })
  }
  if (!hasStack) {
    const value = attempt(() => `${error.name}: ${error.message}`)
    Object.defineProperty(error, 'stack', { value, writable: true, configurable: true, enumerable: false })
  }
}

function fieldsOf(error: Error, isDomException: boolean): ErrorField[] {
  const fields: ErrorField[] = []
  // First, so that whatever else is cut off, what is read first is there.
  if (typeof attempt(() => error.stack) === 'string') fields.push({ key: 'stack', way: Way.Hidden })
  const enumerable = Object.keys(error)
  for (const key of HIDDEN_FIELDS) {
    if (Object.hasOwn(error, key) && !enumerable.includes(key)) fields.push({ key, way: Way.Hidden })
  }
  for (const key of enumerable) {
    if (key !== 'stack') fields.push({ key, way: Way.Field })
  }
  if (isDomException) return fields
  for (const key of INHERITED_FIELDS) {
    if (Object.hasOwn(error, key)) continue
    const value = attempt(() => (error as unknown as Readonly<Record<string, unknown>>)[key])
    if (typeof value === 'string' && value !== '' || typeof value === 'number') fields.push({ key, way: Way.Inherited })
  }
  return fields
}

/** A DOMException's message and name live in slots that only the built-in getters reach; undefined for an imitation. */
function domFieldsOf(error: Error): DomFields | undefined {
  return attempt(() => ({
    message: String(Reflect.get(DOMException.prototype, 'message', error)),
    name: String(Reflect.get(DOMException.prototype, 'name', error)),
  }))
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
