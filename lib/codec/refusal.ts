/** What cannot be stored, and how that is said. */
import { EventEmitter } from 'node:events'
import { types } from 'node:util'

/** Why a part of a value cannot be stored. */
export interface Refusal {
  /** Completes "<path> ...": 'is a function'. */
  readonly problem: string
  /** Stands in brackets where a part of an error is left out: 'function resize'. */
  readonly short: string
  readonly advice?: string
  readonly cause?: unknown
}

/** A refusal on its way up to where it is answered: never seen outside this folder, so it needs no stack. */
export class Refused {
  readonly refusal: Refusal

  constructor(refusal: Refusal) {
    this.refusal = refusal
  }
}

export function refusalOfPrimitive(value: unknown): Refusal {
  if (typeof value === 'symbol') return { problem: 'is a symbol', short: cut(String(value)) }
  return { problem: 'is a function', short: cut(`function ${safely(() => String((value as { readonly name?: unknown }).name), '')}`.trim()) }
}

/** Built-in objects whose contents structured clone (or any other way) cannot reach; undefined for the rest. */
export function refusalOfBuiltIn(value: object): Refusal | undefined {
  if (types.isPromise(value)) return { problem: 'is a Promise', short: 'Promise', advice: 'Await it first.' }
  if (types.isSharedArrayBuffer(value)) return { problem: 'is a SharedArrayBuffer', short: 'SharedArrayBuffer', advice: 'Copy what is needed of it into an ArrayBuffer.' }
  if (types.isWeakMap(value) || types.isWeakSet(value) || value instanceof WeakRef) return held(value)
  if (types.isGeneratorObject(value) || types.isMapIterator(value) || types.isSetIterator(value)) {
    return { problem: 'is an iterator', short: 'iterator', advice: 'Make it an array first.' }
  }
  if (types.isSymbolObject(value)) return { problem: 'is a symbol object', short: 'symbol object' }
  if (types.isExternal(value)) return held(value)
  if (value instanceof EventEmitter || value instanceof EventTarget) return held(value)
  return undefined
}

/** An object whose contents are not in fields: stored like others it would come back as `{}`. */
export function refusalOfEmptyInstance(value: object): Refusal {
  const name = classNameOf(value)
  const advice = ADVICE.get(name)
  return {
    problem: `is ${article(name)} ${name} without enumerable fields of its own and would be stored as an empty object`,
    short: name,
    ...(advice === undefined ? undefined : { advice }),
  }
}

export const PROXY: Refusal = { problem: 'is a Proxy', short: 'Proxy', advice: 'Copy what is needed of it into a plain object.' }
export const ARGUMENTS: Refusal = { problem: 'is an arguments object', short: 'arguments', advice: 'Make it an array first: [...arguments].' }
export const DETACHED: Refusal = { problem: 'is memory that was transferred away', short: 'detached memory', advice: 'Use it before it is transferred, or a copy.' }

/** Something threw while the value was read: a getter, a trap, an accessor of the prototype. */
export function refusalOfThrown(thrown: unknown): Refusal {
  if (isStackOverflow(thrown)) return { ...tooDeep(), cause: thrown }
  const said = safely(() => thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown), 'something unreadable')
  return { problem: `could not be read: it threw ${cut(said)}`, short: `unreadable: ${cut(said)}`, cause: thrown }
}

/** Without a number: deeper than the stack reaches, as the caller has used much of it. */
export function tooDeep(levels?: number): Refusal {
  const depth = levels === undefined ? 'deeper than what is left of the stack' : `more than ${levels} levels deep`
  return { problem: `is nested ${depth}`, short: 'nested too deep', advice: 'Make it flatter: an array of nodes that name each other by index, for instance.' }
}

/** Map, Set, Date and RegExp come back without fields of their own; better no checkpoint than half of one. */
export function refusalOfExtraFields(value: object): Refusal | undefined {
  const keys = Object.keys(value)
  return keys.length === 0 ? undefined : extraFields(value, keys)
}

/** V8's RangeError for a full stack. */
export function isStackOverflow(thrown: unknown): boolean {
  return safely(() => thrown instanceof RangeError && thrown.message.includes('call stack'), false)
}

function extraFields(value: object, fields: readonly string[]): Refusal {
  const name = classNameOf(value)
  return {
    problem: `is ${article(name)} ${name} with fields of its own (${cut(fields.join(', '))}), which would be lost`,
    short: name, advice: 'Store the fields and the contents beside each other in a plain object.',
  }
}

const ADVICE: ReadonlyMap<string, string> = new Map([
  ['URL', 'Store its href.'],
  ['URLSearchParams', 'Store String(params).'],
  ['Headers', 'Store Object.fromEntries(headers).'],
  ['Response', 'Store what is needed of it: status, and await response.text() or .json().'],
  ['Request', 'Store what is needed of it: url, method and body.'],
  ['Blob', 'Store new Uint8Array(await blob.arrayBuffer()).'],
  ['File', 'Store its name and new Uint8Array(await file.arrayBuffer()).'],
])

function held(value: object): Refusal {
  const name = classNameOf(value)
  return { problem: `is ${article(name)} ${name}, which lives in this process only`, short: name }
}

/** The name of the object's class, whatever its constructor does; of objects without one their tag: 'Array Iterator'. */
function classNameOf(value: object): string {
  const name = safely(() => {
    const constructor: unknown = (value as { readonly constructor?: unknown }).constructor
    return typeof constructor === 'function' && constructor !== Object ? constructor.name : ''
  }, '')
  if (typeof name === 'string' && name !== '') return cut(name)
  return cut(safely(() => Object.prototype.toString.call(value).slice(8, -1), 'Object'))
}

function article(name: string): string {
  return /^[aeio]/i.test(name) ? 'an' : 'a' // URL, Uint8Array: the U is spoken "you"
}

function safely<T>(read: () => T, otherwise: T): T {
  try {
    return read()
  } catch {
    return otherwise
  }
}

function cut(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ')
  return line.length <= 80 ? line : `${line.slice(0, 77)}...`
}
