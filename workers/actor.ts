/** The entry of a worker thread: the pool's one task for it is its boot. */
export { bootThread } from '../lib/actor/boot.ts'
