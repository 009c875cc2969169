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
const binary = join(home, 'node_modules/node/bin/node')

/** The path of a Node 24 that runs, or undefined when the registry gave none; it says so. */
const fetchNode = () => {
  if (!existsSync(binary)) {
    mkdirSync(home, { recursive: true })
    spawnSync('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error', '--fetch-retries=1', '--prefix', home, 'node@24'], { cwd: home, stdio: 'inherit' })
  }
  const { stdout } = spawnSync(binary, ['--version'], { encoding: 'utf8' })
  if (stdout?.startsWith('v24.')) {
    console.log(`Node ${stdout.trim()} runs the tests`)
    return binary
  }
  console.log('!!! NODE 24 WAS NOT TRIED: "npm install node@24" gave no binary that runs here (no network?). The tests ran on this Node only.')
  return undefined
}

/**
 * @param {readonly string[]} files compiled test files
 * @returns what runTap counts, or undefined when there is no Node 24 to be had
 */
export const runOnNode24 = async files => {
  const node = fetchNode()
  return node === undefined ? undefined : runTap({ node, args: ['--disable-coverage'], files })
}

if (process.argv[1] === import.meta.filename) {
  const result = await runOnNode24(testFiles())
  console.log(summary(result ?? { passed: 0, failed: 1, skipped: 0 }))
  process.exitCode = result?.failed === 0 ? 0 : 1
}
