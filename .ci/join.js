/**
 * Joins the compiled modules of lib/ into a few files: to find, read and compile sixty modules takes longer than all else that a new thread does, and
 * `troupe/workflow` is loaded in each. What is joined is what the same threads load, so that nobody loads what another needs. Every module's own file
 * stays and passes on its part of a joined one, so that there is one instance of it, whoever imports it from where.
 */
import { rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { build } from 'esbuild'
import { root } from './paths.js'

const lib = join(root, 'dist/lib')
const JOINED = 'joined'

/** What each kind of thread loads first. */
const ROOTS = { workflow: ['workflow/index.js'], host: ['index.js'], actor: ['actor/boot.js'], supervisor: ['supervisor/thread.js', 'store/lmdb/index.js'] }
/** They find files by their own place. */
const STAY = new Set(['index.js', 'troupe.js'])

const OPTIONS = { absWorkingDir: lib, bundle: true, format: 'esm', platform: 'node', target: 'node20', packages: 'external', outdir: JOINED, metafile: true, logLevel: 'warning' }

const reachedFrom = async entryPoints => Object.keys((await build({ ...OPTIONS, entryPoints, write: false })).metafile.inputs)

/** Modules by the file they are joined in, in an order in which no file needs a later one. */
const joined = async () => {
  const { workflow, host, actor, supervisor } = Object.fromEntries(await Promise.all(Object.entries(ROOTS).map(async ([name, entries]) => [name, await reachedFrom(entries)])))
  const common = actor.filter(module => host.includes(module) || supervisor.includes(module))
  const files = new Map(Object.entries({ workflow, common, host, actor, supervisor }))
  const done = new Set(STAY)
  for (const [file, modules] of files) {
    const own = modules.filter(module => !done.has(module))
    for (const module of own) done.add(module)
    files.set(file, own)
  }
  return files
}

const exportsOf = async modules => {
  const { metafile } = await build({ ...OPTIONS, entryPoints: modules, write: false })
  return new Map(Object.values(metafile.outputs).map(({ entryPoint, exports }) => [entryPoint, exports]))
}

const aliasOf = (module, name) => `${module.replace(/\.js$/, '').replace(/\W/g, '_')}$${name}`

const files = await joined()
const names = await exportsOf([...files.values()].flat())
const reExports = (module, pair, from) => `export { ${names.get(module).map(name => pair(name, aliasOf(module, name))).join(', ')} } from '${from}';\n`

for (const [file, modules] of files) {
  const contents = modules.map(module => reExports(module, (name, alias) => `${name} as ${alias}`, `./${module}`)).join('')
  await build({
    ...OPTIONS, stdin: { contents, resolveDir: lib, sourcefile: `${file}.js` }, outdir: undefined, outfile: join(lib, JOINED, `${file}.js`), treeShaking: false, sourcemap: true,
    plugins: [{
      name: 'joined-before',
      setup: on => { on.onResolve({ filter: /\/joined\/\w+\.js$/ }, ({ path }) => ({ path: path.replace(/^.*\/joined\//, './'), external: true })) },
    }],
  })
  for (const module of modules) {
    const path = join(lib, module)
    const from = relative(dirname(path), join(lib, JOINED, `${file}.js`)).replaceAll('\\', '/')
    writeFileSync(path, reExports(module, (name, alias) => `${alias} as ${name}`, from.startsWith('.') ? from : `./${from}`))
    rmSync(`${path}.map`, { force: true })
  }
}
