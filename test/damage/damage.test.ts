/** A slice of the campaign (`npm run byte-flips`). */
import t from 'tap'
import { seedOf } from '../chance.ts'
import { damage } from './campaign.ts'

t.setTimeout(300_000)

t.test('a store whose bytes were changed says what is right or is refused, and ends no process', async t => {
  const { flips, right, refused, violations } = await damage(t.testdir({}), seedOf(t), 80)
  t.comment(`${flips} flips: ${right} said what was right, refused:`, refused)
  t.same(violations, [])
})

t.test('kept: a sector that took the end of a key and the beginning of its value with it', async t => {
  const { violations } = await damage(t.testdir({}), 1895286059, 46)
  t.same(violations, [])
})
