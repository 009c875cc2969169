/**
 * All of CI: `npm run check`. Every step runs, even after one has failed, so that one run tells all; only what does not compile is
 * not looked at further. The last line counts tests; a step that is no test and failed counts as one failure.
 *
 *   --node24   the tests once more on Node 24, as many files as the time allows, the quick ones first
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { build } from './build.js'
import { beginCoverage, checkCoverage } from './coverage.js'
import { runWithinTime } from './node24.js'
import { root } from './paths.js'
import { runTap, summary } from './tap.js'

/** CI has 15 minutes on 2 cores, with `npm ci` in them. What Node 24 runs is over by then, whatever the machine. */
const BUDGET_MS = 13.5 * 60_000

/** CI began when its script did. */
const startedAt = Number(process.env.TROUPE_CI_STARTED_SECONDS ?? Date.now() / 1000) * 1000
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
  await step(`tests on Node ${process.versions.node}`, async () => {
    const result = await runTap({ coverage: beginCoverage() })
    files = result.files
    return add(result)
  })
  await step('coverage', () => {
    const ok = checkCoverage()
    if (!ok) sum.failed += 1
    return ok
  })
  if (process.argv.includes('--node24')) await step('tests on Node 24', () => node24(files))
}

async function node24(files) {
  const result = await runWithinTime(files, startedAt + BUDGET_MS)
  if (result === undefined) {
    outcomes.push('!!! Node 24 was NOT tried, see above')
    return true
  }
  const leftOut = files.filter(({ file }) => !result.files.some(ran => ran.file === file))
  outcomes.push(`       Node 24 ran ${result.files.length} of ${files.length} files`)
  if (leftOut.length > 0) console.log(`!!! For want of time not on Node 24 (npm run check:node24 runs all): ${leftOut.map(({ file }) => file).join(', ')}`)
  return add(result)
}

console.log(`\n=== ${((Date.now() - startedAt) / 1000).toFixed(0)} s in all`)
for (const outcome of outcomes) console.log(outcome)
console.log(summary(sum))
process.exitCode = sum.failed === 0 ? 0 : 1
