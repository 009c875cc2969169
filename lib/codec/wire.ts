/**
 * A small binary writer and reader for records made of numbers, strings and bytes: no schema, no tags, no
 * self-description. Both sides must agree on the order of the fields. Numbers of several bytes are little-endian.
 */
import { InternalError, StoreFormatError } from '../errors.ts'

/** Below this a loop over the characters beats a call into the runtime. */
const SHORT_STRING = 48
/** The same for writing: the runtime would be called three times. At most 8191, so that the header is two bytes. */
const SHORT_ASCII = 200
/** The same for strings that are not ASCII: each unit takes up to three bytes. */
const SHORT_TEXT = 21
/** Room that reset() keeps; more is given back, so that one huge record does not stay in memory for ever. */
const KEPT_BYTES = 1 << 16
const TWO_TO_28 = 0x1000_0000
/** Matches only halves of surrogate pairs that stand alone: with the u flag a pair is one character. */
const LONE_SURROGATE = /[\ud800-\udfff]/u

/** A power of two. */
const KEY_SLOTS = 256
const knownKeys: string[] = Array.from({ length: KEY_SLOTS }, () => '')

const scratch = new Float64Array(1)
const scratchBytes = new Uint8Array(scratch.buffer)

/** Appends fields to a growing array of bytes. */
export class Writer {
  #bytes: Uint8Array<ArrayBuffer>
  /** The same memory, for what only a DataView and a Buffer can do. */
  #numbers: DataView
  #text: Buffer
  #end = 0

  /** `capacity` is how many bytes fit before the first growth. */
  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(Math.max(16, capacity))
    this.#numbers = new DataView(this.#bytes.buffer)
    this.#text = Buffer.from(this.#bytes.buffer)
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#end
  }

  /** Takes back everything written after the first `length` bytes. */
  truncate(length: number): void {
    if (length < this.#end) this.#end = length
  }

  /** A whole number 0..255; higher bits are cut off. */
  u8(value: number): void {
    if (this.#end === this.#bytes.length) this.#grow(1)
    this.#bytes[this.#end++] = value
  }

  /** Puts another byte in the place of one that was written. */
  replaceU8(at: number, value: number): void {
    this.#bytes[at] = value
  }

  /** A whole number 0..2^53-1, in 1 to 8 bytes, seven bits each. Anything else is InternalError. */
  varint(value: number): void {
    if (this.#bytes.length - this.#end < 8) this.#grow(8)
    const bytes = this.#bytes
    let end = this.#end
    let rest = value
    if (!(rest < TWO_TO_28)) {
      if (!Number.isSafeInteger(rest)) throw new InternalError({ problem: `a varint holds whole numbers 0..2^53-1, not ${value}` })
      while (rest >= TWO_TO_28) {
        bytes[end++] = (rest % 128) | 0x80
        rest = Math.floor(rest / 128)
      }
    } else if (!(rest >= 0) || rest !== (rest | 0)) {
      throw new InternalError({ problem: `a varint holds whole numbers 0..2^53-1, not ${value}` })
    }
    while (rest > 127) {
      bytes[end++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    bytes[end++] = rest
    this.#end = end
  }

  /** Eight bytes; every double incl. -0, NaN and the infinities. */
  f64(value: number): void {
    if (this.#bytes.length - this.#end < 8) this.#grow(8)
    this.#numbers.setFloat64(this.#end, value, true)
    this.#end += 8
  }

  /** The length as a varint, then the bytes. */
  bytes(value: Uint8Array): void {
    this.varint(value.length)
    this.raw(value)
  }

  /** The bytes alone, for whoever knows their length otherwise. */
  raw(value: Uint8Array): void {
    const length = value.length
    if (this.#bytes.length - this.#end < length) this.#grow(length)
    this.#bytes.set(value, this.#end)
    this.#end += length
  }

  /**
   * A varint of twice the length in bytes, then UTF-8; or, where UTF-8 would not give back the same string (surrogates that
   * stand alone), that varint plus one, then UTF-16.
   */
  string(value: string): void {
    const length = value.length
    if (length < SHORT_ASCII) {
      if (this.#bytes.length - this.#end <= length + 1) this.#grow(length + 2)
      const bytes = this.#bytes
      const start = this.#end
      let at = start + (length < 64 ? 1 : 2)
      let i = 0
      for (; i < length; i++) {
        const unit = value.charCodeAt(i)
        if (unit > 127) break
        bytes[at++] = unit
      }
      if (i === length) {
        const header = length << 1
        if (length < 64) bytes[start] = header
        else {
          bytes[start] = header & 0x7f | 0x80
          bytes[start + 1] = header >> 7
        }
        this.#end = at
        return
      }
      if (length <= SHORT_TEXT && this.#shortText(value)) return
    }
    this.#longString(value)
  }

  /** A copy of what was written, of exactly its size and in memory of its own. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#end)
  }

  /** What was written, not copied: good until the next call of any other method. */
  view(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#end)
  }

  /** Starts over, with the same memory unless that has grown large. */
  reset(): void {
    this.#end = 0
    if (this.#bytes.length > KEPT_BYTES) this.#use(new Uint8Array(KEPT_BYTES))
  }

  /** UTF-8 by hand; false, with nothing written, where a surrogate stands alone. */
  #shortText(value: string): boolean {
    const { length } = value
    if (this.#bytes.length - this.#end <= length * 3) this.#grow(length * 3 + 1)
    const bytes = this.#bytes
    let at = this.#end + 1
    for (let i = 0; i < length; i++) {
      const point = value.codePointAt(i) as number
      if (point < 0x80) {
        bytes[at++] = point
        continue
      }
      if (point < 0x800) bytes[at++] = 0xc0 | point >> 6
      else {
        if (point < 0x1_0000) {
          if (point >= 0xd800 && point <= 0xdfff) return false
          bytes[at++] = 0xe0 | point >> 12
        } else {
          i++ // both halves of the pair
          bytes[at++] = 0xf0 | point >> 18
          bytes[at++] = 0x80 | point >> 12 & 0x3f
        }
        bytes[at++] = 0x80 | point >> 6 & 0x3f
      }
      bytes[at++] = 0x80 | point & 0x3f
    }
    bytes[this.#end] = at - this.#end - 1 << 1
    this.#end = at
    return true
  }

  #longString(value: string): void {
    const encoding = LONE_SURROGATE.test(value) ? 'utf16le' : 'utf8'
    const length = Buffer.byteLength(value, encoding)
    this.varint(length * 2 + (encoding === 'utf8' ? 0 : 1))
    if (this.#bytes.length - this.#end < length) this.#grow(length)
    this.#text.write(value, this.#end, length, encoding)
    this.#end += length
  }

  #grow(needed: number): void {
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#end + needed))
    larger.set(this.#bytes.subarray(0, this.#end))
    this.#use(larger)
  }

  #use(bytes: Uint8Array<ArrayBuffer>): void {
    this.#bytes = bytes
    this.#numbers = new DataView(bytes.buffer)
    this.#text = Buffer.from(bytes.buffer)
  }
}

/** Reads fields in the order they were written. All but bytesInPlace() gives copies: the bytes may be reused afterwards. */
export class Reader {
  readonly #bytes: Uint8Array
  readonly #limit: number
  #at: number
  /** The same memory, made when the first string needs it. */
  #text: Buffer | undefined

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.#bytes = bytes
    this.#at = start
    this.#limit = Math.min(end, bytes.length)
  }

  /** Bytes not read yet. */
  get remaining(): number {
    return this.#limit - this.#at
  }

  u8(): number {
    if (this.#at >= this.#limit) throw truncated()
    return this.#bytes[this.#at++] as number
  }

  varint(): number {
    const bytes = this.#bytes
    const limit = this.#limit
    let at = this.#at
    let value = 0
    let shift = 0
    let byte: number
    do {
      if (at >= limit) throw truncated()
      byte = bytes[at++] as number
      if (shift < 28) value |= (byte & 0x7f) << shift
      else value += (byte & 0x7f) * 2 ** shift
      shift += 7
    } while (byte > 127 && shift < 56)
    if (byte > 127 || value > Number.MAX_SAFE_INTEGER) throw new StoreFormatError({ what: 'a stored record', problem: 'is damaged (a number is too large)' })
    this.#at = at
    return value
  }

  f64(): number {
    const at = this.#at
    if (this.#limit - at < 8) throw truncated()
    for (let i = 0; i < 8; i++) scratchBytes[i] = this.#bytes[at + i] as number
    this.#at = at + 8
    return scratch[0] as number
  }

  bytes(): Uint8Array<ArrayBuffer> {
    return this.raw(this.varint())
  }

  /** The same, not copied: for whoever owns all of the memory that is read, and keeps it. */
  bytesInPlace(): Uint8Array {
    const length = this.varint()
    const at = this.#at
    if (length > this.#limit - at) throw truncated()
    this.#at = at + length
    return this.#bytes.subarray(at, at + length)
  }

  /** The next `length` bytes, copied. */
  raw(length: number): Uint8Array<ArrayBuffer> {
    const at = this.#at
    if (length > this.#limit - at) throw truncated()
    this.#at = at + length
    const copy = ownBytes(length)
    copy.set(this.#bytes.subarray(at, at + length))
    return copy
  }

  /** A string that is likely to have been read before, as names of fields are: then it is the same one, and nothing is made. */
  key(): string {
    const at = this.#at
    const header = this.#bytes[at] as number
    const length = header >> 1
    if (header > 127 || (header & 1) === 1 || length === 0 || at + length >= this.#limit) return this.string()
    let slot = length
    for (let i = at + 1; i <= at + length; i++) slot = slot * 31 + (this.#bytes[i] as number) & KEY_SLOTS - 1
    const known = knownKeys[slot]
    if (known?.length === length && sameText(known, this.#bytes, at + 1)) {
      this.#at = at + 1 + length
      return known
    }
    const key = this.string()
    if (key.length === length) knownKeys[slot] = key // ASCII: a character a byte
    return key
  }

  string(): string {
    const header = this.varint()
    const length = Math.floor(header / 2)
    const at = this.#at
    const end = at + length
    if (end > this.#limit) throw truncated()
    this.#at = end
    if (header % 2 === 1) return (this.#text ??= asBuffer(this.#bytes)).toString('utf16le', at, end)
    if (length < SHORT_STRING) {
      const bytes = this.#bytes
      let text = ''
      let i = at
      for (; i < end; i++) {
        const unit = bytes[i] as number
        if (unit > 127) break
        text += String.fromCharCode(unit)
      }
      if (i === end) return text
    }
    return (this.#text ??= asBuffer(this.#bytes)).toString('utf8', at, end)
  }
}

function sameText(text: string, bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) !== bytes[at + i]) return false
  return true
}

/** Memory to be written in full, shared with nobody: a large one is not filled with zeros first, a small one is not of Node's pool. */
export function ownBytes(length: number): Uint8Array<ArrayBuffer> {
  return length < 4096 ? new Uint8Array(length) : new Uint8Array(Buffer.allocUnsafeSlow(length).buffer)
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function truncated(): StoreFormatError {
  return new StoreFormatError({ what: 'a stored record', problem: 'is damaged (it ends too early)' })
}
