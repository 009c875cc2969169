/** What is joined when the project is built: who loads what of it, and that there is one instance of everything. */
import t from 'tap'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { StepCrashedError, TroupeError } from 'troupe'
import { StepCrashedError as StepCrashedOfAuthors, TroupeError as TroupeErrorOfAuthors } from 'troupe/workflow'
import { StepCrashedError as StepCrashedInside, TroupeError as TroupeErrorInside } from '../lib/errors.ts'

const FOLDER = join(import.meta.dirname, '../lib/joined')

const importsOf = (file: string): readonly string[] =>
  [...readFileSync(join(FOLDER, file), 'utf8').matchAll(/^(?:import|export) (?:[^"';]*? from )?["']([^"']+)["'];$/gm)].map(([, name]) => name!)

t.test('each kind of thread loads what it needs, and nothing of the others', async t => {
  const files = readdirSync(FOLDER).filter(file => file.endsWith('.js'))
  t.same(files.sort(), ['actor.js', 'common.js', 'host.js', 'supervisor.js', 'workflow.js'])
  const joined = (file: string): readonly string[] => [...new Set(importsOf(file).filter(name => name.startsWith('./')))].sort()
  t.same(joined('workflow.js'), [], 'what authors import stands alone')
  t.same(joined('common.js'), ['./workflow.js'])
  t.same(joined('host.js'), ['./common.js', './workflow.js'])
  t.same(joined('actor.js'), ['./common.js', './workflow.js'])
  const packages = (file: string): readonly string[] => [...new Set(importsOf(file).filter(name => !name.startsWith('./') && !name.startsWith('node:')))].sort()
  t.same(packages('supervisor.js'), ['lmdb', 'piscina'])
  t.same(packages('host.js'), ['croner'])
  for (const file of ['workflow.js', 'common.js', 'actor.js']) t.same(packages(file), [], `${file} loads no package`)
  for (const slow of ['node:crypto', 'node:v8']) t.notOk(importsOf('workflow.js').includes(slow), `troupe/workflow loads no ${slow}`)
})

t.test('an error class is the same, whoever imports it from where', async t => {
  t.equal(StepCrashedError, StepCrashedInside)
  t.equal(StepCrashedOfAuthors, StepCrashedInside)
  t.equal(TroupeError, TroupeErrorInside)
  t.equal(TroupeErrorOfAuthors, TroupeErrorInside)
})
