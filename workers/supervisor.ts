/** The entry of the supervisor's thread: here, and only here, it is given its store. */
import { parentPort, workerData } from 'node:worker_threads'
import { fileURLToPath } from 'node:url'
import { openLmdbStore } from '../lib/store/lmdb/index.ts'
import { runSupervisorThread } from '../lib/supervisor/thread.ts'
import type { SupervisorThreadData } from '../lib/supervisor/thread.ts'

await runSupervisorThread(parentPort!, workerData as SupervisorThreadData, {
  openStore: ({ store, durability }) => openLmdbStore({ folder: store, durability }),
  actorEntry: fileURLToPath(new URL('./actor.cjs', import.meta.url)),
})
