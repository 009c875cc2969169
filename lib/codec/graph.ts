/** Objects to bytes and back by node:v8, with what v8 would lose beside it; the format is in format.ts. */
import { Deserializer, Serializer } from 'node:v8'
import { StoreFormatError } from '../errors.ts'
import type { Encoded } from './encoded.ts'
import { type EmptyError, type ErrorHead, fillError, readHead, writeHead } from './error-record.ts'
import { damaged, Tag } from './format.ts'
import { MemoryWriter, readMemory } from './memory.ts'
import { Refused, refusalOfEmptyInstance } from './refusal.ts'
import { ownBytes, Reader, Writer } from './wire.ts'

/** A value made ready for v8: nothing in it is a getter, an error or an ArrayBuffer, or else cannot be stored. */
export interface Graph {
  readonly value: object
  readonly hasViews: boolean
  /** The objects in it that shall have no prototype. */
  readonly bare: readonly object[]
  /** What stands for the errors (by their number in `errors`) and ArrayBuffers of the value. */
  readonly placeholders: ReadonlyMap<object, number | ArrayBuffer>
  readonly errors: readonly StoredError[]
}

export interface StoredError {
  readonly head: ErrorHead
  /** Of its fields, in their order. */
  readonly values: readonly unknown[]
}

// One for all: what it writes is plain data by now, so nothing comes between.
const wire = new Writer()

export function writeGraph(graph: Graph): Encoded {
  const hasExtras = graph.bare.length > 0 || graph.errors.length > 0
  if (hasExtras || graph.hasViews || graph.placeholders.size > 0) return writeWithHosts(graph, hasExtras)
  const serializer = new Serializer()
  serializer.writeUint32(Tag.Graph) // one byte
  serializer.writeHeader()
  serializer.writeValue(graph.value)
  const { buffer, byteOffset, length } = serializer.releaseBuffer()
  return new Uint8Array(buffer, byteOffset, length) as Encoded
}

/** @throws StoreFormatError or, for damaged bytes, anything */
export function readGraph(bytes: Uint8Array): unknown {
  const wire = new Reader(bytes)
  const tag = wire.u8()
  if (tag === Tag.Graph) return readV8(new Deserializer(bytes), bytes, 1)
  const errors: EmptyError[] = []
  for (let left = wire.varint(); left > 0; left--) errors.push(readHead(wire))
  const hosts = [...errors.map(({ error }) => error), ...readMemory(wire)]
  const rest = bytes.subarray(bytes.length - wire.remaining)
  const value = readV8(new HostReader(rest, hosts), rest, 0)
  return tag === Tag.GraphWithHosts ? value : withExtras(value, errors)
}

function writeWithHosts(graph: Graph, hasExtras: boolean): Encoded {
  const serializer = new HostWriter(graph)
  serializer.writeHeader()
  serializer.writeValue(hasExtras ? [graph.value, graph.bare, graph.errors.map(({ values }) => values)] : graph.value)
  wire.reset()
  wire.u8(hasExtras ? Tag.GraphWithExtras : Tag.GraphWithHosts)
  wire.varint(graph.errors.length)
  for (const { head } of graph.errors) writeHead(wire, head)
  const memory = serializer.memory.write(wire)
  return joined([wire.view(), ...memory, serializer.releaseBuffer()])
}

/** One copy, of exactly the size: what owns its memory alone can be moved between threads. */
function joined(parts: readonly Uint8Array[]): Encoded {
  let length = 0
  for (const part of parts) length += part.length
  const bytes = ownBytes(length)
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes as Uint8Array as Encoded
}

/** Writes views and placeholders as numbers of hosts. */
class HostWriter extends Serializer {
  readonly memory = new MemoryWriter()
  readonly #graph: Graph

  constructor(graph: Graph) {
    super()
    this.#graph = graph
    // Node's own DefaultSerializer calls it too; it is documented, but not in the types.
    ;(this as unknown as { _setTreatArrayBufferViewsAsHostObjects(on: boolean): void })._setTreatArrayBufferViewsAsHostObjects(true)
  }

  _writeHostObject(object: object): void {
    const { placeholders, errors } = this.#graph
    const stored = placeholders.get(object)
    if (typeof stored === 'number') this.writeUint32(stored)
    else if (stored !== undefined) this.writeUint32(errors.length + this.memory.addBuffer(stored))
    else if (ArrayBuffer.isView(object)) this.writeUint32(errors.length + this.memory.addView(object as ArrayBufferView<ArrayBuffer>))
    else throw new Refused(refusalOfEmptyInstance(object)) // a native object with fields of its own
  }
}

class HostReader extends Deserializer {
  readonly #hosts: readonly object[]

  constructor(bytes: Uint8Array, hosts: readonly object[]) {
    super(bytes)
    this.#hosts = hosts
  }

  _readHostObject(): object {
    const host = this.#hosts[this.readUint32()]
    if (host === undefined) throw damaged('it refers to something that is not there')
    return host
  }
}

/** The value that v8 wrote behind the first `start` bytes, and up to the last one. */
function readV8(deserializer: Deserializer, bytes: Uint8Array, start: 0 | 1): unknown {
  if (start === 1) deserializer.readUint32()
  try {
    deserializer.readHeader()
  } catch (thrown) {
    throw new StoreFormatError({ what: 'a stored value', problem: 'was written by a newer version of Node, or is damaged', cause: thrown })
  }
  const value: unknown = deserializer.readValue()
  // Nothing else tells where the reader is.
  if (deserializer.readRawBytes(0).byteOffset !== bytes.byteOffset + bytes.length) throw damaged('bytes are left over')
  return value
}

function withExtras(read: unknown, errors: readonly EmptyError[]): unknown {
  const [value, bare, fields] = read as readonly [unknown, readonly object[], readonly (readonly unknown[])[]]
  for (const object of bare) Object.setPrototypeOf(object, null)
  for (const [i, error] of errors.entries()) fillError(error, fields[i] as readonly unknown[])
  return value
}
