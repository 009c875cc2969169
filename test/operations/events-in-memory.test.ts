/** The tests of events, on a store in memory. */
import t from 'tap'
import { keepInMemory } from '../harness-inline.ts'

keepInMemory()
await import('./events.test.ts')
t.setTimeout(280_000)
