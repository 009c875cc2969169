/** The entry of a worker thread: each task of the pool is the boot of the thread or one life of one actor. */
export { runThreadTask } from '../lib/actor/boot.ts'
