import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

const SOURCES = join(import.meta.dirname, '../../../test/contract')

/** Names of the classes and functions that a module of the contract promises. Types are promise.ts's business: they leave nothing to look at. */
function promisedValues(module: string): string[] {
  const source = readFileSync(join(SOURCES, `${module}.ts`), 'utf8')
  return [...new Set([...source.matchAll(/^export declare (?:class|function) (\w+)/gm)].map(match => match[1] ?? ''))]
}

for (const [module, door, atLeast] of [['troupe', 'troupe', 20], ['workflow', 'troupe/workflow', 20], ['testing', 'troupe/testing', 3]] as const) {
  void t.test(`${door} gives every promised class and function at run time`, async t => {
    const names = promisedValues(module)
    t.ok(names.length >= atLeast, `${names.length} names were read`)
    const exported = await import(door) as Record<string, unknown>
    for (const name of names) t.type(exported[name], 'function', name)
    t.notOk('default' in exported, 'named exports only')
  })
}

void t.test('"troupe/testing" gives a Troupe of its own', async t => {
  const { TestTroupe } = await import('troupe/testing')
  const { Troupe } = await import('troupe')
  t.ok(TestTroupe.prototype instanceof Troupe)
  t.type(TestTroupe.open, 'function')
})

void t.test('the doors share their error classes, so that instanceof works across them', async t => {
  const host = await import('troupe') as Record<string, unknown>
  const author = await import('troupe/workflow') as Record<string, unknown>
  const shared = Object.keys(author).filter(name => name.endsWith('Error') && name in host)
  for (const name of shared) t.equal(author[name], host[name], name)
  const { TroupeError } = await import('troupe')
  const { StillAtWorkError } = await import('troupe/testing')
  t.ok(StillAtWorkError.prototype instanceof TroupeError)
})
