/** The store in memory. */
export { createMemoryStore } from './store.ts'
