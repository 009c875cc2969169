/**
 * All of CI: `npm run check`. Every step runs, even after one has failed, so that one run tells all; only what does not compile is
 * not looked at further. The last line counts tests; a step that is no test and failed counts as one failure.
 *
 *   --node24   the tests once more on Node 24, as many files as the time allows, the quick ones first
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { build } from './build.js'
import { checkCoverage } from './coverage.js'
import { runOnNode24 } from './node24.js'
import { root } from './paths.js'
import { runTap, summary } from './tap.js'

/** CI has 15 minutes on 2 cores, with `npm ci` in them; what Node 24 runs must be over by then. */
const BUDGET_MS = 12 * 60_000

const startedAt = Date.now()
const sum = { passed: 0, failed: 0, skipped: 0 }
const outcomes = []

const step = async (title, work) => {
  console.log(`\n=== ${title}`)
  const from = Date.now()
  const ok = await work()
  outcomes.push(`${ok ? 'ok    ' : 'FAILED'} ${title} (${((Date.now() - from) / 1000).toFixed(1)} s)`)
  return ok
}

const command = (program, args) => {
  const { status } = spawnSync(program, args, { cwd: root, stdio: 'inherit' })
  if (status !== 0) sum.failed += 1
  return status === 0
}

const add = result => {
  for (const key of Object.keys(sum)) sum[key] += result[key]
  return result.failed === 0
}

const bin = name => join(root, 'node_modules/.bin', name)

const compiled = await step('types and contract (tsc)', () => {
  const ok = build() === 0
  if (!ok) sum.failed += 1
  return ok
})
await step('lint (oxlint)', () => command(process.execPath, [join(root, '.ci/lint.js')]))
await step('unused files, exports and dependencies (knip)', () =>
  command(bin('knip'), ['--reporter', 'symbols', '--reporter', './.ci/knip-count.js']))
if (compiled) {
  await step('package (publint, attw, contract)', () => command(process.execPath, [join(root, '.ci/package.js')]))
  let files = []
  let testMs = 0
  await step(`tests on Node ${process.versions.node}`, async () => {
    const from = Date.now()
    const result = await runTap({ args: ['--coverage-report=json-summary'] })
    files = result.files
    testMs = Date.now() - from
    return add(result)
  })
  await step('coverage', () => {
    const ok = checkCoverage()
    if (!ok) sum.failed += 1
    return ok
  })
  if (process.argv.includes('--node24')) await step('tests on Node 24', () => node24(files, testMs))
}

async function node24(files, testMs) {
  // Files run two at a time, so the sum of their times is more than the wall's.
  const share = testMs / Math.max(1, files.reduce((total, { ms }) => total + ms, 0))
  let leftMs = BUDGET_MS - (Date.now() - startedAt)
  const chosen = []
  for (const { file, ms } of [...files].sort((a, b) => a.ms - b.ms)) {
    leftMs -= ms * share
    if (leftMs > 0) chosen.push(file)
  }
  const leftOut = files.filter(({ file }) => !chosen.includes(file))
  if (leftOut.length > 0) console.log(`!!! For want of time not on Node 24 (npm run check:node24 runs all): ${leftOut.map(({ file }) => file).join(', ')}`)
  const result = chosen.length > 0 ? await runOnNode24(chosen) : undefined
  if (result) return add(result)
  outcomes.push('!!! Node 24 was NOT tried, see above')
  return true
}

console.log(`\n=== ${((Date.now() - startedAt) / 1000).toFixed(0)} s in all`)
for (const outcome of outcomes) console.log(outcome)
console.log(summary(sum))
process.exitCode = sum.failed === 0 ? 0 : 1
