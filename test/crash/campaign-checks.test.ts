import t from 'tap'
import type { Line } from '../fixtures/crash/log.ts'
import { outcomes, ranAfterAcknowledgement, wrongAttempts } from './campaign-checks.ts'

const entered = (boot: number, step: string, attempt: number, after: readonly string[] = [], inputs = '-'): Line =>
  ({ type: 'entered', boot, run: 'r', step, index: 0, attempt, inputs, after })

t.test('the checks of the kill campaign find what they are for', async t => {
  t.same(ranAfterAcknowledgement([entered(1, 'a', 1), entered(2, 'a', 1), entered(2, 'b', 1, ['r#a']), entered(3, 'b', 1, ['r#a'])]), [])
  t.equal(ranAfterAcknowledgement([entered(1, 'a', 1), entered(1, 'b', 1, ['r#a']), entered(2, 'a', 1)]).length, 1, 'its successor had its result')
  t.equal(ranAfterAcknowledgement([entered(1, 'a', 1), { type: 'told', boot: 1, run: 'r', outcome: '1' }, entered(2, 'a', 1)]).length, 1, 'its run was over')

  t.same(wrongAttempts([entered(1, 'a', 1), entered(1, 'a', 2), entered(2, 'a', 2), entered(2, 'a', 3)]), [])
  t.equal(wrongAttempts([entered(1, 'a', 2)]).length, 1, 'the first is not 1')
  t.equal(wrongAttempts([entered(1, 'a', 1), entered(1, 'a', 1)]).length, 1, 'the same one twice in one process')
  t.equal(wrongAttempts([entered(1, 'a', 1), entered(1, 'a', 2), entered(2, 'a', 1)]).length, 1, 'back to 1')
  t.equal(wrongAttempts([entered(1, 'a', 1), entered(2, 'a', 3)]).length, 1, 'one left out')
  t.equal(wrongAttempts([entered(1, 'a', 1, [], 'x'), entered(2, 'a', 1, [], 'y')]).length, 1, 'other inputs')

  t.same(outcomes([{ type: 'told', boot: 1, run: 'r', outcome: '1' }, { type: 'told', boot: 2, run: 'r', outcome: '1' }]).wrong, [])
  t.equal(outcomes([{ type: 'told', boot: 1, run: 'r', outcome: '1' }, { type: 'told', boot: 2, run: 'r', outcome: '2' }]).wrong.length, 1)
  t.equal(outcomes([{ type: 'lost', boot: 1, run: 'r' }]).wrong.length, 1)
})
