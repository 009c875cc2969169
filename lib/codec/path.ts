/** Where in a value something is, in the form an author would write to get there. */

/** A field, an element of an array, or an entry of a collection. */
export type PathKey =
  | string
  | number
  | { readonly in: 'map-value' | 'map-key', readonly key: unknown, readonly position: number }
  | { readonly in: 'set', readonly position: number }

/**
 * `result.items[3].when`, `result["odd name"]`, `result.map.get("k").x`; the third key of a map `result.map.keys()[2]`,
 * the third value under a key that is an object `result.map.values()[2]`; the third element of a set `result.set[2]`.
 */
export function renderPath(root: string, keys: readonly PathKey[]): string {
  let path = root
  for (const key of shortened(keys)) path += key === undefined ? ' ... ' : renderKey(key)
  return path
}

/** A value nested a thousand deep is located well enough by where it begins and ends. */
function shortened(keys: readonly PathKey[]): readonly (PathKey | undefined)[] {
  return keys.length <= 24 ? keys : [...keys.slice(0, 12), undefined, ...keys.slice(-4)]
}

function renderKey(key: PathKey): string {
  if (typeof key === 'number') return `[${key}]`
  if (typeof key === 'string') {
    return /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(key) ? `.${key}` : `[${JSON.stringify(cut(key))}]`
  }
  if (key.in === 'set') return `[${key.position}]`
  if (key.in === 'map-key') return `.keys()[${key.position}]`
  const name = primitiveText(key.key)
  return name === undefined ? `.values()[${key.position}]` : `.get(${name})`
}

function primitiveText(key: unknown): string | undefined {
  if (typeof key === 'string') return JSON.stringify(cut(key))
  if (typeof key === 'bigint') return `${key}n`
  return typeof key === 'object' && key !== null || typeof key === 'function' || typeof key === 'symbol' ? undefined : String(key)
}

function cut(text: string): string {
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`
}
