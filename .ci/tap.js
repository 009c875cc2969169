/**
 * Runs tap on what was compiled, prints one line a test file and the details of every failure, and counts.
 *
 * A test is a `t.test()` that holds no further ones; a file without any is one test. A file that dies, times out or leaves
 * something open is a failed test of its own, so that the sum can never look green when tap's exit code is not.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { Parser } from 'tap-parser'
import { root, walk } from './paths.js'

const tapBin = join(root, 'node_modules/tap/dist/esm/run.mjs')

/**
 * tap compiles its plugins into its Test class. The first run after a change of .taprc does so by itself and then fails,
 * because its loaders were chosen before; `npm ci` always is such a change. So it is built here, once.
 */
const buildPlugins = async () => {
  const built = join(root, 'node_modules/@tapjs/test/test-built/dist/esm/index.js')
  const signature = /export const signature = `([^`]*)`/.exec(readFileSync(built, 'utf8'))?.[1] ?? ''
  const isCurrent = statSync(built).mtimeMs > statSync(join(root, '.taprc')).mtimeMs
  if (isCurrent && !signature.includes('@tapjs/typescript') && existsSync(join(root, '.tap/plugins'))) return
  const child = spawn(process.execPath, [tapBin, 'build'], { cwd: root, stdio: 'inherit' })
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new Error(`"tap build" ended with code ${code}: tap's plugins could not be put together`)
}

/** What tap adds to each failure and the other lines say better, or nobody asks for. */
const NOISE = new Set(['at', 'args', 'command', 'cwd', 'externalID', 'jobId', 'stdio', 'tapCaught'])

const indent = (text, spaces) => String(text).trimEnd().replaceAll(/^/gm, ' '.repeat(spaces))

const describe = (path, assertion) => {
  const lines = [`  FAILED ${[...path, assertion.name].filter(Boolean).join(' > ')}`]
  for (const [key, value] of Object.entries(assertion.diag ?? {})) {
    if (NOISE.has(key) || value === null) continue
    const text = typeof value === 'string' ? value : JSON.stringify(value, undefined, 2)
    lines.push(text.includes('\n') ? `    ${key}:\n${indent(text, 6)}` : `    ${key}: ${text}`)
  }
  return lines.join('\n')
}

/** Follows one level of the TAP stream; `path` holds the names above it. */
const follow = (parser, path, totals) => {
  const node = { name: path.at(-1), tests: 0, failed: 0, broken: 0 }
  let child
  parser.on('child', sub => { child = follow(sub, [...path, sub.name], totals) })
  parser.on('extra', text => { if (!/^\s*\d+\.\.\d+\s*$/.test(text)) process.stdout.write(text) })
  parser.on('assert', assertion => {
    const under = child
    child = undefined
    const ok = assertion.ok || assertion.todo || assertion.skip
    if (!under) {
      totals.assertions += 1
      if (!ok) totals.reports.push(describe(path, assertion))
    }
    // Neither this test's own assertions nor the tests below it say why it failed: a timeout, a wrong plan, a dead process.
    if (under && !ok && under.failed === 0 && under.broken === 0) totals.reports.push(describe(path, assertion))
    if (path.length === 0) return endOfFile(assertion, under, ok, totals)
    if (!under) {
      if (assertion.skip || assertion.todo) totals.skipped += 1
      node.broken += ok ? 0 : 1
      return
    }
    node.tests += 1
    if (under.tests === 0) count(assertion, ok, totals)
    else if (!ok && under.failed === 0) count(assertion, false, totals)
    if (!ok) node.failed += 1
  })
  return node
}

const count = (assertion, ok, totals) => {
  if (assertion.skip || assertion.todo) totals.skipped += 1
  else if (ok) totals.passed += 1
  else totals.failed += 1
}

const endOfFile = (assertion, under, ok, totals) => {
  const before = totals.atFileStart
  if (!under || under.tests === 0) count(assertion, ok, totals)
  else if (!ok && under.failed === 0) totals.failed += 1
  // After a file has timed out tap reports the run's last file under this name.
  const file = assertion.name === 'timeout!' && under ? under.name : assertion.name
  const ms = Math.round(assertion.time ?? 0)
  const passed = totals.passed - before.passed
  const failed = totals.failed - before.failed
  console.log(`${ok ? 'ok    ' : 'FAILED'} ${file} (${passed} passed${failed > 0 ? `, ${failed} failed` : ''}, ${ms} ms)`)
  for (const report of totals.reports) console.log(report)
  totals.reports = []
  totals.files.push({ file, ms, failed })
  totals.atFileStart = { passed: totals.passed, failed: totals.failed }
}

/**
 * @param {{ node?: string, args?: readonly string[], files?: readonly string[] }} options `node` is the binary that runs the tests; each of
 *   `files` (default: all there are) that tap does not report, because the run was cut short, is a failure
 * @returns {Promise<{ passed: number, failed: number, skipped: number, assertions: number, files: { file: string, ms: number, failed: number }[] }>}
 */
export const runTap = async ({ node = process.execPath, args = [], files: wanted = testFiles() } = {}) => {
  await buildPlugins()
  const totals = { passed: 0, failed: 0, skipped: 0, assertions: 0, files: [], reports: [], atFileStart: { passed: 0, failed: 0 } }
  const parser = new Parser()
  follow(parser, [], totals)
  const child = spawn(node, [tapBin, 'run', '--reporter=tap', ...args, ...wanted], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] })
  const parsed = once(parser, 'complete')
  child.stdout.pipe(parser)
  const [[code, signal]] = await Promise.all([once(child, 'close'), parsed])
  for (const file of wanted.filter(file => !totals.files.some(ran => ran.file === file))) {
    console.log(`FAILED ${file} did not run`)
    totals.failed += 1
  }
  if ((code !== 0 || signal) && totals.failed === 0) {
    console.log(`FAILED tap ended with ${signal ?? `code ${code}`} although no test failed`)
    totals.failed += 1
  }
  if (totals.passed + totals.failed === 0) {
    console.log('FAILED no test ran')
    totals.failed += 1
  }
  const { passed, failed, skipped, assertions, files } = totals
  return { passed, failed, skipped, assertions, files }
}

/** Every compiled test file, relative to the clone. */
export const testFiles = () => walk(join(root, 'dist/test'))
  .filter(file => file.endsWith('.test.js') && !file.includes('/fixtures/'))
  .map(file => relative(root, file))

export const summary = ({ passed, failed, skipped }) =>
  `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
