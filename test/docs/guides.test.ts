import { execFile } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'

/**
 * A page's programs: its blocks ```js file=NAME are written to a folder, and each block ```text prints=NAME is what
 * `node NAME` must print there, run in the order of the page.
 */
const execute = promisify(execFile)
const guides = new URL('../../../docs/guides/', import.meta.url)
const pages = [...readdirSync(guides).filter(name => name.endsWith('.md')), '../embedding.md'].sort()

// Inside the package its own name resolves to what users get.
const link = (text: string): string => text.replaceAll(/from '(troupe(?:\/\w+)?)'/g, (_, door: string) => `from '${import.meta.resolve(door)}'`)

/** As a user has it: without the loaders of the test that starts it. */
const env = { ...process.env, NODE_OPTIONS: '', NODE_V8_COVERAGE: undefined }

// Programs wait for the disk and for each other's threads more than they compute.
t.jobs = 3

t.test('there is a guide for each thing a durable-workflow engine is expected to do', async t => {
  const expected = ['changing-code', 'control', '../embedding', 'events-and-streams', 'messages', 'parallel', 'queues', 'schedules', 'testing', 'upkeep']
  t.same(expected.filter(name => !pages.includes(`${name}.md`)), [])
})

for (const page of pages) {
  const text = readFileSync(new URL(page, guides), 'utf8')
  const files = [...text.matchAll(/```js file=(\S+)\n([\s\S]*?)```/g)].map(([, name, code]) => ({ name: name!, code: code! }))
  const programs = [...text.matchAll(/```text prints=(\S+)\n([\s\S]*?)```/g)].map(([, name, output]) => ({ name: name!, output: output! }))

  t.test(`docs/guides/${page} can be followed to the letter: its programs print what it says`, { buffered: true }, async t => {
    t.ok(programs.length > 0, 'it has a program whose output it shows')
    t.same(programs.filter(({ name }) => !files.some(file => file.name === name)), [], 'and shows each program')
    t.equal(new Set(files.map(({ name }) => name)).size, files.length, 'no file is written twice')
    t.notMatch(text, /```js\n/, 'it has no code that nobody runs')
    const folder = join(t.testdir({}), 'project')
    mkdirSync(folder)
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
    for (const { name, code } of files) writeFileSync(join(folder, name), link(code))
    for (const { name, output } of programs) {
      const { stdout, stderr } = await execute(process.execPath, [name], { cwd: folder, env })
      t.equal(stdout, output, `what ${name} prints`)
      // A test crashes threads on purpose, and troupe says so.
      if (!name.endsWith('.test.js')) t.equal(stderr, '', `${name} has nothing to complain about`)
    }
  })

  t.test(`every link of docs/guides/${page} leads somewhere`, async t => {
    for (const [, target = ''] of text.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)) t.doesNotThrow(() => readFileSync(new URL(target, new URL(page, guides))), target)
    t.match(readFileSync(new URL('../../README.md', guides), 'utf8'), join('docs/guides', page), 'and the README leads to it')
  })
}
