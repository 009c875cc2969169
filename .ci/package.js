/**
 * Packs what would be published, and looks at that: what is in it, what publint and attw say, and whether a project that
 * installs it compiles against its types with every check on and can import its doors.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './paths.js'

// Below node_modules/, so that the consumer finds the package's dependencies the way an installed one does.
const work = join(root, 'node_modules/.cache/troupe-package')
const bin = name => join(root, 'node_modules/.bin', name)
const problems = []

const run = (title, command, args, options = {}) => {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: 'utf8', ...options })
  if (status !== 0) problems.push(title)
  if (status !== 0) console.log(`${title}: failed\n${stdout}${stderr}`)
  else console.log(`${title}: fine`)
  return status === 0 ? stdout : ''
}

rmSync(work, { recursive: true, force: true })
const consumer = join(work, 'consumer')
mkdirSync(join(consumer, 'node_modules'), { recursive: true })

const packed = run('npm pack', 'npm', ['pack', '--json', '--ignore-scripts', '--loglevel=error', '--pack-destination', work])
if (packed) {
  // npm 12 answers with an object by package name, those before with an array.
  const [{ filename, files }] = Object.values(JSON.parse(packed))
  const tarball = join(work, filename)
  const names = files.map(({ path }) => path)

  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const doors = Object.values(exports).flatMap(door => typeof door === 'string' ? [door] : Object.values(door)).map(path => path.replace('./', ''))
  const wanted = [...doors, 'dist/workers/actor.cjs', 'dist/workers/actor.js', 'dist/workers/supervisor.js', 'package.json', 'README.md', 'CHANGELOG.md', 'LICENSE']
  const absent = wanted.filter(name => !names.includes(name))
  const astray = names.filter(name => /^(dist\/)?(test|bench|examples|\.ci)\//.test(name) || name.includes('.test.'))
  if (absent.length > 0) console.log(`package contents: missing ${absent.join(', ')}`)
  if (astray.length > 0) console.log(`package contents: ${astray.length} files that nobody installs it for, such as ${astray[0]}`)
  if (absent.length + astray.length > 0) problems.push('package contents')
  else console.log(`package contents: fine, ${names.length} files`)

  run('publint', bin('publint'), ['run', tarball, '--strict', '--level', 'suggestion'])
  run('attw', bin('attw'), [tarball, '--profile', 'esm-only', '--no-definitely-typed', '--no-color', '--no-emoji'])

  run('unpack', 'tar', ['-xzf', tarball, '-C', join(consumer, 'node_modules'), '--transform', 's/^package/troupe/'])
  cpSync(join(root, 'test/contract'), join(consumer, 'contract'), { recursive: true, filter: path => !path.endsWith('.test.ts') })
  writeFileSync(join(consumer, 'package.json'), JSON.stringify({ type: 'module' }))
  writeFileSync(join(consumer, 'tsconfig.json'), JSON.stringify({
    extends: join(root, 'tsconfig.json'),
    compilerOptions: { noEmit: true, rootDir: '.', skipLibCheck: false, declaration: false, declarationMap: false },
    include: ['contract'],
  }))
  run('contract against the packed types', bin('tsc'), ['-p', consumer], { cwd: consumer })
  const imports = `const host = await import('troupe'); const author = await import('troupe/workflow')
    const testing = await import('troupe/testing')
    if (typeof host.Troupe.open !== 'function' || typeof author.workflow !== 'function' || typeof testing.TestTroupe.open !== 'function') throw new Error('a door of the package is empty')`
  run('import of the packed doors', process.execPath, ['--input-type=module', '-e', imports], { cwd: consumer })
}

if (problems.length > 0) console.log(`The package is not fit to publish: ${problems.join(', ')}`)
process.exitCode = problems.length > 0 ? 1 : 0
