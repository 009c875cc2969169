/** `npm test`: builds, runs every test, or those named (`npm test -- dist/test/model/retry.test.js`), and ends with the sum. */
import { build } from './build.js'
import { runTap, summary, testFiles } from './tap.js'

const named = process.argv.slice(2)
if (build() === 0) {
  const result = await runTap({ files: named.length > 0 ? named : testFiles() })
  console.log(`\n${result.assertions} assertions in ${result.files.length} files`)
  console.log(summary(result))
  process.exitCode = result.failed === 0 ? 0 : 1
} else {
  console.log('\nThe project does not compile, so no test ran.')
  console.log(summary({ passed: 0, failed: 1, skipped: 0 }))
  process.exitCode = 1
}
