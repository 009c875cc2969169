/**
 * Checks a value and copies it into what node:v8 can write: each getter is asked once, placeholders stand for what v8 would
 * lose, and what cannot be stored is refused with the path to it or, inside errors, described.
 */
import { types } from 'node:util'
import { fieldsOf, hasHoles } from './array.ts'
import { headOf, isError } from './error-record.ts'
import { MAX_DEPTH } from './format.ts'
import type { Graph, StoredError } from './graph.ts'
import { refusalOfMemory, refusalOfView } from './memory.ts'
import type { PathKey } from './path.ts'
import {
  ARGUMENTS, PROXY, type Refusal, Refused, refusalOfBuiltIn, refusalOfEmptyInstance, refusalOfExtraFields, refusalOfPrimitive, refusalOfThrown, tooDeep,
} from './refusal.ts'

/** An object that was first met inside an error, where anything goes, and again in the value itself, where it does not. */
interface MetAgain {
  readonly value: object
  readonly path: readonly PathKey[]
}

/** Copies one value. */
export class Copier {
  /** The way to the place being copied; only the first `depth` keys count. */
  readonly path: PathKey[] = []
  depth = 0
  /** Objects to be checked once more if anything was replaced by a description. */
  readonly metAgain: MetAgain[] = []
  replaced = 0

  /** Inside errors: what cannot be stored is described instead of refused. */
  #lenient = false
  #hasViews = false
  readonly #copies = new Map<object, object>()
  readonly #lenientFrom = new Set<object>()
  readonly #bare: object[] = []
  readonly #placeholders = new Map<object, number | ArrayBuffer>()
  readonly #errors: StoredError[] = []

  /** @throws Refused, or what the value's own code throws while it is read */
  copy(value: unknown): unknown {
    if (typeof value === 'function' || typeof value === 'symbol') throw new Refused(refusalOfPrimitive(value))
    return typeof value === 'object' && value !== null ? this.#object(value) : value
  }

  /** The same, but what cannot be stored is replaced by a description in brackets. Never throws. */
  copyOrDescribe(read: () => unknown): unknown {
    const { depth } = this
    const lenient = this.#lenient
    const known = this.#copies.size
    const bare = this.#bare.length
    const errors = this.#errors.length
    this.#lenient = true
    try {
      return this.copy(read())
    } catch (thrown) {
      this.depth = depth
      this.replaced++
      // What was half copied must be copied in full where it is met next.
      for (const object of [...this.#copies.keys()].slice(known)) this.#forget(object)
      this.#bare.length = bare
      this.#errors.length = errors
      const refusal = thrown instanceof Refused ? thrown.refusal : refusalOfThrown(thrown)
      return `[${refusal.short}]`
    } finally {
      this.#lenient = lenient
    }
  }

  /** All that was copied, for v8; `value` is what copy() returned. */
  graph(value: object): Graph {
    return { value, hasViews: this.#hasViews, bare: this.#bare, placeholders: this.#placeholders, errors: this.#errors }
  }

  #object(value: object): object {
    const known = this.#copies.get(value)
    if (known !== undefined) {
      if (!this.#lenient && this.#lenientFrom.has(value) && !isError(value)) this.metAgain.push({ value, path: this.path.slice(0, this.depth) })
      return known
    }
    if (types.isProxy(value)) throw new Refused(PROXY)
    if (this.depth >= MAX_DEPTH) throw new Refused(tooDeep(MAX_DEPTH))
    if (Array.isArray(value)) return this.#array(value)
    const prototype: unknown = Object.getPrototypeOf(value)
    if (prototype === Object.prototype) {
      if (types.isArgumentsObject(value)) throw new Refused(ARGUMENTS)
      const keys = Object.keys(value)
      if (keys.length === 0 && Symbol.toStringTag in value) throw new Refused(refusalOfEmptyInstance(value)) // Math, JSON, Atomics, ...
      return this.#fields(value, keys)
    }
    if (prototype !== null) return this.#builtInOrInstance(value, prototype as object)
    if (types.isNativeError(value)) return this.#error(value) // whatever was done to its prototype
    const copy = this.#fields(value, Object.keys(value))
    this.#bare.push(copy)
    return copy
  }

  #fields(value: object, keys: readonly string[]): object {
    return this.#entries(value, keys, this.#known(value, {}))
  }

  #entries(value: object, keys: readonly string[], copy: object): object {
    const level = this.depth++
    for (const key of keys) {
      this.path[level] = key
      const element = this.#element(() => (value as Readonly<Record<string, unknown>>)[key])
      // Assigned, it would change the prototype instead.
      if (key === '__proto__') Object.defineProperty(copy, key, { value: element, writable: true, configurable: true, enumerable: true })
      else (copy as Record<string, unknown>)[key] = element
    }
    this.depth = level
    return copy
  }

  #element(read: () => unknown): unknown {
    return this.#lenient ? this.copyOrDescribe(read) : this.copy(read())
  }

  #array(value: readonly unknown[]): object {
    const copy = this.#known<unknown[]>(value, [])
    if (hasHoles(value)) {
      copy.length = value.length
      return this.#entries(value, Object.keys(value), copy)
    }
    const { length } = value
    const level = this.depth++
    for (let i = 0; i < length; i++) {
      this.path[level] = i
      copy.push(this.#element(() => value[i]))
    }
    this.depth = level
    return this.#entries(value, fieldsOf(value), copy)
  }

  #builtInOrInstance(value: object, prototype: object): object {
    if (isError(value)) return this.#error(value)
    if (types.isMap(value)) return this.#map(value)
    if (types.isSet(value)) return this.#set(value)
    if (types.isDate(value) || types.isRegExp(value)) return this.#asItIs(value, refusalOfExtraFields(value))
    if (ArrayBuffer.isView(value)) {
      this.#hasViews = true
      return this.#asItIs(value, refusalOfView(value))
    }
    if (types.isArrayBuffer(value)) return this.#buffer(value)
    if (types.isBoxedPrimitive(value) && !types.isSymbolObject(value)) return this.#asItIs(value)
    const refusal = refusalOfBuiltIn(value)
    if (refusal !== undefined) throw new Refused(refusal)
    const keys = Object.keys(value)
    if (keys.length === 0 && !isForeignPlain(prototype)) throw new Refused(refusalOfEmptyInstance(value))
    return this.#fields(value, keys)
  }

  #asItIs(value: object, refusal?: Refusal): object {
    if (refusal !== undefined) throw new Refused(refusal)
    return this.#known(value, value)
  }

  #map(value: ReadonlyMap<unknown, unknown>): object {
    const refusal = refusalOfExtraFields(value)
    if (refusal !== undefined) throw new Refused(refusal)
    const copy = this.#known(value, new Map<unknown, unknown>())
    // Taken before: a getter met on the way could change the map.
    const entries = [...Map.prototype.entries.call(value) as Iterable<readonly [unknown, unknown]>]
    const level = this.depth++
    for (const [position, [key, entry]] of entries.entries()) {
      this.path[level] = { in: 'map-key', key, position }
      const keyCopy = this.#element(() => key)
      this.path[level] = { in: 'map-value', key, position }
      copy.set(keyCopy, this.#element(() => entry))
    }
    this.depth = level
    return copy
  }

  #set(value: ReadonlySet<unknown>): object {
    const refusal = refusalOfExtraFields(value)
    if (refusal !== undefined) throw new Refused(refusal)
    const copy = this.#known(value, new Set<unknown>())
    const elements = [...Set.prototype.values.call(value) as Iterable<unknown>]
    const level = this.depth++
    for (const [position, element] of elements.entries()) {
      this.path[level] = { in: 'set', position }
      copy.add(this.#element(() => element))
    }
    this.depth = level
    return copy
  }

  #error(error: Error): object {
    const placeholder = this.#placeholder(error, this.#errors.length)
    const head = headOf(error)
    const values: unknown[] = []
    this.#errors.push({ head, values })
    const level = this.depth++
    for (const { key } of head.fields) {
      this.path[level] = key
      values.push(this.copyOrDescribe(() => (error as unknown as Readonly<Record<string, unknown>>)[key]))
    }
    this.depth = level
    return placeholder
  }

  #buffer(buffer: ArrayBuffer): object {
    const refusal = refusalOfMemory(buffer)
    if (refusal !== undefined) throw new Refused(refusal)
    return this.#placeholder(buffer, buffer)
  }

  /** An empty view, for v8 hands views to graph.ts; the value never holds this one. */
  #placeholder(of: object, stored: number | ArrayBuffer): object {
    const placeholder = this.#known(of, new Uint8Array())
    this.#placeholders.set(placeholder, stored)
    return placeholder
  }

  #known<T extends object>(value: object, copy: T): T {
    this.#copies.set(value, copy)
    if (this.#lenient) this.#lenientFrom.add(value)
    return copy
  }

  #forget(object: object): void {
    this.#copies.delete(object)
    this.#lenientFrom.delete(object)
  }
}

/** `{}` of another realm (node:vm): its prototype ends the chain and is an Object.prototype. */
function isForeignPlain(prototype: object): boolean {
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'isPrototypeOf')
}
