/** The tests of cancel, deadlines and resume, on a store in memory. */
import t from 'tap'
import { keepInMemory } from '../harness-inline.ts'

keepInMemory()
await import('./cancel.test.ts')
await import('./deadline-and-resume.test.ts')
t.setTimeout(280_000)
