import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'

const run = promisify(execFile)
const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8')

/** The files a reader is told to write, by name. */
const files = [...readme.matchAll(/```js file=(\S+)\n([\s\S]*?)```/g)].map(match => ({ name: match[1]!, text: match[2]! }))

t.test('the README can be followed to the letter: its files run, print what they say, and run again', async t => {
  t.same(files.map(file => file.name), ['workflows.js', 'main.js'])
  // Inside the package its own name resolves to what users get.
  const folder = t.testdir({})
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  const link = (text: string): string => text.replaceAll(/from '(troupe(?:\/workflow)?)'/g, (_, door: string) => `from '${import.meta.resolve(door)}'`)
  for (const { name, text } of files) writeFileSync(join(folder, name), link(text))
  for (const lives of [1, 1]) {
    const { stdout, stderr } = await run(process.execPath, ['main.js'], { cwd: folder })
    t.equal(stdout, `{ customer: 'ann', total: 800 }\n${lives}\n`)
    t.equal(stderr, '')
  }
})

t.test('the README names no command that package.json lacks', async t => {
  const { scripts } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { scripts: Record<string, string> }
  const named = [...readme.matchAll(/npm (?:run )?(start|test|check:node24|check|bench)\b/g)].map(match => match[1]!)
  t.ok(named.length >= 4)
  for (const name of named) t.type(scripts[name], 'string', name)
})

t.test('every page the README links to is there', async t => {
  const pages = [...readme.matchAll(/\]\(([^)#]+)\)/g)].map(match => match[1]!)
  t.ok(pages.length >= 5)
  for (const page of pages) t.doesNotThrow(() => readFileSync(new URL(`../../../${page}`, import.meta.url)), page)
})
