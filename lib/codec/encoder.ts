/**
 * Checks and writes a value in one pass: what it refuses, it refuses with the path, and a getter is asked once. The format
 * is in tags.ts.
 */
import { inspect, types } from 'node:util'
import { isError, writeError } from './error-record.ts'
import { MemoryWriter } from './memory.ts'
import type { PathKey } from './path.ts'
import {
  ARGUMENTS, DETACHED, extraFields, PROXY, type Refusal, refusalOfBuiltIn, refusalOfEmptyInstance, refusalOfPrimitive, refusalOfThrown, tooDeep,
} from './refusal.ts'
import { MAX_DEPTH, Tag } from './tags.ts'
import { Writer } from './wire.ts'

/** Up to here a look through the list of objects is quicker than a Map. */
const LISTED_OBJECTS = 48
/** Up to here all keys of an array are listed to find its fields that are not indices; of longer ones see isOdd. */
const LISTED_KEYS = 64

/** A refusal on its way up to where it is answered: never seen outside this folder, so it needs no stack. */
export class Refused {
  readonly refusal: Refusal

  constructor(refusal: Refusal) {
    this.refusal = refusal
  }
}

/** An object that was first met inside an error, where anything goes, and again in the value itself, where it does not. */
interface MetAgain {
  readonly value: object
  readonly path: readonly PathKey[]
}

/** Writes one value at a time; reset() makes it ready for the next. */
export class Encoder {
  readonly wire = new Writer(1024)
  /** The way to the place being written; only the first `depth` keys count. */
  readonly path: PathKey[] = []
  depth = 0
  /** Whether any object was met twice. */
  hasRefs = false
  memory: MemoryWriter | undefined
  /** Inside errors: what cannot be stored is described instead of refused. */
  lenient = false
  /** Objects to be checked once more if anything was replaced by a description. */
  metAgain: MetAgain[] = []
  replaced = 0

  readonly #objects: object[] = []
  #ids: Map<object, number> | undefined
  #lenientFrom: Set<object> | undefined

  reset(): void {
    this.wire.reset()
    this.path.length = 0 // keys may be the user's objects
    this.depth = 0
    this.hasRefs = false
    this.memory = undefined
    this.lenient = false
    if (this.metAgain.length > 0) this.metAgain = []
    this.replaced = 0
    this.#objects.length = 0
    this.#ids = undefined
    this.#lenientFrom = undefined
  }

  /** @throws Refused, or what the value's own code throws while it is read */
  write(value: unknown): void {
    const wire = this.wire
    switch (typeof value) {
      case 'string':
        wire.u8(Tag.String)
        wire.string(value)
        return
      case 'number':
        this.#number(value)
        return
      case 'boolean':
        wire.u8(value ? Tag.True : Tag.False)
        return
      case 'undefined':
        wire.u8(Tag.Undefined)
        return
      case 'object':
        if (value === null) wire.u8(Tag.Null)
        else this.#object(value)
        return
      case 'bigint':
        wire.u8(Tag.BigInt)
        wire.string(value.toString(16))
        return
      case 'function':
      case 'symbol':
        throw new Refused(refusalOfPrimitive(value))
    }
  }

  /** The same, but what cannot be stored is replaced by a description in brackets. Never throws. */
  writeOrDescribe(read: () => unknown): void {
    const length = this.wire.length
    const objects = this.#objects.length
    const depth = this.depth
    const lenient = this.lenient
    this.lenient = true
    try {
      this.write(read())
    } catch (thrown) {
      this.wire.truncate(length)
      this.#forget(objects)
      this.depth = depth
      this.replaced++
      const refusal = thrown instanceof Refused ? thrown.refusal : refusalOfThrown(thrown)
      this.wire.u8(Tag.String)
      this.wire.string(`[${refusal.short}]`)
    }
    this.lenient = lenient
  }

  /** ErrorSink: one field of an error. */
  writeField(error: object, key: string): void {
    this.path[this.depth++] = key
    this.writeOrDescribe(() => (error as Readonly<Record<string, unknown>>)[key])
    this.depth--
  }

  #number(value: number): void {
    const wire = this.wire
    if ((value | 0) === value && (value !== 0 || 1 / value > 0)) {
      if (value >= 0) {
        if (value < 128) {
          wire.u8(Tag.SmallInt | value)
          return
        }
        wire.u8(Tag.Positive)
        wire.varint(value)
      } else {
        wire.u8(Tag.Negative)
        wire.varint(-value)
      }
      return
    }
    wire.u8(Tag.Double)
    wire.f64(value)
  }

  #object(value: object): void {
    if (this.#wroteReference(value)) return
    if (types.isProxy(value)) throw new Refused(PROXY)
    if (this.depth >= MAX_DEPTH) throw new Refused(tooDeep(MAX_DEPTH))
    this.#remember(value)
    if (Array.isArray(value)) {
      this.#array(value)
      return
    }
    const prototype: unknown = Object.getPrototypeOf(value)
    if (prototype === Object.prototype) {
      // Only the rare one with a Symbol.iterator of its own can be an arguments object.
      if (Symbol.iterator in value && types.isArgumentsObject(value)) throw new Refused(ARGUMENTS)
      const keys = Object.keys(value)
      if (keys.length === 0 && Symbol.toStringTag in value) throw new Refused(refusalOfEmptyInstance(value)) // Math, JSON, Atomics, ...
      this.#fields(Tag.Object, value, keys)
    } else if (prototype === null) {
      this.#fields(Tag.BareObject, value, Object.keys(value))
    } else {
      this.#builtInOrInstance(value, prototype as object)
    }
  }

  #fields(tag: number, value: object, keys: readonly string[]): void {
    const wire = this.wire
    wire.u8(tag)
    wire.varint(keys.length)
    this.#entries(value, keys)
  }

  #entries(value: object, keys: readonly string[]): void {
    const wire = this.wire
    const level = this.depth++
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i] as string
      wire.string(key)
      this.path[level] = key
      if (this.lenient) this.writeOrDescribe(() => (value as Readonly<Record<string, unknown>>)[key])
      else this.write((value as Readonly<Record<string, unknown>>)[key])
    }
    this.depth = level
  }

  #array(value: readonly unknown[]): void {
    const wire = this.wire
    const length = value.length
    if (isOdd(value)) {
      const keys = Object.keys(value)
      wire.u8(Tag.OddArray)
      wire.varint(length)
      wire.varint(keys.length)
      this.#entries(value, keys)
      return
    }
    wire.u8(Tag.Array)
    wire.varint(length)
    const level = this.depth++
    for (let i = 0; i < length; i++) {
      this.path[level] = i
      if (this.lenient) this.writeOrDescribe(() => value[i])
      else this.write(value[i])
    }
    this.depth = level
  }

  #builtInOrInstance(value: object, prototype: object): void {
    const wire = this.wire
    if (isError(value)) writeError(this, value)
    else if (types.isMap(value)) this.#map(value)
    else if (types.isSet(value)) this.#set(value)
    else if (types.isDate(value)) {
      refuseExtraFields(value)
      wire.u8(Tag.Date)
      wire.f64(Date.prototype.getTime.call(value))
    } else if (types.isRegExp(value)) {
      refuseExtraFields(value)
      wire.u8(Tag.RegExp)
      wire.string(value.source)
      wire.string(value.flags)
    } else if (ArrayBuffer.isView(value)) this.#view(value)
    else if (value instanceof ArrayBuffer || types.isArrayBuffer(value)) this.#buffer(value)
    else if (types.isBoxedPrimitive(value) && !types.isSymbolObject(value)) {
      wire.u8(Tag.Boxed)
      this.write((value as { valueOf(): unknown }).valueOf())
    } else {
      const refusal = refusalOfBuiltIn(value)
      if (refusal !== undefined) throw new Refused(refusal)
      const keys = Object.keys(value)
      if (keys.length === 0 && !isForeignPlain(prototype)) throw new Refused(refusalOfEmptyInstance(value))
      this.#fields(Tag.Object, value, keys)
    }
  }

  #map(value: ReadonlyMap<unknown, unknown>): void {
    refuseExtraFields(value)
    // A copy: a getter met on the way could change the map after its size is written.
    const entries = [...Map.prototype.entries.call(value) as Iterable<readonly [unknown, unknown]>]
    this.wire.u8(Tag.Map)
    this.wire.varint(entries.length)
    const level = this.depth++
    for (let position = 0; position < entries.length; position++) {
      const [key, entry] = entries[position] as readonly [unknown, unknown]
      this.path[level] = { in: 'map-key', key, position }
      this.#element(key)
      this.path[level] = { in: 'map-value', key, position }
      this.#element(entry)
    }
    this.depth = level
  }

  #set(value: ReadonlySet<unknown>): void {
    refuseExtraFields(value)
    const elements = [...Set.prototype.values.call(value) as Iterable<unknown>]
    this.wire.u8(Tag.Set)
    this.wire.varint(elements.length)
    const level = this.depth++
    for (let position = 0; position < elements.length; position++) {
      this.path[level] = { in: 'set', position }
      this.#element(elements[position])
    }
    this.depth = level
  }

  #element(value: unknown): void {
    if (this.lenient) this.writeOrDescribe(() => value)
    else this.write(value)
  }

  #view(view: ArrayBufferView): void {
    const { buffer } = view
    if (types.isSharedArrayBuffer(buffer)) throw new Refused(refusalOfBuiltIn(buffer) as Refusal)
    refuseDetached(buffer)
    this.memory ??= new MemoryWriter()
    const index = this.memory.addView(view as ArrayBufferView<ArrayBuffer>)
    if (index === undefined) throw new Refused(refusalOfEmptyInstance(view))
    this.wire.u8(Tag.View)
    this.wire.varint(index)
  }

  #buffer(buffer: ArrayBuffer): void {
    refuseDetached(buffer)
    this.memory ??= new MemoryWriter()
    this.wire.u8(Tag.Buffer)
    this.wire.varint(this.memory.addBuffer(buffer))
  }

  /** Writes the object's number instead of the object, if it has one. */
  #wroteReference(value: object): boolean {
    const objects = this.#objects
    const id = this.#ids === undefined ? (objects.length === 0 ? -1 : objects.indexOf(value)) : this.#ids.get(value) ?? -1
    if (id < 0) return false
    this.hasRefs = true
    this.wire.u8(Tag.Ref)
    this.wire.varint(id)
    if (!this.lenient && this.#lenientFrom?.has(value) === true && !isError(value)) {
      this.metAgain.push({ value, path: this.path.slice(0, this.depth) })
    }
    return true
  }

  #remember(value: object): void {
    const objects = this.#objects
    this.#ids?.set(value, objects.length)
    objects.push(value)
    if (objects.length === LISTED_OBJECTS) this.#ids = new Map(objects.map((object, id) => [object, id]))
    if (this.lenient) (this.#lenientFrom ??= new Set()).add(value)
  }

  /** What is taken back from the bytes must be written in full where it is met next. */
  #forget(from: number): void {
    for (const object of this.#objects.splice(from)) {
      this.#ids?.delete(object)
      this.#lenientFrom?.delete(object)
    }
  }
}

/** Map, Set, Date and RegExp come back without fields of their own; better no checkpoint than half of one. */
function refuseExtraFields(value: object): void {
  const keys = Object.keys(value)
  if (keys.length > 0) throw new Refused(extraFields(value, keys))
}

function refuseDetached(buffer: ArrayBufferLike): void {
  if (buffer.byteLength > 0) return
  try {
    new Uint8Array(buffer)
  } catch {
    throw new Refused(DETACHED)
  }
}

/** `{}` of another realm (node:vm): its prototype ends the chain and is an Object.prototype. */
function isForeignPlain(prototype: object): boolean {
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'isPrototypeOf')
}

/**
 * Whether there is more to an array than its elements (a RegExp match has an index, for instance), or less (holes). Listing
 * the keys of a long array costs more than writing it; inspect() is the one way to Node's list of the keys that are not
 * indices. Told to show no elements, it prints `[ ... 1000 more items ]` with those fields behind.
 */
function isOdd(value: readonly unknown[]): boolean {
  const { length } = value
  if (length <= LISTED_KEYS) {
    // Indices come first and in order: if the last of as many keys as elements is the last index, there is one for each.
    const keys = Object.keys(value)
    return keys.length !== length || length > 0 && keys[length - 1] !== String(length - 1)
  }
  for (let i = 0; i < length; i++) {
    if (!(i in value)) return true
  }
  const text = inspect(value, { maxArrayLength: 0, depth: 0, customInspect: false, getters: false, breakLength: Infinity })
  return !/^(?:[\w$. ]+\(\d+\) )?\[ \.\.\. \d+ more items? \]$/.test(text)
}
