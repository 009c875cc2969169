/** What every store makes sure of before a user's string becomes part of a key. */
import { InternalError } from '../errors.ts'
import { MAX_NAME_BYTES } from '../model/ids.ts'

const LONE_SURROGATE = /\p{Surrogate}/u

/**
 * Whether the string can be a key: 1 to MAX_NAME_BYTES bytes of UTF-8 and no lone surrogate (two of them would become the
 * same bytes, so two ids would be one). NULs and every code point are fine.
 */
export function isStorable(name: string): boolean {
  return name !== '' && name.length <= MAX_NAME_BYTES && Buffer.byteLength(name) <= MAX_NAME_BYTES && !LONE_SURROGATE.test(name)
}

/** The value of a tag may be empty as well: its key has its length. */
export function isStorableTag(name: string, value: string): boolean {
  return isStorable(name) && (value === '' || isStorable(value))
}

/** The doors have validated it already: whoever gets this error went round them. */
export function assertStorable(what: string, name: string): void {
  if (!isStorable(name)) {
    throw new InternalError({ problem: `${what} ${JSON.stringify(name.slice(0, 100))} cannot be stored: a name has 1 to ${MAX_NAME_BYTES} bytes of UTF-8 and no lone surrogate` })
  }
}
