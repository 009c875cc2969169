import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { BENCHES } from '../../bench/benches.ts'

/** The benches as their users run them, on sizes so small that nothing is said about speed. */
const program = fileURLToPath(new URL('../../bench/main.js', import.meta.url))

interface Document {
  readonly date: string
  readonly machine: { readonly node: string, readonly cpus: number, readonly packages: Readonly<Record<string, string>> }
  readonly options: { readonly quick: boolean, readonly rounds: number }
  readonly benches: readonly {
    readonly name: string
    readonly systems?: Readonly<Record<string, string>>
    readonly rows: readonly {
      readonly label: string
      readonly series: readonly { readonly name: string, readonly samples: readonly number[], readonly median: number }[]
      readonly ratio?: { readonly value: number }
      readonly details?: Readonly<Record<string, number>>
    }[]
  }[]
}

/** Each bench, with series that it has, how many rows, and how many of them compare two series. */
const EXPECTED: Readonly<Record<string, { readonly rows: number, readonly series: readonly string[], readonly ratios: number }>> = {
  'steps': { rows: 1, series: ['power-loss', 'raw', 'process-crash'], ratios: 1 },
  'strict': { rows: 1, series: ['strict', 'no store'], ratios: 1 },
  'latency': { rows: 3, series: ['troupe', 'raw'], ratios: 1 },
  'load': { rows: 1, series: ['p50', 'p99', 'p99.9'], ratios: 0 },
  'job': { rows: 2, series: ['troupe'], ratios: 0 },
  'cpu': { rows: 1, series: ['troupe', 'Piscina'], ratios: 1 },
  'mixed': { rows: 1, series: ['default', 'by hand'], ratios: 1 },
  'starts': { rows: 3, series: ['troupe', 'raw'], ratios: 1 },
  'values': { rows: 1, series: ['troupe', 'raw'], ratios: 1 },
  'queue': { rows: 1, series: ['no queue', 'queue', 'queue with keys'], ratios: 1 },
  'messages': { rows: 2, series: ['troupe', 'raw'], ratios: 2 },
  'timers': { rows: 1, series: ['p50', 'p99'], ratios: 0 },
  'replay': { rows: process.platform === 'linux' ? 2 : 1, series: ['replay'], ratios: 0 },
  'respawn': { rows: 2, series: ['troupe', 'bare thread'], ratios: 1 },
  'recovery': { rows: 1, series: ['until it works', 'until open() resolves'], ratios: 0 },
  'upkeep': { rows: 6, series: ['troupe'], ratios: 0 },
  'store': { rows: 1, series: ['full', 'empty'], ratios: 1 },
  'memory': { rows: 2, series: ['resident', 'anonymous'], ratios: 0 },
  'host-delay': { rows: 3, series: ['troupe', 'bare threads'], ratios: 0 },
  'blocked-host': { rows: 1, series: ['blocked', 'free'], ratios: 1 },
  'idle': { rows: 1, series: ['used', 'allowed'], ratios: 1 },
  'import': { rows: 1, series: ['troupe/workflow', 'an empty module'], ratios: 0 },
  'soak': { rows: 8, series: ['second quarter', 'last quarter'], ratios: 7 },
}

/** What is done in a fixed time may be nothing on a busy machine; what takes its time is always more than nothing. */
const FIXED_TIME = new Set(['blocked-host', 'soak'])

async function run(...args: readonly string[]): Promise<{ readonly code: number | null, readonly out: string, readonly err: string }> {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, NODE_V8_COVERAGE: undefined } })
  let out = ''
  let err = ''
  child.stdout.setEncoding('utf8').on('data', (piece: string) => { out += piece })
  child.stderr.setEncoding('utf8').on('data', (piece: string) => { err += piece })
  const [code] = await once(child, 'close') as [number | null]
  return { code, out, err }
}

t.test('every bench prints a table and writes every sample to a file, none leaves a store behind, and all is drawn', { timeout: 300_000 }, async t => {
  const folder = t.testdir({ stores: {} })
  const json = join(folder, 'results/here.json')
  const html = join(folder, 'drawn/here.html')
  const names = Object.keys(EXPECTED)
  const { code, out, err } = await run(...names, '--quick', '--threads', '1', '--json', json, '--html', html, '--dir', join(folder, 'stores'))
  t.equal(err, '')
  t.equal(code, 0)
  t.same(readdirSync(join(folder, 'stores')), [])

  const { machine, options, benches, date } = JSON.parse(readFileSync(json, 'utf8')) as Document
  t.equal(machine.node, process.version)
  for (const version of ['troupe', 'lmdb', 'piscina']) t.match(machine.packages[version], /^\d+\.\d+\.\d+/, version)
  t.ok(machine.cpus >= 1)
  t.match(options, { quick: true, rounds: 1, threads: 1 })
  t.equal(new Date(date).toISOString(), date)

  t.same(benches.map(bench => bench.name).sort(), [...names].sort())
  for (const { name, rows, systems } of benches) {
    const expected = EXPECTED[name]!
    // The soak has a row for each of its lines besides.
    t.ok(name === 'soak' ? rows.length >= expected.rows : rows.length === expected.rows, `${name} has ${rows.length} rows`)
    t.equal(rows.filter(row => row.ratio !== undefined).length, expected.ratios, `${name}: ratios`)
    for (const each of expected.series) t.ok(rows.some(row => row.series.some(series => series.name === each)), `${name} has "${each}"`)
    t.same(Object.keys(systems ?? {}).filter(each => !rows.some(row => row.series.some(series => series.name === each))), [], `${name} explains only what it has`)
    for (const row of rows) {
      t.ok(out.includes(`\n${row.label} `), `the table has a line for "${row.label}"`)
      for (const { name: each, samples, median } of row.series) {
        t.equal(samples.length, 1, `${name}, ${row.label}: one sample of "${each}" a round`)
        t.ok([...samples, median].every(sample => Number.isFinite(sample) && (sample > 0 || FIXED_TIME.has(name))), `${name}, ${row.label}: "${each}" was measured`)
      }
      if (row.ratio !== undefined && !FIXED_TIME.has(name)) t.ok(row.ratio.value > 0, `${name}, ${row.label}: the ratio is a number`)
    }
  }
  const page = readFileSync(html, 'utf8')
  for (const name of names) t.ok(page.includes(`<section id="${name}">`), `${name} is in the report`)

  const compared = await run('compare', json, json)
  t.equal(compared.code, 0)
  t.match(compared.out, /\d+ figures compared: 0 changed/)
})

t.test('every bench is tried here, and only those that are named take an hour', async t => {
  t.same(Object.keys(EXPECTED).sort(), BENCHES.map(({ name }) => name).sort())
  t.same(BENCHES.filter(({ onlyByName }) => onlyByName).map(({ name }) => name), ['soak'])
})

t.test('a bench that does not exist is refused, and those that do are named', async t => {
  const { code, out, err } = await run('speed')
  t.equal(code, 2)
  t.equal(out, '')
  for (const name of Object.keys(EXPECTED)) t.ok(err.includes(name), name)
})

t.test('a file that holds no results is refused, by name and reason, whatever is to be done with it', async t => {
  const folder = t.testdir({ 'text.json': 'text', 'empty.json': '{}' })
  writeFileSync(join(folder, 'rows.json'), JSON.stringify({
    date: '', machine: { cpu: '', platform: '', node: '', packages: {} }, options: {}, benches: [{ name: 'steps', title: '', rows: [{ label: 'x', unit: 's', series: [{ name: 'a', samples: ['1'] }] }] }],
  }))
  for (const [file, reason] of [['missing.json', /cannot be read/], ['text.json', /is not JSON/], ['empty.json', /date is no text/], ['rows.json', /benches\[0\]\.rows\[0\] \(of "steps"\)/]] as const) {
    for (const command of [['compare', join(folder, file), join(folder, file)], ['report', join(folder, file)]]) {
      const { code, out, err } = await run(...command)
      t.equal(code, 2, `${command[0]} ${file}`)
      t.equal(out, '')
      t.ok(err.startsWith(join(folder, file)), 'the file is named')
      t.match(err, reason)
    }
  }
})

t.test('--help names every bench and every option', async t => {
  const { code, out } = await run('--help')
  t.equal(code, 0)
  for (const name of Object.keys(EXPECTED)) t.ok(out.includes(`\n  ${name} `), name)
  for (const option of ['--quick', '--rounds', '--threads', '--sleeping', '--records', '--minutes', '--json', '--html', '--svg', '--dir', 'compare', 'report']) t.ok(out.includes(option), option)
})
