/**
 * Values to bytes and back.
 *
 * Kept as they are: everything structured clone keeps (Map, Set, Date, RegExp, BigInt, boxed primitives, ArrayBuffer and all
 * views on it, cycles and shared references, holes, -0, NaN, undefined), and also Buffer, objects without a prototype,
 * fields of arrays, strings with lone surrogates, and errors with their class and fields (error-record.ts).
 * Changed, in structured clone's way: instances of other classes become plain objects of their own enumerable fields,
 * getters become their values, symbol keys are dropped, a RegExp's lastIndex is 0, nothing is frozen.
 * Refused with UnserializableValueError: what is left, above all what would come back as `{}`.
 *
 * Small trees of plain data are written by tree.ts, all other objects by node:v8: as they are after a quick look (plain.ts), else from a copy (copy.ts).
 */
import { StoreFormatError, UnserializableValueError } from '../errors.ts'
import { Copier } from './copy.ts'
import type { Encoded } from './encoded.ts'
import { damaged, Tag } from './format.ts'
import { readGraph, writeGraph } from './graph.ts'
import { renderPath } from './path.ts'
import { lookAt } from './plain.ts'
import { encodePrimitive, isPrimitive, type Primitive, readPrimitive, viewOfPrimitive } from './primitive.ts'
import { isStackOverflow, Refused, refusalOfThrown } from './refusal.ts'
import { decodeTree, isTree, viewOfTree } from './tree.ts'
import { Reader } from './wire.ts'

export type { Encoded } from './encoded.ts'

/** Whose value it is, for the message of UnserializableValueError. */
export interface ValueOwner {
  /** In words: 'the result of step "resize" of workflow "thumbnails"'. */
  readonly what: string
  /** What paths start with: 'result', 'args'. */
  readonly root: string
}

const NO_PLACEHOLDERS: ReadonlyMap<object, ArrayBuffer> = new Map()

/**
 * The bytes of a value, in memory of their own. `owner` is asked only when the value is refused.
 * @throws UnserializableValueError naming the path to the part that cannot be stored
 */
export function encodeValue(value: unknown, owner: ValueOwner | (() => ValueOwner)): Encoded {
  if (isPrimitive(value)) return encodePrimitive(value)
  return (typeof value === 'object' ? viewOfTree(value)?.slice() as Encoded | undefined ?? encodePlain(value) : undefined) ?? encodeCopy(value, owner)
}

/**
 * The same, but small ones are not copied: good until the next value is encoded.
 * @throws UnserializableValueError
 */
export function viewOfValue(value: unknown, owner: () => ValueOwner): Encoded {
  if (isPrimitive(value)) return viewOfPrimitive(value)
  return (typeof value === 'object' ? viewOfTree(value) ?? encodePlain(value) : undefined) ?? encodeCopy(value, owner)
}

/** The bytes of anything thrown; what of it cannot be stored is replaced by a description. Never throws. */
export function encodeLeniently(value: unknown): Encoded {
  const copier = new Copier()
  const copy = copier.copyOrDescribe(() => value)
  if (isPrimitive(copy)) return encodePrimitive(copy)
  try {
    return writeGraph(copier.graph(copy))
  } catch (thrown) { // memory that a getter transferred away after it was met
    return encodePrimitive(`[${refusalOfThrown(thrown).short}]`)
  }
}

/**
 * The value whose bytes these are. Nothing in it shares memory with the bytes or with anything else: the copy of large
 * buffers is paid so that writing to a decoded buffer cannot change what is stored, or what a later replay reads.
 * @throws StoreFormatError for bytes that are damaged or of a newer format
 */
export function decodeValue(bytes: Uint8Array): unknown {
  try {
    const tag = bytes[0]
    if (isTree(tag)) return decodeTree(bytes)
    return tag === Tag.Graph || tag === Tag.GraphWithHosts || tag === Tag.GraphWithExtras ? readGraph(bytes) : decodePrimitive(bytes)
  } catch (thrown) {
    // A full stack is the caller's; all else that can go wrong here is a length or a text that nobody wrote.
    if (thrown instanceof StoreFormatError || isStackOverflow(thrown)) throw thrown
    throw new StoreFormatError({ what: 'a stored value', problem: 'is damaged', cause: thrown })
  }
}

function decodePrimitive(bytes: Uint8Array): Primitive {
  const wire = new Reader(bytes)
  const value = readPrimitive(wire.u8(), wire)
  if (wire.remaining > 0) throw damaged('bytes are left over')
  return value
}

/** undefined where only a copy can be written, or the exact walk that makes it can say what is wrong. */
function encodePlain(value: object): Encoded | undefined {
  const plain = lookAt(value)
  if (plain === undefined) return undefined
  try {
    return writeGraph({ value, hasViews: plain.hasViews, bare: plain.bare, placeholders: NO_PLACEHOLDERS, errors: [] })
  } catch { // an object that v8 knows better than plain.ts: an iterator with fields, for instance, which a copy leaves behind
    return undefined
  }
}

function encodeCopy(value: unknown, owner: ValueOwner | (() => ValueOwner)): Encoded {
  const copier = new Copier()
  let bytes: Encoded
  try {
    bytes = writeGraph(copier.graph(copier.copy(value) as object))
  } catch (thrown) {
    throw refused(copier, thrown, ownerOf(owner))
  }
  if (copier.replaced > 0) checkMetAgain(copier, ownerOf(owner))
  return bytes
}

/** What an error left out must not be missing in the value around it too: there it is refused, like everywhere else. */
function checkMetAgain(copier: Copier, { what, root }: ValueOwner): void {
  for (const { value, path } of copier.metAgain) encodeValue(value, { what, root: renderPath(root, path) })
}

function refused(copier: Copier, thrown: unknown, { what, root }: ValueOwner): UnserializableValueError {
  const { problem, advice, cause } = thrown instanceof Refused ? thrown.refusal : refusalOfThrown(thrown)
  return new UnserializableValueError({ what, path: renderPath(root, copier.path.slice(0, copier.depth)), problem, advice, cause })
}

function ownerOf(owner: ValueOwner | (() => ValueOwner)): ValueOwner {
  return typeof owner === 'function' ? owner() : owner
}
