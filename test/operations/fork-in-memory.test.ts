/** The tests of fork, on a store in memory. */
import t from 'tap'
import { keepInMemory } from '../harness-inline.ts'

keepInMemory()
await import('./fork.test.ts')
t.setTimeout(280_000)
