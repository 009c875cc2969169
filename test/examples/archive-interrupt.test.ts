import t from 'tap'
import { join } from 'node:path'
import { interrupt, makeFolder, mustEnd } from './archive-program.ts'

t.test('Ctrl-C stops in good order, says how to go on, and the same command does', async t => {
  const top = t.testdir({})
  const [folder, output] = [join(top, 'in'), join(top, 'out')]
  makeFolder(folder, 300)
  const ended = await interrupt([folder, output, '--quality', '9'], output, 'SIGINT', 'SIGINT') // npm and the terminal both send it
  t.equal(ended.code, 130, ended.text)
  t.match(ended.text, /stopped while .*goes on from here; nothing is lost/s)
  await mustEnd(t, [folder, output, '--quality', '9'], 0, /resuming: \d+ of 304 files/, /files +304 /)
})
