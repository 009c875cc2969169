/** Reads what encoder.ts wrote; the format is in tags.ts. Everything read is fresh: nothing aliases the bytes. */
import { StoreFormatError } from '../errors.ts'
import { beginError, readErrorFields } from './error-record.ts'
import { readMemory } from './memory.ts'
import { Tag } from './tags.ts'
import type { Reader } from './wire.ts'

/** Reads one value whose root is an object. */
export class Decoder {
  readonly #wire: Reader
  /** By id; undefined where nothing refers back. */
  readonly #objects: object[] | undefined
  readonly #buffers: readonly ArrayBuffer[]
  readonly #views: readonly object[]

  /** `memory` is a reader at the memory that follows the value, if any. */
  constructor(wire: Reader, mode: 'tree' | 'graph', memory?: Reader) {
    this.#wire = wire
    this.#objects = mode === 'graph' ? [] : undefined
    const read = memory === undefined ? undefined : readMemory(memory)
    this.#buffers = read?.buffers ?? []
    this.#views = read?.views ?? []
  }

  readonly value = (): unknown => {
    const tag = this.#wire.u8()
    return tag < Tag.Ref || tag >= Tag.SmallInt ? primitive(tag, this.#wire) : this.#object(tag)
  }

  #object(tag: number): unknown {
    const wire = this.#wire
    switch (tag) {
      case Tag.Object: return this.#fields(this.#known({}), wire.varint())
      case Tag.BareObject: return this.#fields(this.#known(Object.create(null) as object), wire.varint())
      case Tag.Array: return this.#array()
      case Tag.OddArray: return this.#oddArray()
      case Tag.Ref: return found(this.#objects?.[wire.varint()], 'an object')
      case Tag.Map: {
        const map = this.#known(new Map<unknown, unknown>())
        for (let left = wire.varint(); left > 0; left--) map.set(this.value(), this.value())
        return map
      }
      case Tag.Set: {
        const set = this.#known(new Set<unknown>())
        for (let left = wire.varint(); left > 0; left--) set.add(this.value())
        return set
      }
      case Tag.Date: return this.#known(new Date(wire.f64()))
      case Tag.RegExp: return this.#known(new RegExp(wire.string(), wire.string()))
      case Tag.Boxed: return this.#known(Object(primitive(wire.u8(), wire)) as object)
      case Tag.Error: {
        const error = this.#known(beginError(wire))
        readErrorFields(wire, error, this.value)
        return error
      }
      case Tag.View: return this.#known(found(this.#views[wire.varint()], 'a view'))
      case Tag.Buffer: return this.#known(found(this.#buffers[wire.varint()], 'a buffer'))
      default: throw unknownTag(tag)
    }
  }

  #fields<T extends object>(target: T, count: number): T {
    const wire = this.#wire
    for (let left = count; left > 0; left--) {
      const key = wire.string()
      const value = this.value()
      // Assigned, it would change the prototype instead.
      if (key === '__proto__') Object.defineProperty(target, key, { value, writable: true, configurable: true, enumerable: true })
      else (target as Record<string, unknown>)[key] = value
    }
    return target
  }

  #array(): unknown[] {
    const length = this.#wire.varint()
    // Each element takes a byte at least: a damaged length must not become a huge allocation.
    if (length > this.#wire.remaining) throw damaged('an array longer than its bytes')
    const array = this.#known<unknown[]>([])
    for (let i = 0; i < length; i++) array.push(this.value())
    return array
  }

  #oddArray(): unknown[] {
    const array = this.#known<unknown[]>([])
    const length = this.#wire.varint()
    if (length > 0xffff_ffff) throw damaged('an array longer than arrays can be')
    array.length = length
    return this.#fields(array, this.#wire.varint())
  }

  #known<T extends object>(object: T): T {
    this.#objects?.push(object)
    return object
  }
}

/** A value that is not an object, after its tag. */
export function primitive(tag: number, wire: Reader): unknown {
  if (tag >= Tag.SmallInt) return tag - Tag.SmallInt
  switch (tag) {
    case Tag.String: return wire.string()
    case Tag.Positive: return wire.varint()
    case Tag.Negative: return -wire.varint()
    case Tag.Double: return wire.f64()
    case Tag.True: return true
    case Tag.False: return false
    case Tag.Null: return null
    case Tag.Undefined: return undefined
    case Tag.BigInt: {
      const digits = wire.string()
      return digits.startsWith('-') ? -BigInt(`0x${digits.slice(1)}`) : BigInt(`0x${digits}`)
    }
    default: throw unknownTag(tag)
  }
}

export function damaged(how: string): StoreFormatError {
  return new StoreFormatError({ what: 'a stored value', problem: `is damaged (${how})` })
}

function unknownTag(tag: number): StoreFormatError {
  return new StoreFormatError({
    what: 'a stored value', problem: `was written by a newer version of troupe, or is damaged (format 0x${tag.toString(16).padStart(2, '0')} is not known)`,
  })
}

function found<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw damaged(`it refers to ${what} that is not there`)
  return value
}
