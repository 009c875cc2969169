import t from 'tap'
import { createMemoryStore } from '../../lib/store/memory/index.ts'
import { storeConformance } from './conformance.ts'

t.test('the memory store does what every store must do', t => storeConformance(t, async () => createMemoryStore()))
