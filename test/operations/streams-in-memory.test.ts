/** The tests of streams, on a store in memory. */
import t from 'tap'
import { keepInMemory } from '../harness-inline.ts'

keepInMemory()
await import('./streams.test.ts')
t.setTimeout(280_000)
