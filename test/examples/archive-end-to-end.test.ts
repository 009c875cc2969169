import t from 'tap'
import { chmodSync, existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { look, makeFolder, manifestOf, mustEnd } from './archive-program.ts'

t.test('archive, verify and restore give back the very same folder; again stores nothing twice', async t => {
  const top = t.testdir({})
  const [folder, output] = [join(top, 'in'), join(top, 'out')]
  makeFolder(folder)
  const text = await mustEnd(t, [folder, output, '--quality', '3'], 0, /archiving .*in into .*out/, /files +154 /, /reused +0 objects/, /generation 1/)
  t.notOk(text.includes('\u001b') || text.includes('\r'), 'no control characters where there is no terminal')
  t.same(readdirSync(output).sort(), ['.troupe', 'archive.json', 'manifest.json', 'manifests', 'objects'])
  await mustEnd(t, ['verify', output], 0, /every object decompresses/)
  await mustEnd(t, ['restore', output, join(top, 'back')], 0, /restored 154 of 154 files/)
  t.same(look(join(top, 'back')), look(folder))
  await mustEnd(t, ['restore', output, join(top, 'back')], 1, /not empty/)
  const before = manifestOf(output)
  await mustEnd(t, [folder, output], 0, /complete/, /unchanged/, /reused +\d+ objects from before/)
  t.equal(manifestOf(output), before)
  writeFileSync(join(folder, 'later'), 'new contents')
  await mustEnd(t, [folder, output], 0, /files +155 /, /generation 2/)
  await mustEnd(t, ['restore', output, join(top, 'old'), '--generation', '1'], 0, /restored 154 of/)
  t.notOk(existsSync(join(top, 'old', 'later')))
})

t.test('damage is named by object and by file, and archiving again repairs it', async t => {
  const top = t.testdir({ in: { one: 'first', two: 'second' } })
  const output = join(top, 'out')
  await mustEnd(t, [join(top, 'in'), output], 0)
  const [prefix = ''] = readdirSync(join(output, 'objects'))
  const [name = ''] = readdirSync(join(output, 'objects', prefix))
  const object = join(output, 'objects', prefix, name)
  chmodSync(object, 0o600)
  writeFileSync(object, 'rubbish')
  await mustEnd(t, ['verify', output], 1, new RegExp(`objects/${prefix}/${name}: .*it is needed for (one|two)`))
  await mustEnd(t, ['restore', output, join(top, 'back')], 1, /(one|two): not restored/)
  t.equal(readdirSync(join(top, 'back')).length, 1, 'the other one is there')
  await mustEnd(t, [join(top, 'in'), output], 0)
  await mustEnd(t, ['verify', output], 0)
  writeFileSync(join(output, 'manifest.json'), manifestOf(output).replace('"one"', '"../one"'))
  await mustEnd(t, ['verify', output], 1, /manifest\.json: .*leads out of the folder/)
  await mustEnd(t, ['restore', output, join(top, 'again')], 1, /leads out of the folder/)
  t.notOk(existsSync(join(top, 'again')), 'nothing was written')
})

t.test('what cannot be meant is refused before anything is written', async t => {
  const top = t.testdir({ in: { file: 'x' }, taken: { mine: 'y' }, file: 'z' })
  const [folder, taken] = [join(top, 'in'), join(top, 'taken')]
  await mustEnd(t, ['--help'], 0, /npm start -- verify OUTPUT/)
  await mustEnd(t, ['--unknown'], 2, /--unknown/)
  await mustEnd(t, [folder], 2, /OUTPUT is missing/)
  await mustEnd(t, [folder, taken], 1, /not an archive/)
  await mustEnd(t, [join(top, 'file'), join(top, 'out')], 1, /is not a folder/)
  await mustEnd(t, [folder, folder], 1, /not an archive|would hold itself/)
  await mustEnd(t, ['verify', taken], 1, /not an archive/)
  await mustEnd(t, ['verify', join(top, 'nowhere')], 1, /is not there/)
  await mustEnd(t, ['restore', taken, join(top, 'back')], 1, /not an archive/)
  t.same(readdirSync(taken), ['mine'])
  t.same(readdirSync(folder), ['file'])
})

t.test('an archive inside of the folder does not archive itself', async t => {
  const folder = t.testdir({ file: 'x', deep: { file: 'y' } })
  const output = join(folder, 'deep', 'out')
  await mustEnd(t, [folder, output], 0, /files +2 /)
  t.notMatch(manifestOf(output), /objects/)
})
