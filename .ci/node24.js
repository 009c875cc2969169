/**
 * Runs the compiled tests with Node 24, whose binary comes from the npm package `node`. It is fetched into a folder of its
 * own, so that neither package.json nor the PATH of the clone knows of it.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './paths.js'
import { runTap, summary, testFiles } from './tap.js'

const home = join(root, 'node_modules/.cache/node24')
/** A registry that is slower than this is none. */
const FETCH_MS = 90_000

const binary = join(home, 'node_modules/node/bin/node')

/** The path of a Node 24 that runs, or undefined when the registry gave none; it says so. */
const fetchNode = (timeout = FETCH_MS) => {
  if (!existsSync(binary)) {
    mkdirSync(home, { recursive: true })
    spawnSync('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error', '--fetch-retries=1', '--prefix', home, 'node@24'], { cwd: home, stdio: 'inherit', timeout })
  }
  const { stdout } = spawnSync(binary, ['--version'], { encoding: 'utf8' })
  if (stdout?.startsWith('v24.')) {
    console.log(`Node ${stdout.trim()} runs the tests`)
    return binary
  }
  console.log('!!! NODE 24 WAS NOT TRIED: "npm install node@24" gave no binary that runs here (no network?). The tests ran on this Node only.')
  return undefined
}

/** With less time there is no use in beginning. */
const LEAST_MS = 15_000
/** A file begins only if it should be over by this much before the stop: what was measured is no promise. */
const SPARE = 1.5

/**
 * As many of the files as there is time for, the quick ones first. How long one takes is judged by the machine's own speed: what it took on
 * this Node, times what those before it took on Node 24 against theirs here.
 * @param {readonly { file: string, ms: number }[]} files with what each took on this Node
 * @param {number} stopAtMs when all is over, whatever still runs
 * @returns what runTap counts, or undefined when there is no Node 24 to be had
 */
export const runWithinTime = async (files, stopAtMs) => {
  const leftMs = stopAtMs - Date.now()
  if (leftMs < LEAST_MS) console.log('!!! NODE 24 WAS NOT TRIED: no time is left for it.')
  const node = leftMs < LEAST_MS ? undefined : fetchNode(Math.min(FETCH_MS, leftMs))
  if (node === undefined) return undefined
  const took = new Map(files.map(({ file, ms }) => [file, ms]))
  const mayStart = (file, ran) => {
    const [here, there] = ran.reduce(([a, b], each) => [a + took.get(each.file), b + each.ms], [1000, 1000])
    return Date.now() + took.get(file) * Math.max(1, there / here) * SPARE < stopAtMs
  }
  return runTap({ node, files: [...took.keys()].toSorted((a, b) => took.get(a) - took.get(b)), mayStart, stopAtMs })
}

if (process.argv[1] === import.meta.filename) {
  const node = fetchNode()
  const named = process.argv.slice(2)
  const result = node === undefined ? undefined : await runTap({ node, files: named.length > 0 ? named : testFiles() })
  console.log(summary(result ?? { passed: 0, failed: 1, skipped: 0 }))
  process.exitCode = result?.failed === 0 ? 0 : 1
}
