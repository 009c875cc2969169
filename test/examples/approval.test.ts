import t from 'tap'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { runExample } from './small-program.ts'

const lettersOf = (folder: string): string[] => readFileSync(join(folder, 'letters.txt'), 'utf8').trimEnd().split('\n')

t.test('a decision by the second command ends the waiting', async t => {
  const folder = t.testdir({})
  for (const [word, verdict, number] of [['yes', 'approved', 1], ['no', 'refused', 2]] as const) {
    let asked: Promise<unknown> | undefined
    const { code, text } = await runExample('approval/main', [folder, '600'], text => {
      if (text.includes('decide.js')) asked ??= runExample('approval/decide', [folder, `expense-${number}`, word, 'ann'])
    })
    t.equal(code, 0, text)
    t.match(await asked, { code: 0, text: `ann says ${word} to expense-${number}` })
    t.match(text, `${verdict} by ann`)
  }
  t.same(lettersOf(folder), [
    'please decide: a coffee machine for 49900 cents', 'a coffee machine was approved by ann',
    'please decide: a coffee machine for 49900 cents', 'a coffee machine was refused by ann',
  ])
  t.same(readdirSync(join(folder, 'inbox')), [], 'letters go once they have arrived')
})

t.test('killed while it waits, with the decision sent meanwhile, it goes on with it', async t => {
  const folder = t.testdir({})
  const first = await runExample('approval/main', [folder, '600'], (text, stop) => { if (text.includes('decide.js')) stop('SIGKILL') })
  t.equal(first.signal, 'SIGKILL')
  await runExample('approval/decide', [folder, 'nobody', 'yes', 'bob'])
  await runExample('approval/decide', [folder, 'expense-1', 'no', 'bob'])
  const second = await runExample('approval/main', [folder, '600'])
  t.equal(second.code, 0, second.text)
  t.match(second.text, 'a decision on nobody, which is not known, is dropped')
  t.match(second.text, 'refused by bob')
  t.equal(lettersOf(folder).at(-1), 'a coffee machine was refused by bob')
})

t.test('at half time there is a reminder, and after the deadline it is over', async t => {
  const folder = t.testdir({})
  const { code, text } = await runExample('approval/main', [folder, '0.4'])
  t.equal(code, 0, text)
  t.match(text, 'nobody decided in time')
  t.same(lettersOf(folder), [
    'please decide: a coffee machine for 49900 cents', 'a reminder: a coffee machine for 49900 cents', 'nobody decided on a coffee machine in time',
  ])
})

t.test('a decision that is not understood is refused', async t => {
  t.match(await runExample('approval/decide', ['folder', 'id', 'perhaps', 'ann']), { code: 2, text: /usage/ })
})
