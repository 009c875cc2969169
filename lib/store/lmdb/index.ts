/** The store in a folder. */
export { openLmdbStore } from './open.ts'
export { DEFAULT_MIN_FREE_BYTES, type LmdbStoreOptions } from './options.ts'
export type { LmdbStore, StoreFailure } from './store.ts'
