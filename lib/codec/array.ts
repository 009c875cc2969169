/** What an array holds beside its elements, or lacks. */
import { inspect } from 'node:util'

/** Up to here all keys of an array are listed to find those that are not indices. */
const LISTED_KEYS = 64
const NONE: readonly string[] = []

/** Whether an element is missing. None is read: one may be a getter. */
export function hasHoles(array: readonly unknown[]): boolean {
  for (let i = 0; i < array.length; i++) {
    if (!(i in array)) return true
  }
  return false
}

/**
 * The keys of an array without holes that are not indices (a RegExp match has `index`, for instance). Listing the keys of a
 * long array costs more than writing it; inspect() is the one way to Node's own list of those that are not indices. Told to
 * show no elements, it prints `[ ... 1000 more items ]` with those fields behind; whatever else it prints, all are listed.
 */
export function fieldsOf(array: readonly unknown[]): readonly string[] {
  const { length } = array
  if (length > LISTED_KEYS) {
    const text = inspect(array, { maxArrayLength: 0, depth: 0, customInspect: false, getters: false, breakLength: Infinity })
    if (/^(?:[\w$. ]+\(\d+\) )?\[ \.\.\. \d+ more items? \]$/.test(text)) return NONE
  }
  const keys = Object.keys(array)
  return keys.length === length ? NONE : keys.slice(length) // indices come first
}
