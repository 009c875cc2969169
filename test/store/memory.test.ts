import t from 'tap'
import { createMemoryStore } from '../../lib/store/memory/index.ts'
import { storeConformance } from './conformance.ts'

t.test('the memory store does what every store must do', t => storeConformance(t, async () => createMemoryStore()))

t.test('the memory store has nothing to back up, and says so', async t => {
  await t.rejects(createMemoryStore().backup(t.testdir()), { code: 'TROUPE_INVALID_OPTION', option: 'store', message: /Backing up.*a store in memory/ })
})
