/** The tests of messages, on a store in memory. */
import t from 'tap'
import { keepInMemory } from '../harness-inline.ts'

keepInMemory()
await import('./messages.test.ts')
t.setTimeout(280_000)
