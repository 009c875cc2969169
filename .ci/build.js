/**
 * Compiles the project into dist/, and joins what threads load (join.js). Compiled files whose source is gone are removed first, so that a renamed test does
 * not go on running and a deleted module cannot be imported by accident.
 *
 *   node .ci/build.js              always compiles
 *   node .ci/build.js --if-stale   only when lib/, workers/, examples/ or bench/ changed since the last build that succeeded
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { root, walk } from './paths.js'

const dist = join(root, 'dist')
const stamp = join(dist, '.built')
const COMPILED = /\.(?:d\.(c?)ts(?:\.map)?|(c?)js(?:\.map)?)$/
const sourceOf = file => file.replace(COMPILED, (_, types = '', code = '') => `.${types || code}ts`)

const isStale = () => {
  if (!existsSync(stamp)) return true
  const builtAt = statSync(stamp).mtimeMs
  const sources = ['lib', 'workers', 'examples', 'bench'].flatMap(folder => walk(join(root, folder))).filter(file => /\.c?ts$/.test(file))
  return [...sources, join(root, 'tsconfig.json'), join(root, 'package.json')].some(file => statSync(file).mtimeMs > builtAt)
    || sources.some(file => !existsSync(join(dist, relative(root, file).replace(/\.(c?)ts$/, '.$1js'))))
}

const removeOrphans = () => {
  for (const file of walk(dist)) {
    const name = relative(dist, file)
    if (COMPILED.test(name) && !existsSync(join(root, sourceOf(name)))) rmSync(file, { force: true })
  }
  const removeEmpty = folder => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) if (entry.isDirectory()) removeEmpty(join(folder, entry.name))
    if (folder !== dist && readdirSync(folder).length === 0) rmdirSync(folder)
  }
  if (existsSync(dist)) removeEmpty(dist)
}

/** Resolves to the compiler's exit code; 0 is success. */
export const build = () => {
  removeOrphans()
  // Away before compiling: a build that fails half-way must not look fresh.
  rmSync(stamp, { force: true })
  const { status } = spawnSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', join(root, 'tsconfig.json')],
    { stdio: 'inherit', cwd: root })
  if (status !== 0) return status ?? 1
  const { status: joined } = spawnSync(process.execPath, [join(root, '.ci/join.js')], { stdio: 'inherit', cwd: root })
  if (joined === 0) writeFileSync(stamp, '')
  return joined ?? 1
}

if (process.argv[1] === import.meta.filename) {
  process.exitCode = process.argv.includes('--if-stale') && !isStale() ? 0 : build()
}
