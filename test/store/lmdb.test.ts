import t from 'tap'
import { openLmdbStore } from '../../lib/store/lmdb/index.ts'
import { storeConformance } from './conformance.ts'

for (const durability of ['process-crash', 'power-loss'] as const) {
  t.test(`the LMDB store that is durable against ${durability} does what every store must do`, t => storeConformance(t, async t => {
    const store = await openLmdbStore({ folder: t.testdir(), durability })
    t.teardown(() => store.close())
    return store
  }))
}
