/** What tests trace is read while others write it. */
import t from 'tap'
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { readTrace, trace } from './fixtures/trace.ts'

t.test('a fact counts when all of it is written', async t => {
  const file = join(t.testdir({}), 'trace')
  t.same(readTrace(file), [])
  trace(file, { what: 'first' })
  appendFileSync(file, '{"what":"sec')
  t.same(readTrace(file), [{ what: 'first' }])
  appendFileSync(file, 'ond"}')
  t.same(readTrace(file), [{ what: 'first' }])
  appendFileSync(file, '\n')
  t.same(readTrace(file), [{ what: 'first' }, { what: 'second' }])
})
