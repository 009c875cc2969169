import t from 'tap'
import { appendFileSync, chmodSync, existsSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { interrupt, look, makeFolder, mustEnd, system } from './archive-program.ts'

t.test('files that vanish or change meanwhile are named, and the rest is archived', async t => {
  const top = t.testdir({})
  const [folder, output] = [join(top, 'in'), join(top, 'out')]
  makeFolder(folder, 200)
  await interrupt([folder, output], output, 'SIGKILL')
  const [vanished, changed] = ['file-150', 'file-9'].map(name => ['.', 'a', 'a/b', 'a/b/c', 'grüße 日本'].map(place => join(folder, place, name)).find(existsSync) ?? '')
  rmSync(vanished ?? '')
  await mustEnd(t, [folder, output], 1, /file-150: .*(it is not there|could not be found again)/, /problems?:/)
  appendFileSync(changed ?? '', 'more')
  await mustEnd(t, [folder, output], 0, /generation 2/)
  await mustEnd(t, ['restore', output, join(top, 'back')], 0)
  t.same(look(join(top, 'back')), look(folder))
})

t.test('a folder that vanishes is named, with exit code 1, and earlier generations stay', async t => {
  const top = t.testdir({})
  const [folder, output] = [join(top, 'in'), join(top, 'out')]
  await mustEnd(t, [folder, output], 1, /cannot archive .*in: it is not there/)
  t.notOk(existsSync(output), 'nothing was written')
  makeFolder(folder, 100)
  await mustEnd(t, [folder, output], 0)
  for (let index = 0; index < 100; index += 1) writeFileSync(join(folder, `more ${index}`), `${index}`)
  await interrupt([folder, output], output, 'SIGKILL')
  renameSync(folder, `${folder}-away`)
  await mustEnd(t, [folder, output], 1, /the folder .*in vanished/)
  await mustEnd(t, ['restore', output, join(top, 'back'), '--generation', '1'], 0, /restored 104 of 104/)
})

t.test('an unreadable file is named with the reason, and the rest is archived', { skip: process.getuid?.() === 0 && 'root reads everything' }, async t => {
  const top = t.testdir({ in: { open: 'x', closed: 'y' } })
  chmodSync(join(top, 'in', 'closed'), 0)
  await mustEnd(t, [join(top, 'in'), join(top, 'out')], 1, /closed: not archived: permission denied/, /files +1 /)
})

t.test('a thing that cannot be archived is named', async t => {
  const top = t.testdir({ in: { file: 'x' } })
  system('mkfifo', join(top, 'in', 'pipe'))
  await mustEnd(t, [join(top, 'in'), join(top, 'out')], 1, /pipe: a pipe cannot be archived/, /1 problem:/)
})

t.test('an unfinished archive of another folder is not mixed with this one', async t => {
  const top = t.testdir({ other: { file: 'x' } })
  const [folder, output] = [join(top, 'in'), join(top, 'out')]
  makeFolder(folder, 100)
  await interrupt([folder, output], output, 'SIGKILL')
  await mustEnd(t, [join(top, 'other'), output], 1, /an archive of .*in is unfinished/)
  await mustEnd(t, [folder, output], 0)
  await mustEnd(t, [join(top, 'other'), output], 0, /generation 2/)
})
