/**
 * Which error classes come back as themselves. Bytes name a class, never hold one: each thread has its own registry,
 * filled by the modules it loads.
 */
import * as errors from '../errors.ts'
import { InvalidOptionError } from '../errors.ts'

type ErrorClass = new (...args: never[]) => Error

/** The built-in classes in durable order: the position of each is its number in stored errors. */
const BUILT_IN_NAMES = [
  'Error', 'TypeError', 'RangeError', 'SyntaxError', 'ReferenceError', 'EvalError', 'URIError', 'AggregateError', 'SuppressedError', 'DOMException',
] as const

export const DOM_EXCEPTION = BUILT_IN_NAMES.indexOf('DOMException')

const byName = new Map<string, ErrorClass>()
const nameOf = new Map<object, string>() // by prototype
const builtInOf = new Map<object, number>() // by prototype

for (const [index, name] of BUILT_IN_NAMES.entries()) {
  const builtIn = builtInClass(name)
  if (builtIn !== undefined) builtInOf.set(builtIn.prototype, index)
}

/**
 * Lets instances of these classes keep their class when they are decoded. All or none: InvalidOptionError for what is not
 * a class that extends Error, has no name, or has the name of another registered or built-in class.
 */
export function registerErrorClasses(...classes: ErrorClass[]): void {
  const added = new Map<string, ErrorClass>()
  for (const candidate of classes as readonly unknown[]) {
    const name = checkedName(candidate)
    const other = byName.get(name) ?? added.get(name) ?? builtInClass(name)
    if (other !== undefined && other !== candidate) {
      throw invalid(`have a name of its own: another error class named "${name}" is registered or built in`, candidate)
    }
    added.set(name, candidate as ErrorClass)
  }
  for (const [name, errorClass] of added) {
    if (builtInOf.has(errorClass.prototype)) continue
    byName.set(name, errorClass)
    nameOf.set(errorClass.prototype, name)
  }
}

/** The nearest registered class of an error ('' if there is none) and the number of its nearest built-in class. */
export function classesOf(error: object): { readonly className: string, readonly builtIn: number } {
  let className = ''
  for (let prototype: unknown = Object.getPrototypeOf(error); typeof prototype === 'object' && prototype !== null; prototype = Object.getPrototypeOf(prototype)) {
    if (className === '') className = nameOf.get(prototype) ?? ''
    const builtIn = builtInOf.get(prototype) ?? foreignBuiltIn(prototype)
    if (builtIn !== undefined) return { className, builtIn }
  }
  return { className, builtIn: 0 }
}

/** The registered class of this name, if this thread has it. */
export function registeredClass(name: string): ErrorClass | undefined {
  return byName.get(name)
}

/** A new error of a built-in class, without message and stack; an Error where this version of Node lacks the class. */
export function makeBuiltIn(builtIn: number): Error {
  const name = BUILT_IN_NAMES[builtIn] ?? 'Error'
  const limit = Error.stackTraceLimit
  Reflect.set(Error, 'stackTraceLimit', 0) // the stack of a decoder tells nobody anything, and costs
  try {
    if (name === 'AggregateError') return new AggregateError([])
    const BuiltIn: new () => Error = builtInClass(name) ?? Error
    return new BuiltIn()
  } finally {
    Reflect.set(Error, 'stackTraceLimit', limit)
  }
}

function builtInClass(name: string): ErrorClass | undefined {
  if (!(BUILT_IN_NAMES as readonly string[]).includes(name)) return undefined
  return (globalThis as unknown as Readonly<Record<string, ErrorClass | undefined>>)[name]
}

/** Errors of another realm (node:vm) have built-in prototypes that are not ours; they are known by their own `name`. */
function foreignBuiltIn(prototype: object): number | undefined {
  const above: unknown = Object.getPrototypeOf(prototype)
  if (typeof above !== 'object' || above === null || Object.hasOwn(prototype, 'stack')) return undefined
  const name: unknown = Object.getOwnPropertyDescriptor(prototype, 'name')?.value
  const constructor: unknown = Object.getOwnPropertyDescriptor(prototype, 'constructor')?.value
  if (typeof name !== 'string' || typeof constructor !== 'function' || constructor.name !== name) return undefined
  const index = (BUILT_IN_NAMES as readonly string[]).indexOf(name)
  return index < 0 ? undefined : index
}

function checkedName(candidate: unknown): string {
  const prototype: unknown = typeof candidate === 'function' ? candidate.prototype : undefined
  if (typeof candidate !== 'function' || (prototype !== Error.prototype && !(prototype instanceof Error))) {
    throw invalid('be a class that extends Error', candidate)
  }
  const name: unknown = candidate.name
  if (typeof name !== 'string' || name === '') throw invalid('be a class with a name, under which its errors are stored', candidate)
  return name
}

function invalid(rule: string, received: unknown): InvalidOptionError {
  return new InvalidOptionError({ doing: 'Registering error classes', option: 'registerError', rule, received })
}

registerErrorClasses(errors.TroupeError, ...errors.ERROR_CODES.map(entry => entry.class), errors.NonRetryableError, errors.RetryAfterError)
