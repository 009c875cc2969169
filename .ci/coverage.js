/** Reads the coverage that tap wrote of the run before: how much of lib/ the tests reach, file by file. */
import { existsSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { root, walk } from './paths.js'

const MIN_PERCENT = 95

/** Prints every file below the bound and returns whether lib/ as a whole keeps it. */
export const checkCoverage = () => {
  const path = join(root, '.tap/report/coverage-summary.json')
  if (!existsSync(path)) {
    console.log(`coverage: tap wrote no ${relative(root, path)}`)
    return false
  }
  const report = JSON.parse(readFileSync(path, 'utf8'))
  const sources = walk(join(root, 'lib')).filter(file => file.endsWith('.ts'))
  let covered = 0
  let total = 0
  for (const file of sources) {
    const lines = report[file]?.lines ?? unloaded(file)
    covered += lines.covered
    total += lines.total
    const percent = lines.total === 0 ? 100 : 100 * lines.covered / lines.total
    if (percent < MIN_PERCENT) console.log(`coverage: ${percent.toFixed(1).padStart(5)} % of ${relative(root, file)} (${lines.covered} of ${lines.total} lines)`)
  }
  const percent = total === 0 ? 0 : 100 * covered / total
  console.log(`coverage: ${percent.toFixed(2)} % of the lines of lib/ (${covered} of ${total} in ${sources.length} files); ${MIN_PERCENT} % are asked for`)
  return percent >= MIN_PERCENT
}

/** A file that no test loaded is not in the report at all. One that holds only types has nothing to load. */
const unloaded = file => {
  const compiled = join(root, 'dist', relative(root, file).replace(/\.ts$/, '.js'))
  const code = existsSync(compiled) ? readFileSync(compiled, 'utf8').replace(/\/\*[^]*?\*\/|\/\/.*|export \{\};/g, '').trim() : 'absent'
  return { covered: 0, total: code === '' ? 0 : readFileSync(file, 'utf8').split('\n').length }
}
