/**
 * Values to bytes and back.
 *
 * Kept as they are: everything structured clone keeps (Map, Set, Date, RegExp, BigInt, boxed primitives, ArrayBuffer and all
 * views on it, cycles and shared references, holes, -0, NaN, undefined), and also Buffer, objects without a prototype,
 * fields of arrays, strings with lone surrogates, and errors with their class and fields (error-record.ts).
 * Changed, in structured clone's way: instances of other classes become plain objects of their own enumerable fields,
 * getters become their values, symbol keys are dropped, a RegExp's lastIndex is 0, nothing is frozen.
 * Refused with UnserializableValueError: what is left, above all what would come back as `{}`.
 */
import { StoreFormatError, UnserializableValueError } from '../errors.ts'
import { damaged, Decoder, primitive } from './decoder.ts'
import type { Encoded } from './encoded.ts'
import { Encoder, Refused } from './encoder.ts'
import { renderPath } from './path.ts'
import { isStackOverflow, refusalOfThrown } from './refusal.ts'
import { Tag } from './tags.ts'
import { Reader, Writer } from './wire.ts'

export type { Encoded } from './encoded.ts'

/** Whose value it is, for the message of UnserializableValueError. */
export interface ValueOwner {
  /** In words: 'the result of step "resize" of workflow "thumbnails"'. */
  readonly what: string
  /** What paths start with: 'result', 'args'. */
  readonly root: string
}

/** Kept for the next call; undefined while in use, as a getter of a value may encode another. */
let idle: Encoder | undefined = new Encoder()

/**
 * The bytes of a value, in memory of their own. `owner` is asked only when the value is refused.
 * @throws UnserializableValueError naming the path to the part that cannot be stored
 */
export function encodeValue(value: unknown, owner: ValueOwner | (() => ValueOwner)): Encoded {
  const encoder = idle ?? new Encoder()
  idle = undefined
  try {
    const bytes = encodeStrictly(encoder, value, owner)
    if (encoder.replaced > 0) checkMetAgain(encoder, owner)
    return bytes
  } finally {
    encoder.reset()
    idle = encoder
  }
}

/** The bytes of anything thrown; what of it cannot be stored is replaced by a description. Never throws. */
export function encodeLeniently(value: unknown): Encoded {
  const encoder = idle ?? new Encoder()
  idle = undefined
  try {
    encoder.wire.u8(Tag.Tree)
    encoder.writeOrDescribe(() => value)
    return finished(encoder)
  } catch (thrown) { // memory that a getter transferred away after it was met
    encoder.reset()
    encoder.write(`[${refusalOfThrown(thrown).short}]`)
    return finished(encoder)
  } finally {
    encoder.reset()
    idle = encoder
  }
}

/**
 * The value whose bytes these are. Nothing in it shares memory with the bytes or with anything else: the copy of large
 * buffers is paid so that writing to a decoded buffer cannot change what is stored, or what a later replay reads.
 * @throws StoreFormatError for bytes that are damaged or of a newer format
 */
export function decodeValue(bytes: Uint8Array): unknown {
  const wire = new Reader(bytes)
  try {
    const tag = wire.u8()
    const value = tag === Tag.Tree || tag === Tag.Graph || tag === Tag.GraphWithMemory ? decodeObject(tag, bytes, wire) : primitive(tag, wire)
    if (wire.remaining > 0 && tag !== Tag.GraphWithMemory) throw damaged('bytes are left over')
    return value
  } catch (thrown) {
    // A full stack is the caller's; all else that can go wrong here is a length or a text that nobody wrote.
    if (thrown instanceof StoreFormatError || isStackOverflow(thrown)) throw thrown
    throw new StoreFormatError({ what: 'a stored value', problem: 'is damaged', cause: thrown })
  }
}

function decodeObject(tag: number, bytes: Uint8Array, wire: Reader): unknown {
  if (tag !== Tag.GraphWithMemory) return new Decoder(wire, tag === Tag.Tree ? 'tree' : 'graph').value()
  const length = wire.varint()
  const start = bytes.length - wire.remaining
  if (length > wire.remaining) throw damaged('it ends too early')
  const graph = new Reader(bytes, start, start + length)
  const memory = new Reader(bytes, start + length)
  const value = new Decoder(graph, 'graph', memory).value()
  if (graph.remaining > 0 || memory.remaining > 0) throw damaged('bytes are left over')
  return value
}

function finished(encoder: Encoder): Encoded {
  const { wire, memory } = encoder
  if (memory === undefined) {
    const bytes = wire.finish()
    if (encoder.hasRefs) bytes[0] = Tag.Graph
    return bytes as Uint8Array as Encoded
  }
  const all = new Writer(wire.length + memory.byteLength + 64)
  all.u8(Tag.GraphWithMemory)
  all.bytes(wire.view().subarray(1))
  memory.write(all)
  return all.view() as Uint8Array as Encoded // not copied: this writer is not used again
}

function encodeStrictly(encoder: Encoder, value: unknown, owner: ValueOwner | (() => ValueOwner)): Encoded {
  try {
    if (typeof value === 'object' && value !== null) encoder.wire.u8(Tag.Tree)
    encoder.write(value)
    return finished(encoder)
  } catch (thrown) {
    throw refused(encoder, thrown, owner)
  }
}

/** What an error left out must not be missing in the value around it too: there it is refused, like everywhere else. */
function checkMetAgain(encoder: Encoder, owner: ValueOwner | (() => ValueOwner)): void {
  const { what, root } = ownerOf(owner)
  for (const { value, path } of encoder.metAgain) encodeValue(value, { what, root: renderPath(root, path) })
}

function refused(encoder: Encoder, thrown: unknown, owner: ValueOwner | (() => ValueOwner)): UnserializableValueError {
  const { what, root } = ownerOf(owner)
  const { problem, advice, cause } = thrown instanceof Refused ? thrown.refusal : refusalOfThrown(thrown)
  return new UnserializableValueError({ what, path: renderPath(root, encoder.path.slice(0, encoder.depth)), problem, advice, cause })
}

function ownerOf(owner: ValueOwner | (() => ValueOwner)): ValueOwner {
  return typeof owner === 'function' ? owner() : owner
}
