import t from 'tap'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { changesBetween } from '../../examples/report/workflows.ts'
import { runExample } from './small-program.ts'

function addPackage(modules: string, name: string, facts: object): void {
  mkdirSync(join(modules, name), { recursive: true })
  writeFileSync(join(modules, name, 'package.json'), JSON.stringify(facts))
}

t.test('each occurrence is one report, which names what changed since the one before', async t => {
  const top = t.testdir({ modules: { '.bin': {}, 'no-package': {}, file: '' }, output: {} })
  const [modules, output] = [join(top, 'modules'), join(top, 'output')]
  for (let index = 0; index < 250; index += 1) addPackage(modules, `p${index}`, { version: '1.0.0', license: index % 2 === 0 ? 'MIT' : 'ISC' })
  addPackage(modules, '@scope/one', { version: '2.0.0' })
  const first = await runExample('report/main', [modules, output, '1'])
  t.equal(first.code, 0, first.text)
  t.match(first.text, /licences@\S+Z: 251 packages under 3 licences \(1 unknown\), 0 changes; see /)
  addPackage(modules, 'p1', { version: '2.0.0', license: 'GPL-3.0' })
  addPackage(modules, 'new', { version: '1.0.0', license: 'MIT' })
  const second = await runExample('report/main', [modules, output, '2'])
  t.equal(second.code, 0, second.text)
  t.match(second.text, /252 packages under 4 licences \(1 unknown\), 2 changes; [^]*252 packages under 4 licences \(1 unknown\), 0 changes/)
  const reports = readdirSync(output).filter(name => name.endsWith('.md')).sort()
  t.ok(reports.length >= 3)
  const changed = reports.map(name => readFileSync(join(output, name), 'utf8')).filter(text => text.includes('became'))
  t.equal(changed.length, 1, 'a change is told once')
  t.match(changed[0], '# Licences of 252 packages')
  t.match(changed[0], '| MIT | 126 | new, p0, p10 |')
  t.match(changed[0], '- new: new (MIT)\n- p1: ISC became GPL-3.0')
  t.notOk(readdirSync(output).some(name => name.endsWith('.part')), 'nothing half written is left')
})

t.test('what is gone, new, or under another licence is a change; another version is not', async t => {
  const before = [{ name: 'a', version: '1', licence: 'MIT' }, { name: 'b', version: '1', licence: 'MIT' }, { name: 'c', version: '1', licence: 'MIT' }]
  const now = [{ name: 'a', version: '2', licence: 'MIT' }, { name: 'b', version: '1', licence: 'ISC' }, { name: 'd', version: '1', licence: 'MIT' }]
  t.same(changesBetween(before, now), ['- b: MIT became ISC', '- new: d (MIT)', '- gone: c'])
})
