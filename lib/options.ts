/** Checks of what a user gives: each refuses with InvalidOptionError, which names the option, the rule and the value. */
import { InvalidOptionError } from './errors.ts'
import { MAX_NAME_BYTES } from './model/ids.ts'

/** Longest duration a user may ask for, in seconds: 10,000 years, so that every instant stays a valid Date. */
const MAX_SECONDS = 10_000 * 366 * 86_400

export interface NumberRule {
  readonly min: number
  readonly max?: number
  readonly whole?: true
}

export function refuse(option: string, rule: string, received: unknown): never {
  throw new InvalidOptionError({ option, rule, received })
}

/** The options as an object whose every own key is known; undefined counts as no options. */
export function checkOptions(owner: string, options: unknown, known: readonly string[]): Readonly<Record<string, unknown>> {
  if (options === undefined) return {}
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    refuse(`${owner} options`, 'be an object', options)
  }
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) refuse(key, `be an option of ${owner} (${known.join(', ')})`, (options as Record<string, unknown>)[key])
  }
  return options as Readonly<Record<string, unknown>>
}

export function checkNumber(option: string, value: unknown, rule: NumberRule): number {
  const { min, whole, max = whole === true ? Number.MAX_SAFE_INTEGER : Number.MAX_VALUE } = rule
  const bounds = max >= Number.MAX_SAFE_INTEGER ? `>= ${min}` : `from ${min} to ${max}`
  if (typeof value !== 'number' || !(value >= min && value <= max) || (whole === true && !Number.isInteger(value))) {
    refuse(option, `be a ${whole === true ? 'whole number' : 'finite number'} ${bounds}`, value)
  }
  return value
}

export function optionalNumber(option: string, value: unknown, rule: NumberRule): number | undefined {
  return value === undefined ? undefined : checkNumber(option, value, rule)
}

/** A duration in seconds, as milliseconds. */
export function secondsToMs(option: string, value: unknown, minSeconds = 0): number {
  return checkNumber(option, value, { min: minSeconds, max: MAX_SECONDS }) * 1000
}

export function optionalMs(option: string, value: unknown, minSeconds = 0): number | undefined {
  return value === undefined ? undefined : secondsToMs(option, value, minSeconds)
}

/** A bound on time: more than nothing. */
export function optionalTimeoutMs(option: string, value: unknown): number | undefined {
  const ms = optionalMs(option, value)
  if (ms === 0) refuse(option, 'be more than 0', value)
  return ms
}

export function checkBoolean(option: string, value: unknown): boolean {
  if (typeof value !== 'boolean') refuse(option, 'be true or false', value)
  return value
}

export function checkOneOf<T extends string>(option: string, value: unknown, allowed: readonly T[]): T {
  if (!allowed.includes(value as T)) refuse(option, `be one of ${allowed.map(word => `'${word}'`).join(', ')}`, value)
  return value as T
}

/** A string that becomes part of the store's keys: not empty, well-formed Unicode, at most 512 bytes of UTF-8. */
export function checkName(option: string, value: unknown): string {
  if (typeof value !== 'string') refuse(option, 'be a string', value)
  if (value === '') refuse(option, 'not be empty', value)
  if (!value.isWellFormed()) refuse(option, 'be well-formed Unicode (it holds half of a surrogate pair)', value)
  if (Buffer.byteLength(value) > MAX_NAME_BYTES) refuse(option, `be at most ${MAX_NAME_BYTES} bytes of UTF-8`, value)
  return value
}

export function optionalName(option: string, value: unknown): string | undefined {
  return value === undefined ? undefined : checkName(option, value)
}

export function optionalFunction(option: string, value: unknown): ((...args: never[]) => unknown) | undefined {
  if (value !== undefined && typeof value !== 'function') refuse(option, 'be a function', value)
  return value as ((...args: never[]) => unknown) | undefined
}
