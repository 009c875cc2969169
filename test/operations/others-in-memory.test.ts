/** The tests of patched(), delivery exactly once, and what is waited for, on a store in memory. */
import t from 'tap'
import { keepInMemory } from '../harness-inline.ts'

keepInMemory()
await import('./patched.test.ts')
await import('./exactly-once.test.ts')
await import('./waits-for.test.ts')
t.setTimeout(280_000)
