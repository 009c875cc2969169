import { readdirSync, readFileSync } from 'node:fs'
import { join, posix, relative } from 'node:path'
import { parseSync } from 'oxc-parser'
import t from 'tap'

/**
 * The rules of the layout that a linter's patterns cannot hold exactly: imports are resolved to files here, and what reads
 * the clock, chance or the terminal is looked for in the syntax tree, so that a word in a comment is no finding.
 */
const ROOT = join(import.meta.dirname, '../..')
const MAX_LINES = 400

/** Layers of lib/, lowest first. A file may import lower layers, its own area, and what MAY_ALSO_IMPORT names. */
const LAYERS: readonly (readonly string[])[] = [
  ['model', 'errors.ts', 'invariant.ts'],
  ['system.ts', 'codec', 'protocol', 'workflow', 'options.ts', 'cron.ts'],
  ['actor', 'store', 'telemetry'],
  ['supervisor'],
  ['client'],
  ['troupe.ts'],
  ['index.ts', 'cli', 'http', 'testing'],
]

/** Imports between areas of one layer. Everything else beside each other is refused. */
const MAY_ALSO_IMPORT: Readonly<Record<string, readonly string[]>> = {
  'model': ['errors.ts', 'invariant.ts'],
  'invariant.ts': ['errors.ts'],
  'errors.ts': ['model'],
  'protocol': ['codec'],
  'cron.ts': ['options.ts'],
  'workflow': ['codec', 'protocol', 'system.ts', 'options.ts'],
  'index.ts': ['cli', 'http'],
}

/** Refused although the target lies lower. */
const NEVER: readonly { readonly from: string, readonly to: string, readonly named?: RegExp, readonly why: string }[] = [
  { from: 'lib/store/lmdb/', to: 'lib/store/memory/', why: 'stores do not know each other' },
  { from: 'lib/store/memory/', to: 'lib/store/lmdb/', why: 'stores do not know each other' },
  { from: 'lib/store/', to: 'lib/codec/', named: /^decode(Value|Error)$/, why: 'the store never decodes a user\'s value (I4)' },
  { from: 'lib/supervisor/', to: 'lib/codec/', named: /^decode(Value|Error)$/, why: 'a user\'s values travel through the supervisor as bytes (I4)' },
  { from: 'lib/store/', to: 'lib/workflow/', why: 'the store knows bytes, not what authors write' },
  { from: 'lib/supervisor/', to: 'lib/actor/', why: 'the supervisor runs no actor code' },
  { from: 'lib/supervisor/', to: 'lib/store/lmdb/', why: 'the supervisor is written against the store\'s contract' },
  { from: 'lib/supervisor/', to: 'lib/store/memory/', why: 'the supervisor is written against the store\'s contract' },
  { from: 'lib/client/', to: 'lib/store/', why: 'the host\'s side is a thin proxy' },
  { from: 'lib/client/', to: 'lib/actor/', why: 'the host\'s side is a thin proxy' },
  { from: 'lib/client/', to: 'lib/supervisor/pool.ts', why: 'the host\'s side is a thin proxy' },
  { from: 'lib/', to: 'workers/', why: 'the threads\' entries are started, not imported' },
]

/** What the threads' entries may reach: they compose, and hold no logic. */
const ENTRIES: Readonly<Record<string, readonly string[]>> = {
  'workers/actor.ts': ['lib/actor/', 'lib/protocol/'],
  'workers/supervisor.ts': ['lib/supervisor/', 'lib/store/lmdb/', 'lib/protocol/', 'lib/telemetry/', 'lib/system.ts'],
}

/** Heavy packages and their one owner. */
const OWNERS: Readonly<Record<string, string>> = { lmdb: 'lib/store/lmdb/', piscina: 'lib/supervisor/pool.ts' }

const FORBIDDEN_NAMES = new Set(['util', 'utils', 'common', 'types', 'helper', 'helpers', 'manager', 'handler', 'handlers', 'service', 'services', 'misc'])
const BARE_ERRORS = new Set(['Error', 'TypeError', 'RangeError', 'SyntaxError', 'AggregateError'])
const CLOCK_AND_CHANCE = new Set(['Date.now', 'Math.random', 'performance.now', 'performance.timeOrigin', 'process.hrtime', 'process.uptime',
  'crypto.randomUUID', 'crypto.getRandomValues', 'crypto.randomBytes', 'crypto.randomInt'])
const CHANCE_IMPORTS = new Set(['randomUUID', 'randomBytes', 'randomInt', 'randomFill', 'randomFillSync', 'getRandomValues', 'webcrypto'])

interface Node { readonly type: string, readonly [key: string]: unknown }
interface Import { readonly specifier: string, readonly typeOnly: boolean, readonly names: readonly string[] }

const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'

function visit(node: Node, see: (node: Node) => void): void {
  see(node)
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value as unknown[] : [value]) if (isNode(child)) visit(child, see)
  }
}

/** `Date.now` of a member expression between plain names, or the name of an identifier; '' for anything else. */
function dotted(node: unknown): string {
  if (!isNode(node)) return ''
  if (node.type === 'Identifier') return String(node['name'])
  if (node.type !== 'MemberExpression' || node['computed'] === true) return ''
  const object = dotted(node['object'])
  const property = dotted(node['property'])
  return object && property ? `${object.replace(/^globalThis\./, '')}.${property}` : ''
}

function importOf(node: Node): Import | undefined {
  if (!['ImportDeclaration', 'ExportNamedDeclaration', 'ExportAllDeclaration', 'ImportExpression', 'TSImportType'].includes(node.type)) return undefined
  const source = node['source'] ?? node['argument']
  if (!isNode(source)) return undefined
  const literal = isNode(source['literal']) ? source['literal'] : source
  if (typeof literal['value'] !== 'string') return undefined
  const specifiers = (Array.isArray(node['specifiers']) ? node['specifiers'] as unknown[] : []).filter(isNode)
  const typeOnly = node.type === 'TSImportType' || node['importKind'] === 'type' || node['exportKind'] === 'type'
    || (specifiers.length > 0 && specifiers.every(specifier => specifier['importKind'] === 'type' || specifier['exportKind'] === 'type'))
  return { specifier: literal['value'], typeOnly, names: specifiers.map(specifier => dotted(specifier['imported'])) }
}

/** `codec` of lib/codec/values.ts, `errors.ts` of lib/errors.ts. */
const areaOf = (file: string): string => file.split('/')[1] ?? ''
const layerOf = (file: string): number => LAYERS.findIndex(layer => layer.includes(areaOf(file)))

function refuseImport(file: string, { specifier, typeOnly, names }: Import): string | undefined {
  if (!specifier.startsWith('.')) return refusePackage(file, specifier, names)
  const target = posix.join(posix.dirname(file), specifier)
  const entry = ENTRIES[file]
  if (entry) return entry.some(allowed => target.startsWith(allowed)) ? undefined : `imports ${target}: a thread's entry only calls ${entry.join(', ')}`
  if (file.startsWith('workers/')) return `is no known entry of a thread: name it in ENTRIES`
  const never = NEVER.find(({ from, to, named }) => file.startsWith(from) && target.startsWith(to) && (named === undefined || names.some(name => named.test(name))))
  if (never) return `imports ${target}: ${never.why}`
  if (!target.startsWith('lib/')) return `imports ${target}: lib/ imports nothing outside itself`
  if (layerOf(file) === -1) return 'lies in no known layer: name it in LAYERS'
  if (layerOf(target) === -1) return `imports ${target}, which lies in no known layer: name it in LAYERS`
  if (layerOf(target) > layerOf(file)) return `imports ${target}: imports go down only`
  const beside = layerOf(target) === layerOf(file) && areaOf(target) !== areaOf(file)
  if (beside && !(MAY_ALSO_IMPORT[areaOf(file)] ?? []).includes(areaOf(target))) return `imports ${target}: the two lie beside each other`
  if (areaOf(file) === 'workflow' && areaOf(target) === 'protocol' && !typeOnly) return `imports ${target}: an author's side takes only types of the protocol`
  return undefined
}

function refusePackage(file: string, specifier: string, names: readonly string[]): string | undefined {
  const owner = OWNERS[specifier.split('/')[0] ?? '']
  if (owner !== undefined && !file.startsWith(owner)) return `imports ${specifier}: only ${owner} does`
  // node:util formats and does nothing else.
  if (layerOf(file) === 0 && specifier !== 'node:util') return `imports ${specifier}: layer 0 is pure and imports nothing but itself`
  if (file === 'lib/system.ts') return undefined
  const chance = specifier.replace('node:', '') === 'crypto' ? names.find(name => CHANCE_IMPORTS.has(name)) : undefined
  if (chance !== undefined) return `imports ${chance}: only lib/system.ts reads chance`
  if (specifier.replace('node:', '') === 'perf_hooks' && names.includes('performance')) return 'imports performance: only lib/system.ts reads the clock'
  return undefined
}

function refuseNode(file: string, node: Node): string | undefined {
  const name = node.type === 'MemberExpression' ? dotted(node) : ''
  const mayPrint = file.startsWith('lib/telemetry/') || file.startsWith('lib/cli/')
  if (!mayPrint && (name.startsWith('console.') || name === 'process.stdout' || name === 'process.stderr')) return `uses ${name}: the library prints only through its logger`
  if (file !== 'lib/system.ts') {
    if (CLOCK_AND_CHANCE.has(name)) return `reads ${name}: only lib/system.ts reads the clock and chance`
    const noArguments = Array.isArray(node['arguments']) && node['arguments'].length === 0
    if ((node.type === 'NewExpression' || node.type === 'CallExpression') && noArguments && dotted(node['callee']) === 'Date') return 'reads the clock with Date(): only lib/system.ts does'
  }
  if (node.type === 'ThrowStatement' && isNode(node['argument']) && BARE_ERRORS.has(dotted(node['argument']['callee']))) {
    return `throws a bare ${dotted(node['argument']['callee'])}: every error is a class of lib/errors.ts with a code`
  }
  return undefined
}

/** What is wrong with one source file, as sentences that begin with its path. */
function findings(file: string, source: string): string[] {
  const found: (string | undefined)[] = []
  const parsed = parseSync(file, source)
  if (parsed.errors.length > 0) found.push(`does not parse: ${parsed.errors[0]?.message ?? ''}`)
  const lines = source.trimEnd().split('\n').length
  if (lines > MAX_LINES) found.push(`has ${lines} lines: over ${MAX_LINES} is a sign to split by meaning`)
  const words = file.replace(/\.ts$/, '').split(/[/.\-_]|(?=[A-Z])/).map(word => word.toLowerCase())
  const word = words.find(word => FORBIDDEN_NAMES.has(word))
  if (word !== undefined) found.push(`is named after "${word}", which says nothing of what it holds`)
  if (file.startsWith('lib/') && layerOf(file) === -1) found.push('lies in no known layer: name it in LAYERS')
  // ESTree nodes are plain objects with a `type`; the visitor needs to know no more of them.
  visit(parsed.program as unknown as Node, node => {
    const imported = importOf(node)
    if (imported) found.push(refuseImport(file, imported))
    found.push(refuseNode(file, node))
  })
  return found.filter(finding => finding !== undefined).map(finding => `${file} ${finding}`)
}

const sources = ['lib', 'workers'].flatMap(folder => readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true }))
  .filter(entry => entry.isFile() && entry.name.endsWith('.ts'))
  .map(entry => join(entry.parentPath, entry.name))
  .map(path => ({ file: relative(ROOT, path).replaceAll('\\', '/'), source: readFileSync(path, 'utf8') }))

t.test('the layers are read from real files', async t => {
  t.ok(sources.length >= 30, `read ${sources.length} files`)
  const areas = new Set(sources.map(({ file }) => areaOf(file)))
  for (const area of LAYERS.slice(0, 6).flat().filter(area => area !== 'options.ts')) t.ok(areas.has(area), `lib/${area} was read`)
  for (const entry of Object.keys(ENTRIES)) t.ok(sources.some(({ file }) => file === entry), `${entry} was read`)
  const relativeImports = sources.flatMap(({ source }) => source.match(/from '\.{1,2}\//g) ?? [])
  t.ok(relativeImports.length >= sources.length, `saw ${relativeImports.length} relative imports`)
})

t.test('a file that breaks a rule of the layout is found', async t => {
  const breaks: readonly (readonly [file: string, source: string, finding: RegExp])[] = [
    ['lib/model/run.ts', `import { encode } from '../codec/values.ts'`, /imports go down only/],
    ['lib/model/run.ts', `import { readFile } from 'node:fs'`, /layer 0 is pure/],
    ['lib/codec/values.ts', `export { x } from '../actor/replay.ts'`, /imports go down only/],
    ['lib/codec/values.ts', `import type { X } from '../workflow/step.ts'`, /lie beside each other/],
    ['lib/workflow/step.ts', `import { guard } from '../protocol/actor.ts'`, /only types of the protocol/],
    ['lib/actor/replay.ts', `import type { Store } from '../store/contract.ts'`, /lie beside each other/],
    ['lib/actor/replay.ts', `const m = await import('../supervisor/decide.ts')`, /imports go down only/],
    ['lib/actor/replay.ts', `let m: import('../supervisor/decide.ts').Decision`, /imports go down only/],
    ['lib/actor/replay.ts', `import { open } from 'lmdb'`, /only lib\/store\/lmdb\/ does/],
    ['lib/supervisor/shell.ts', `import { Piscina } from 'piscina'`, /only lib\/supervisor\/pool\.ts does/],
    ['lib/supervisor/shell.ts', `import { openLmdb } from '../store/lmdb/open.ts'`, /against the store's contract/],
    ['lib/supervisor/shell.ts', `import { run } from '../actor/run.ts'`, /runs no actor code/],
    ['lib/store/lmdb/open.ts', `import { m } from '../memory/store.ts'`, /do not know each other/],
    ['lib/store/contract.ts', `import { decodeValue } from '../codec/value.ts'`, /never decodes/],
    ['lib/supervisor/shell.ts', `import { decodeError } from '../codec/error.ts'`, /travel through the supervisor as bytes/],
    ['lib/client/port.ts', `import '../supervisor/pool.ts'`, /thin proxy/],
    ['lib/troupe.ts', `import '../workers/actor.ts'`, /started, not imported/],
    ['lib/troupe.ts', `import '../test/fixture.ts'`, /nothing outside itself/],
    ['workers/actor.ts', `import '../lib/store/lmdb/open.ts'`, /a thread's entry only calls/],
    ['lib/new-folder/x.ts', ``, /no known layer/],
    ['lib/client/message-handler.ts', ``, /named after "handler"/],
    ['lib/client/portUtils.ts', ``, /named after "utils"/],
    ['lib/actor/replay.ts', `const x = Date.now()`, /reads Date\.now/],
    ['lib/actor/replay.ts', `const x = new Date()`, /reads the clock/],
    ['lib/actor/replay.ts', `const x = globalThis.performance.now()`, /reads performance\.now/],
    ['lib/actor/replay.ts', `import { randomUUID } from 'node:crypto'`, /only lib\/system\.ts reads chance/],
    ['lib/actor/replay.ts', `throw new Error('x')`, /throws a bare Error/],
    ['workers/actor.ts', `throw TypeError('x')`, /throws a bare TypeError/],
    ['lib/actor/replay.ts', `console.log(1)`, /prints only through its logger/],
    ['lib/actor/replay.ts', `process.stdout.write('x')`, /prints only through its logger/],
    ['lib/actor/replay.ts', `${'// line\n'.repeat(MAX_LINES)}export {}`, /has 401 lines/],
    ['lib/actor/replay.ts', `import from`, /does not parse/],
  ]
  for (const [file, source, finding] of breaks) t.match(findings(file, source).join('\n'), finding, `${file}: ${source.slice(0, 60)}`)
})

t.test('what the rules allow is not found', async t => {
  const fine: readonly (readonly [file: string, source: string])[] = [
    ['lib/system.ts', `import { randomUUID } from 'node:crypto'; export const now = () => Date.now()`],
    ['lib/store/lmdb/open.ts', `import { open } from 'lmdb'; import type { Store } from '../contract.ts'`],
    ['lib/supervisor/pool.ts', `import { Piscina } from 'piscina'`],
    ['lib/workflow/step.ts', `import type { ToSupervisor } from '../protocol/actor.ts'; import { register } from '../codec/errors.ts'`],
    ['lib/actor/replay.ts', `// Date.now() and console.log() in a comment\nconst at = new Date(5); setTimeout(() => {}, 1); import { createHash } from 'node:crypto'`],
    ['lib/telemetry/log.ts', `process.stderr.write('x')`],
    ['workers/supervisor.ts', `import { run } from '../lib/supervisor/thread.ts'`],
  ]
  for (const [file, source] of fine) t.strictSame(findings(file, source), [], file)
})

t.test('lib/ and workers/ keep to the layout', async t => {
  for (const { file, source } of sources) t.strictSame(findings(file, source), [], file)
})
