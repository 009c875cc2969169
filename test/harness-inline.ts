/**
 * Supervisors on the test's own thread, over LMDB; or over stores in memory, where a file of tests is run for a second time
 * on those: they outlive their Troupes, as a folder does.
 */
import type { OpenLink } from '../lib/client/link.ts'
import type { Store } from '../lib/store/contract.ts'
import { createMemoryStore } from '../lib/store/memory/index.ts'
import { inlineLink } from '../lib/testing/inline-link.ts'
import type { InlineOptions } from '../lib/testing/inline-link.ts'

export { inlineLink }

/** By the folder that they stand for. */
let stores: Map<string, Store> | undefined

/** From now on this process keeps in memory what its tests give to stores. */
export function keepInMemory(): void {
  stores = new Map()
}

export function isInMemory(): boolean {
  return stores !== undefined
}

/** The link of a test that asks for no store of its own. */
export function linkToStore(options: Omit<InlineOptions, 'openStore'> = {}): OpenLink {
  const kept = stores
  if (kept === undefined) return inlineLink(options)
  return inlineLink({ ...options, openStore: ({ store: folder }) => {
    const known = kept.get(folder)
    if (known !== undefined) return known
    const memory = createMemoryStore()
    const store = new Proxy(memory, { get: (target, name) => {
      if (name === 'close') return () => {}
      const value = Reflect.get(target, name) as unknown
      return typeof value === 'function' ? value.bind(target) as unknown : value
    } })
    kept.set(folder, store)
    return store
  } })
}
