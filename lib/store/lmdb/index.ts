/** The store in a folder. */
export { openLmdbStore } from './open.ts'
export type { LmdbStoreOptions } from './options.ts'
export type { LmdbStore } from './store.ts'
