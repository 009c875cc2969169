/**
 * Runs the compiled tests, each file a process of its own, some at once; prints one line a file and the details of every failure, and counts.
 *
 * `tap run` would do so, too, but it slips module loaders into each process, which makes a test with real threads take twice the time.
 *
 * A test is a `t.test()` that holds no further ones; a file without any is one test. A file that dies, does not end or leaves something
 * undone is a failed test of its own, so that the sum can never look green when a file's exit code is not.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join, relative } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Parser } from 'tap-parser'
import { root, walk } from './paths.js'

/** Files at once: one more than the cores of the machine that it is for, because many wait for the disk, a child process or the clock. */
const JOBS = 3
/** Eight runaway threads at once, and a host that must not stand still meanwhile: what other files do to the machine is not to count. */
const ALONE = new Set(['dist/test/crash/abuse.test.js'])
/** Seconds after which a test that names no time of its own has failed. */
const TEST_TIMEOUT_SECONDS = 300
/** A file that has not ended by then never will: it is told to end, so that it says where it stands, and then ended. */
const FILE_TIMEOUT_MS = 900_000
const LAST_WORDS_MS = 5000

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

const count = (assertion, ok, totals) => {
  if (assertion.skip || assertion.todo) totals.skipped += 1
  else if (ok) totals.passed += 1
  else totals.failed += 1
}

/** Follows one level of a file's TAP; `path` holds the names above it, the file's own level has none. */
const follow = (parser, path, totals) => {
  const node = { tests: 0, failed: 0, broken: 0 }
  let child
  parser.on('child', sub => { child = follow(sub, [...path, sub.name], totals) })
  parser.on('extra', text => { if (!/^\s*\d+\.\.\d+\s*$/.test(text)) totals.lines.push(text.trimEnd()) })
  // Seeds of random tests, above all.
  parser.on('comment', text => { if (!/^# (Subtest|time=|\{ total)/.test(text)) totals.comments.push(`  ${text.trim()} (${path.join(' > ')})`) })
  parser.on('assert', assertion => {
    const under = child
    child = undefined
    const ok = assertion.ok || assertion.todo || assertion.skip
    if (!under) {
      totals.assertions += 1
      if (!ok) totals.lines.push(describe(path, assertion))
      if (assertion.skip || assertion.todo) totals.skipped += 1
      node.broken += ok ? 0 : 1
      return
    }
    // Neither this test's own assertions nor the tests below it say why it failed: a timeout, a wrong plan.
    if (!ok && under.failed === 0 && under.broken === 0) totals.lines.push(describe(path, assertion))
    node.tests += 1
    if (under.tests === 0) count(assertion, ok, totals)
    else if (!ok && under.failed === 0) count(assertion, false, totals)
    if (!ok) node.failed += 1
  })
  return node
}

/** Processes of tests, each the head of a group: what a test starts ends with it, and all end with the runner. */
const running = new Set()
const signalAll = name => {
  for (const { pid } of running) {
    try {
      process.kill(-pid, name)
    } catch (error) {
      if (error.code !== 'ESRCH') throw error
    }
  }
}
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(name, () => {
    signalAll('SIGKILL')
    process.kill(process.pid, name)
  })
}

/** @param coverage the folder for what measure.cjs notes, or undefined */
const runFile = async (file, { node, coverage }) => {
  const totals = { passed: 0, failed: 0, skipped: 0, assertions: 0, lines: [], comments: [] }
  const from = performance.now()
  const parser = new Parser()
  const top = follow(parser, [], totals)
  const args = ['--enable-source-maps', ...coverage === undefined ? [] : [`--require=${join(import.meta.dirname, 'measure.cjs')}`], join(root, file)]
  const child = spawn(node, args, {
    cwd: root, stdio: ['ignore', 'pipe', 'inherit'], detached: true,
    env: { ...process.env, TAP: '1', TAP_TIMEOUT: `${TEST_TIMEOUT_SECONDS}`, ...coverage !== undefined && { TROUPE_COVERAGE: coverage } },
  })
  running.add(child)
  const over = new AbortController()
  let isTimeout = false
  const end = async () => {
    await delay(FILE_TIMEOUT_MS, undefined, { signal: over.signal })
    isTimeout = true
    child.kill('SIGTERM')
    await delay(LAST_WORDS_MS, undefined, { signal: over.signal })
    child.kill('SIGKILL')
  }
  end().catch(() => {})
  const parsed = once(parser, 'complete')
  child.stdout.pipe(parser)
  const [[code, signal], [results]] = await Promise.all([once(child, 'close').catch(error => [error.code]), parsed])
  over.abort()
  running.delete(child)
  const problem = isTimeout ? `did not end within ${FILE_TIMEOUT_MS / 1000} s` : signal ? `was ended by ${signal}`
    : results.bailout ? `bailed out: ${String(results.bailout)}` : code !== 0 ? `ended with code ${code}` : results.ok ? undefined : 'did not end as planned'
  if (problem === undefined && top.tests === 0) totals.passed += 1
  if (problem !== undefined && totals.failed === 0) {
    totals.failed += 1
    if (top.broken === 0) totals.lines.push(`  FAILED ${file} ${problem}`, ...results.failures.map(failure => describe([], failure)))
  }
  return { file, ms: Math.round(performance.now() - from), ok: problem === undefined && totals.failed === 0, ...totals }
}

/**
 * @typedef {{ file: string, ms: number, failed: number }} Ran
 * @param {{ node?: string, files?: readonly string[], coverage?: string, mayStart?: (file: string, ran: readonly Ran[]) => boolean,
 *   stopAtMs?: number }} options `node` is the binary that runs the tests; `coverage` a folder for what measure.cjs notes; a file that
 *   `mayStart` refuses is left out; what still runs at `stopAtMs` is ended and counts as left out
 * @returns {Promise<{ passed: number, failed: number, skipped: number, assertions: number, files: Ran[] }>}
 */
export const runTap = async ({ node = process.execPath, files: wanted = testFiles(), coverage, mayStart = () => true, stopAtMs } = {}) => {
  const sum = { passed: 0, failed: 0, skipped: 0, assertions: 0, files: [] }
  const waiting = wanted.filter(file => !ALONE.has(file))
  let isOver = false
  const stop = stopAtMs === undefined ? undefined : setTimeout(() => {
    isOver = true
    signalAll('SIGKILL')
  }, stopAtMs - Date.now())
  const work = async files => {
    for (let file = files.shift(); file !== undefined; file = files.shift()) {
      if (isOver || !mayStart(file, sum.files)) continue
      const { ms, ok, lines, comments, passed, failed, skipped, assertions } = await runFile(file, { node, coverage })
      if (isOver) continue
      console.log(`${ok ? 'ok    ' : 'FAILED'} ${file} (${passed} passed${failed > 0 ? `, ${failed} failed` : ''}, ${ms} ms)`)
      for (const line of ok ? lines : [...lines, ...comments]) console.log(line)
      sum.passed += passed
      sum.failed += failed
      sum.skipped += skipped
      sum.assertions += assertions
      sum.files.push({ file, ms, failed })
    }
  }
  await work(wanted.filter(file => ALONE.has(file)))
  await Promise.all(Array.from({ length: JOBS }, () => work(waiting)))
  clearTimeout(stop)
  if (sum.passed + sum.failed === 0 && stopAtMs === undefined) {
    console.log('FAILED no test ran')
    sum.failed += 1
  }
  return sum
}

/** What takes longest begins first, so that no core is idle at the end. */
const LONGEST = ['crash', 'model', 'examples', 'store', 'torture', 'docs', 'replay', 'operations']
const rank = file => (LONGEST.indexOf(file.split('/')[2]) + LONGEST.length + 1) % (LONGEST.length + 1)

/** Every compiled test file, relative to the clone. */
export const testFiles = () => walk(join(root, 'dist/test'))
  .filter(file => file.endsWith('.test.js') && !file.includes('/fixtures/'))
  .map(file => relative(root, file))
  .toSorted((a, b) => rank(a) - rank(b))

export const summary = ({ passed, failed, skipped }) =>
  `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
