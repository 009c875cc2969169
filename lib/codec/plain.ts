/**
 * The quick look that most values pass: is this a graph that node:v8 writes just as it is? It says no to whatever has to be
 * refused, replaced or asked (getters); copy.ts, slower and exact, then finds out what that is. What v8 itself refuses
 * (proxies, iterators, arguments) may pass: v8 throws, and copy.ts has its turn as well.
 *
 * Getters are not asked here, so what was looked at is what v8 writes a moment later. One exception, as more would cost
 * several times what writing costs: an element of an array that was made a getter is asked here and again by v8.
 */
import { types } from 'node:util'
import { fieldsOf } from './array.ts'
import { isError } from './error-record.ts'
import { MAX_DEPTH } from './format.ts'
import { refusalOfView } from './memory.ts'
import { refusalOfBuiltIn } from './refusal.ts'

export interface Plain {
  readonly hasViews: boolean
  /** Objects without a prototype: v8 gives them one. */
  readonly bare: readonly object[]
}

const NONE: readonly object[] = []
const { getOwnPropertyDescriptor, getPrototypeOf, prototype: objectPrototype } = Object

/** undefined: not plain, or not to be told quickly. */
export function lookAt(value: object): Plain | undefined {
  try {
    const look = new Look(0)
    if (look.passes(value, 0)) return look
    if (!look.isTooDeep) return undefined
    const exact = new Look(Infinity)
    return exact.passes(value, 0) ? exact : undefined
  } catch { // a trap of a proxy, or a full stack
    return undefined
  }
}

class Look implements Plain {
  hasViews = false
  isTooDeep = false
  #bare: Set<object> | undefined
  #seen: Set<object> | undefined
  #random = 1
  /** So many of the next objects are remembered. */
  #remembering: number

  constructor(remembering: number) {
    this.#remembering = remembering
  }

  get bare(): readonly object[] {
    return this.#bare === undefined ? NONE : [...this.#bare]
  }

  passes(value: object, depth: number): boolean {
    if (depth >= MAX_DEPTH) {
      this.isTooDeep = true
      return false
    }
    if (Array.isArray(value)) return this.#arrayPasses(value, depth + 1)
    if (types.isNativeError(value)) return false // whatever its prototype is now
    const prototype: unknown = getPrototypeOf(value)
    if (prototype === objectPrototype) return this.#fieldsPass(value, depth + 1)
    if (prototype !== null) return this.#instancePasses(value, depth + 1)
    this.#bare ??= new Set()
    this.#bare.add(value)
    return this.#fieldsPass(value, depth + 1)
  }

  /**
   * Asked of what refers to other objects, before these are looked at. To remember an object costs about as much as v8 needs
   * to write it, looking twice does no harm, and most values are trees. So one in sixteen is remembered, by chance, and after
   * each that is met again the next sixteen: whatever the references, no object is looked at very often.
   */
  #wasSeen(value: object): boolean {
    if (this.#seen?.has(value) === true) {
      this.#remembering = Math.max(this.#remembering, 16)
      return true
    }
    this.#random = Math.imul(this.#random, 1664525) + 1013904223 | 0
    if (this.#random >>> 28 === 0 || this.#remembering-- > 0) (this.#seen ??= new Set()).add(value)
    return false
  }

  #fieldsPass(value: object, depth: number): boolean {
    let isEmpty = true
    let isNew = false
    // Twice as quick as Object.keys(); what a program added to Object.prototype is passed over as not the object's own.
    // oxlint-disable-next-line guard-for-in
    for (const key in value) {
      const field = getOwnPropertyDescriptor(value, key)
      if (field === undefined) continue
      isEmpty = false
      const element: unknown = field.value
      if (typeof element === 'object') {
        if (element === null) continue
        if (!isNew && this.#wasSeen(value)) return true
        isNew = true
        if (!this.passes(element, depth)) return false
      } else if (element === undefined ? isGetter(field) : !isStorable(element)) return false
    }
    return !(isEmpty && Symbol.toStringTag in value) // Math, JSON, Atomics, ...
  }

  #keysPass(value: object, keys: readonly string[], depth: number): boolean {
    for (const key of keys) {
      const field = getOwnPropertyDescriptor(value, key)
      if (field === undefined || isGetter(field) || !this.#elementPasses(field.value, depth)) return false
    }
    return true
  }

  #elementPasses(element: unknown, depth: number): boolean {
    return typeof element === 'object' ? element === null || this.passes(element, depth) : isStorable(element)
  }

  #arrayPasses(value: readonly unknown[], depth: number): boolean {
    let isNew = false
    const { length } = value
    for (let i = 0; i < length; i++) {
      const element = value[i]
      if (typeof element === 'number' || typeof element === 'string') continue
      if (typeof element === 'object') {
        if (element === null) continue
        if (!isNew && this.#wasSeen(value)) return true
        isNew = true
        if (!this.passes(element, depth)) return false
      } else if (element === undefined) {
        if (!(i in value)) return !isNew && this.#wasSeen(value) || this.#keysPass(value, Object.keys(value), depth)
      } else if (!isStorable(element)) return false
    }
    const keys = fieldsOf(value)
    return keys.length === 0 || !isNew && this.#wasSeen(value) || this.#keysPass(value, keys, depth)
  }

  #instancePasses(value: object, depth: number): boolean {
    if (ArrayBuffer.isView(value)) {
      this.hasViews = true
      return refusalOfView(value) === undefined
    }
    if (types.isDate(value) || types.isRegExp(value)) return Object.keys(value).length === 0
    if (types.isMap(value)) return Object.keys(value).length === 0 && this.#mapPasses(value, depth)
    if (types.isSet(value)) return Object.keys(value).length === 0 && this.#setPasses(value, depth)
    if (types.isBoxedPrimitive(value)) return !types.isSymbolObject(value)
    if (types.isAnyArrayBuffer(value) || isError(value) || refusalOfBuiltIn(value) !== undefined) return false
    const keys = Object.keys(value)
    return keys.length > 0 && (this.#wasSeen(value) || this.#keysPass(value, keys, depth))
  }

  #mapPasses(value: ReadonlyMap<unknown, unknown>, depth: number): boolean {
    if (this.#wasSeen(value)) return true
    for (const [key, entry] of Map.prototype.entries.call(value) as Iterable<readonly [unknown, unknown]>) {
      if (!this.#elementPasses(key, depth) || !this.#elementPasses(entry, depth)) return false
    }
    return true
  }

  #setPasses(value: ReadonlySet<unknown>, depth: number): boolean {
    if (this.#wasSeen(value)) return true
    for (const element of Set.prototype.values.call(value) as Iterable<unknown>) {
      if (!this.#elementPasses(element, depth)) return false
    }
    return true
  }
}

function isStorable(primitive: unknown): boolean {
  return typeof primitive !== 'function' && typeof primitive !== 'symbol'
}

function isGetter(field: PropertyDescriptor): boolean {
  return field.get !== undefined || field.set !== undefined
}
