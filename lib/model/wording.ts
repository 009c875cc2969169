/** How error messages are put together. */
import { inspect, types } from 'node:util'

/** Writable as every built-in `name` is, so that `error.name = '...'` still works on an instance. */
export function nameClass(errorClass: { readonly prototype: Error }, name: string): void {
  Object.defineProperty(errorClass.prototype, 'name', { value: name, writable: true, configurable: true, enumerable: false })
}

/** `cause` only where there is one: a key that is there but undefined would be printed. */
export function causeOf(facts: { readonly cause?: unknown }): ErrorOptions | undefined {
  return facts.cause === undefined ? undefined : { cause: facts.cause }
}

export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

/** One line of at most about 100 characters. Never throws: hostile getters and proxies are the user's. */
export function shortValue(value: unknown): string {
  try {
    if (typeof value === 'function') return value.name === '' ? 'a function' : `function ${value.name}`
    const text = inspect(value, { depth: 1, breakLength: Infinity, maxArrayLength: 5, maxStringLength: 80, getters: false, customInspect: false })
    const line = text.replaceAll(/\s+/g, ' ')
    return line.length <= 100 ? line : `${line.slice(0, 97)}...`
  } catch {
    return `a value of type ${typeof value}`
  }
}

/** The message of an error, the text of anything else. Never throws: what is thrown is the user's. */
export function messageOf(thrown: unknown): string {
  try {
    return isError(thrown) ? String(thrown.message) : String(thrown)
  } catch {
    return shortValue(thrown)
  }
}

/** "RangeError: out of bounds" for an error, the text of anything else. Never throws. */
export function describeThrown(thrown: unknown): string {
  try {
    return isError(thrown) ? nameAndMessage(thrown) : String(thrown)
  } catch {
    return shortValue(thrown)
  }
}

/** Also one that has lost its prototype. */
function isError(thrown: unknown): thrown is Error {
  return types.isNativeError(thrown) || thrown instanceof Error
}

function nameAndMessage({ name = 'Error', message }: { readonly name?: string, readonly message: string }): string {
  return `${name}: ${message}`
}

/** "RangeError: out of bounds" for an error, a short rendering of anything else. */
export function shortError(thrown: unknown): string {
  try {
    if (isError(thrown)) {
      const line = nameAndMessage(thrown).replaceAll(/\s+/g, ' ').replace(/[.\s]+$/, '')
      return line.length <= 200 ? line : `${line.slice(0, 197)}...`
    }
  } catch {
    return 'an error that cannot be read'
  }
  return shortValue(thrown)
}
