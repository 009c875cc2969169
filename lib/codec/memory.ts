/**
 * ArrayBuffers and the views on them.
 *
 * Views of one buffer share it again after decoding. A buffer that is itself part of the value is stored whole. Of one that
 * is only seen through views (Buffers of Node's pool, a slice of a file in memory) just the bytes the views show are
 * stored: neither the rest of the pool nor its neighbours' data; the views then share a buffer that reaches from the
 * first byte shown to the last, with zeros in the gaps.
 *
 *   memory = varint b, then b times buffer; varint i, then i times item; the bytes of all parts, in order
 *   buffer = varint byteLength, varint maxByteLength + 1 (0: not resizable), varint p, then p times part
 *   part   = varint bytes of the gap before it, varint bytes
 *   item   = u8 kind, varint buffer; for views also varint byteOffset, varint length (bytes for Buffer and DataView, else elements)
 */
import { types } from 'node:util'
import { StoreFormatError } from '../errors.ts'
import { damaged } from './format.ts'
import { DETACHED, type Refusal, refusalOfBuiltIn, refusalOfEmptyInstance } from './refusal.ts'
import type { Reader, Writer } from './wire.ts'

/** Durable order: the position of each is its number in stored values. */
const KINDS = [
  'ArrayBuffer', 'Buffer', 'DataView', 'Int8Array', 'Uint8Array', 'Uint8ClampedArray', 'Int16Array', 'Uint16Array', 'Int32Array', 'Uint32Array',
  'Float32Array', 'Float64Array', 'BigInt64Array', 'BigUint64Array', 'Float16Array',
] as const
const ARRAY_BUFFER = KINDS.indexOf('ArrayBuffer')
const BUFFER = KINDS.indexOf('Buffer')

interface Range {
  readonly from: number
  readonly to: number
}

interface StoredBuffer {
  readonly buffer: ArrayBuffer
  readonly index: number
  /** Whether the buffer itself is part of the value. */
  whole: boolean
  readonly views: Range[]
  /** Where the stored part begins; known when all views are. */
  base: number
  /** Elements of this many bytes must keep their alignment. */
  alignment: number
}

interface StoredItem {
  readonly kind: number
  readonly of: StoredBuffer
  readonly from: number
  readonly length: number
}

/** Why this buffer cannot be stored, if so. */
export function refusalOfMemory(buffer: ArrayBufferLike): Refusal | undefined {
  if (types.isSharedArrayBuffer(buffer)) return refusalOfBuiltIn(buffer)
  if (buffer.byteLength > 0) return undefined
  try {
    new Uint8Array(buffer)
    return undefined
  } catch {
    return DETACHED
  }
}

/** Why this view cannot be stored, if so. */
export function refusalOfView(view: ArrayBufferView): Refusal | undefined {
  return refusalOfMemory(view.buffer) ?? (kindOf(view) < 0 ? refusalOfEmptyInstance(view) : undefined)
}

/** Gathers what one value shows of memory, and writes it. */
export class MemoryWriter {
  readonly #buffers = new Map<ArrayBuffer, StoredBuffer>()
  readonly #items: StoredItem[] = []

  /** The number of the item: this buffer, which is stored whole. */
  addBuffer(buffer: ArrayBuffer): number {
    const of = this.#stored(buffer)
    of.whole = true
    return this.#items.push({ kind: ARRAY_BUFFER, of, from: 0, length: 0 }) - 1
  }

  /** The number of the item: this view, of a kind that refusalOfView() knows. */
  addView(view: ArrayBufferView<ArrayBuffer>): number {
    const of = this.#stored(view.buffer)
    const elementBytes = elementSize(view)
    of.views.push({ from: view.byteOffset, to: view.byteOffset + view.byteLength })
    of.alignment = Math.max(of.alignment, elementBytes)
    return this.#items.push({ kind: kindOf(view), of, from: view.byteOffset, length: view.byteLength / elementBytes }) - 1
  }

  /** Writes all but the bytes themselves, which come behind and are returned. */
  write(wire: Writer): readonly Uint8Array[] {
    const bytes: Uint8Array[] = []
    wire.varint(this.#buffers.size)
    for (const stored of this.#buffers.values()) writeBuffer(wire, stored, bytes)
    wire.varint(this.#items.length)
    for (const { kind, of, from, length } of this.#items) {
      wire.u8(kind)
      wire.varint(of.index)
      if (kind === ARRAY_BUFFER) continue
      wire.varint(from - of.base)
      wire.varint(length)
    }
    return bytes
  }

  #stored(buffer: ArrayBuffer): StoredBuffer {
    let stored = this.#buffers.get(buffer)
    if (stored === undefined) {
      stored = { buffer, index: this.#buffers.size, whole: false, views: [], base: 0, alignment: 1 }
      this.#buffers.set(buffer, stored)
    }
    return stored
  }
}

function writeBuffer(wire: Writer, stored: StoredBuffer, bytes: Uint8Array[]): void {
  const { buffer, alignment } = stored
  const parts = stored.whole ? [{ from: 0, to: buffer.byteLength }] : merged(stored.views)
  const first = parts[0]?.from ?? 0
  stored.base = first - first % alignment
  wire.varint((parts.at(-1)?.to ?? stored.base) - stored.base)
  const { resizable, maxByteLength } = buffer as { readonly resizable?: boolean, readonly maxByteLength?: number }
  wire.varint(stored.whole && resizable === true ? (maxByteLength ?? 0) + 1 : 0)
  wire.varint(parts.length)
  let end = stored.base
  for (const { from, to } of parts) {
    wire.varint(from - end)
    wire.varint(to - from)
    bytes.push(new Uint8Array(buffer, from, to - from))
    end = to
  }
}

/** The ranges in order, those that touch or overlap made one. */
function merged(ranges: readonly Range[]): readonly Range[] {
  if (ranges.length === 1) return ranges
  const parts: { from: number, to: number }[] = []
  for (const { from, to } of [...ranges].sort((a, b) => a.from - b.from)) {
    const last = parts.at(-1)
    if (last === undefined || from > last.to) parts.push({ from, to })
    else last.to = Math.max(last.to, to)
  }
  return parts
}

interface BufferPlan {
  readonly byteLength: number
  readonly maxPlusOne: number
  readonly parts: readonly { readonly gap: number, readonly length: number }[]
}

/** The items MemoryWriter wrote, by number: fresh memory, shared with nobody but the items of this one value. */
export function readMemory(wire: Reader): readonly object[] {
  const plans = repeated(wire, readPlan)
  const items = repeated(wire, readItem)
  const buffers = plans.map(plan => readBuffer(wire, plan))
  return items.map(({ kind, of, byteOffset, length }) => {
    const buffer = buffers[of]
    if (buffer === undefined) throw damaged('a view of no buffer')
    return kind === ARRAY_BUFFER ? buffer : makeView(kind, buffer, byteOffset, length)
  })
}

function readPlan(wire: Reader): BufferPlan {
  return { byteLength: wire.varint(), maxPlusOne: wire.varint(), parts: repeated(wire, () => ({ gap: wire.varint(), length: wire.varint() })) }
}

function readItem(wire: Reader): { readonly kind: number, readonly of: number, readonly byteOffset: number, readonly length: number } {
  const kind = wire.u8()
  const of = wire.varint()
  return kind === ARRAY_BUFFER ? { kind, of, byteOffset: 0, length: 0 } : { kind, of, byteOffset: wire.varint(), length: wire.varint() }
}

function repeated<T>(wire: Reader, read: (wire: Reader) => T): T[] {
  const all: T[] = []
  for (let left = wire.varint(); left > 0; left--) all.push(read(wire))
  return all
}

function readBuffer(wire: Reader, { byteLength, maxPlusOne, parts }: BufferPlan): ArrayBuffer {
  const only = parts.length === 1 ? parts[0] : undefined
  if (only?.gap === 0 && only.length === byteLength && maxPlusOne === 0) return wire.raw(byteLength).buffer // the usual: no second copy
  const ResizableBuffer = ArrayBuffer as new (byteLength: number, options?: { readonly maxByteLength: number }) => ArrayBuffer
  const buffer = maxPlusOne === 0 ? new ArrayBuffer(byteLength) : new ResizableBuffer(byteLength, { maxByteLength: maxPlusOne - 1 })
  const target = new Uint8Array(buffer)
  let at = 0
  for (const { gap, length } of parts) {
    at += gap
    target.set(wire.raw(length), at)
    at += length
  }
  return buffer
}

type ViewClass = new (buffer: ArrayBuffer, byteOffset: number, length: number) => object

function makeView(kind: number, buffer: ArrayBuffer, byteOffset: number, length: number): object {
  if (kind === BUFFER) return Buffer.from(buffer, byteOffset, length)
  const name = KINDS[kind]
  const viewClass = name === undefined ? undefined : (globalThis as unknown as Readonly<Record<string, ViewClass | undefined>>)[name]
  if (viewClass === undefined) {
    throw new StoreFormatError({
      what: 'a stored value', problem: `holds ${name === undefined ? 'a typed array of a newer version' : `a ${name}, which this version of Node lacks`}`,
      advice: 'Nothing was changed; read it with the versions of troupe and Node that wrote it.',
    })
  }
  return new viewClass(buffer, byteOffset, length)
}

function kindOf(view: ArrayBufferView): number {
  if (Buffer.isBuffer(view)) return BUFFER
  return (KINDS as readonly string[]).indexOf((view as { readonly [Symbol.toStringTag]?: string })[Symbol.toStringTag] ?? '')
}

function elementSize(view: ArrayBufferView): number {
  return (view as { readonly BYTES_PER_ELEMENT?: number }).BYTES_PER_ELEMENT ?? 1
}
