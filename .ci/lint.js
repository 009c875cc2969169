/** oxlint with its type-aware rules over every source, and a count, because a linter that read nothing is silent too. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { root, walk } from './paths.js'

const FOLDERS = ['lib', 'workers', 'bench', 'test', 'examples', '.ci']
const files = FOLDERS.flatMap(folder => walk(join(root, folder))).filter(file => /\.(ts|js)$/.test(file))
const { stdout, stderr, status } = spawnSync(join(root, 'node_modules/.bin/oxlint'), ['--type-aware', '--deny-warnings', ...process.argv.slice(2), ...FOLDERS],
  { cwd: root, encoding: 'utf8', env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0' } })
process.stdout.write(stdout)
process.stderr.write(stderr)
// Other output formats (`npm run lint -- -f unix`) do not say how many.
const read = process.argv.includes('-f') ? files.length : Number(/ on (\d+) files?/.exec(stdout)?.[1] ?? 0)
if (read < files.length) console.error(`oxlint read ${read} of ${files.length} files`)
process.exitCode = status !== 0 ? status ?? 1 : read < files.length ? 1 : 0
