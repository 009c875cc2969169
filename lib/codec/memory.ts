/**
 * ArrayBuffers and the views on them.
 *
 * Views of one buffer share it again after decoding. A buffer that is itself part of the value is stored whole. Of one that
 * is only seen through views (Buffers of Node's pool, a slice of a file in memory) just the bytes the views show are
 * stored: neither the rest of the pool nor its neighbours' data; the views then share a buffer that reaches from the
 * first byte shown to the last, with zeros in the gaps.
 *
 *   memory = varint b, then b times buffer; varint v, then v times view
 *   buffer = varint byteLength, varint maxByteLength + 1 (0: not resizable), varint s, then s times varint gap, bytes
 *   view   = u8 kind, varint buffer, varint byteOffset, varint length (bytes for Buffer and DataView, else elements)
 */
import { StoreFormatError } from '../errors.ts'
import type { Reader, Writer } from './wire.ts'

/** Durable order: the position of each is its number in stored values. */
const KINDS = [
  'Buffer', 'DataView', 'Int8Array', 'Uint8Array', 'Uint8ClampedArray', 'Int16Array', 'Uint16Array', 'Int32Array', 'Uint32Array',
  'Float32Array', 'Float64Array', 'BigInt64Array', 'BigUint64Array', 'Float16Array',
] as const

interface StoredBuffer {
  readonly buffer: ArrayBuffer
  readonly index: number
  /** Whether the buffer itself is part of the value. */
  whole: boolean
  readonly views: { readonly from: number, readonly to: number }[]
  /** Where the stored part begins; known when all views are. */
  base: number
  /** Elements of this many bytes must keep their alignment. */
  alignment: number
}

/** Gathers what the values of one encoding show of memory, and writes it after them. */
export class MemoryWriter {
  readonly #buffers = new Map<ArrayBuffer, StoredBuffer>()
  readonly #views: { readonly kind: number, readonly of: StoredBuffer, readonly from: number, readonly length: number }[] = []

  /** The number of this buffer, which is stored whole. */
  addBuffer(buffer: ArrayBuffer): number {
    const stored = this.#stored(buffer)
    stored.whole = true
    return stored.index
  }

  /** The number of this view, or undefined for a kind this version does not know. */
  addView(view: ArrayBufferView<ArrayBuffer>): number | undefined {
    const kind = kindOf(view)
    if (kind < 0) return undefined
    const of = this.#stored(view.buffer)
    const elementBytes = elementSize(view)
    of.views.push({ from: view.byteOffset, to: view.byteOffset + view.byteLength })
    of.alignment = Math.max(of.alignment, elementBytes)
    return this.#views.push({ kind, of, from: view.byteOffset, length: view.byteLength / elementBytes }) - 1
  }

  /** About how many bytes write() will write: enough to make room once. */
  get byteLength(): number {
    let bytes = this.#views.length * 16
    for (const { whole, buffer, views } of this.#buffers.values()) {
      bytes += 32
      if (whole) bytes += buffer.byteLength
      else for (const { from, to } of views) bytes += to - from + 16
    }
    return bytes
  }

  write(wire: Writer): void {
    wire.varint(this.#buffers.size)
    for (const stored of this.#buffers.values()) writeBuffer(wire, stored)
    wire.varint(this.#views.length)
    for (const { kind, of, from, length } of this.#views) {
      wire.u8(kind)
      wire.varint(of.index)
      wire.varint(from - of.base)
      wire.varint(length)
    }
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

function writeBuffer(wire: Writer, stored: StoredBuffer): void {
  const { buffer, alignment } = stored
  const parts = stored.whole ? [{ from: 0, to: buffer.byteLength }] : merged(stored.views)
  const first = stored.whole ? 0 : parts[0]?.from ?? 0
  stored.base = first - first % alignment
  wire.varint((parts.at(-1)?.to ?? stored.base) - stored.base)
  const { resizable, maxByteLength } = buffer as { readonly resizable?: boolean, readonly maxByteLength?: number }
  wire.varint(stored.whole && resizable === true ? (maxByteLength ?? 0) + 1 : 0)
  wire.varint(parts.length)
  let end = stored.base
  for (const { from, to } of parts) {
    wire.varint(from - end)
    wire.bytes(new Uint8Array(buffer, from, to - from))
    end = to
  }
}

/** The ranges in order, those that touch or overlap made one. */
function merged(ranges: readonly { readonly from: number, readonly to: number }[]): { from: number, to: number }[] {
  const parts: { from: number, to: number }[] = []
  for (const { from, to } of [...ranges].sort((a, b) => a.from - b.from)) {
    const last = parts.at(-1)
    if (last === undefined || from > last.to) parts.push({ from, to })
    else last.to = Math.max(last.to, to)
  }
  return parts
}

/** Reads what MemoryWriter wrote: fresh memory, shared with nobody but the views of this one value. */
export function readMemory(wire: Reader): { readonly buffers: readonly ArrayBuffer[], readonly views: readonly object[] } {
  const buffers: ArrayBuffer[] = []
  for (let left = wire.varint(); left > 0; left--) buffers.push(readBuffer(wire))
  const views: object[] = []
  for (let left = wire.varint(); left > 0; left--) {
    const kind = wire.u8()
    const buffer = buffers[wire.varint()]
    if (buffer === undefined) throw new StoreFormatError({ what: 'a stored value', problem: 'is damaged (a view of no buffer)' })
    views.push(makeView(kind, buffer, wire.varint(), wire.varint()))
  }
  return { buffers, views }
}

function readBuffer(wire: Reader): ArrayBuffer {
  const byteLength = wire.varint()
  const maxPlusOne = wire.varint()
  let parts = wire.varint()
  if (parts === 1 && maxPlusOne === 0) { // the usual: no second copy
    const gap = wire.varint()
    const bytes = wire.bytes()
    if (gap === 0 && bytes.length === byteLength) return bytes.buffer
    const buffer = new ArrayBuffer(byteLength)
    new Uint8Array(buffer).set(bytes, gap)
    return buffer
  }
  const ResizableBuffer = ArrayBuffer as new (byteLength: number, options?: { readonly maxByteLength: number }) => ArrayBuffer
  const buffer = maxPlusOne === 0 ? new ArrayBuffer(byteLength) : new ResizableBuffer(byteLength, { maxByteLength: maxPlusOne - 1 })
  const target = new Uint8Array(buffer)
  for (let at = 0; parts > 0; parts--) {
    at += wire.varint()
    const bytes = wire.bytes()
    target.set(bytes, at)
    at += bytes.length
  }
  return buffer
}

type ViewClass = new (buffer: ArrayBuffer, byteOffset: number, length: number) => object

function makeView(kind: number, buffer: ArrayBuffer, byteOffset: number, length: number): object {
  const name = KINDS[kind]
  if (name === 'Buffer') return Buffer.from(buffer, byteOffset, length)
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
  if (Buffer.isBuffer(view)) return 0
  return (KINDS as readonly string[]).indexOf((view as { readonly [Symbol.toStringTag]?: string })[Symbol.toStringTag] ?? '')
}

function elementSize(view: ArrayBufferView): number {
  return (view as { readonly BYTES_PER_ELEMENT?: number }).BYTES_PER_ELEMENT ?? 1
}
