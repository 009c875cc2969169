import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

/** The benches as their users run them, on sizes so small that nothing is said about speed. */
const program = fileURLToPath(new URL('../../bench/main.js', import.meta.url))

interface Document {
  readonly date: string
  readonly machine: { readonly node: string, readonly cpus: number, readonly packages: Readonly<Record<string, string>> }
  readonly options: { readonly quick: boolean, readonly rounds: number }
  readonly benches: readonly {
    readonly name: string
    readonly rows: readonly {
      readonly label: string
      readonly series: readonly { readonly name: string, readonly samples: readonly number[], readonly median: number }[]
      readonly ratio?: { readonly value: number }
      readonly details?: Readonly<Record<string, number>>
    }[]
  }[]
}

/** Each bench, with the series that each of its rows has, and how many of its rows compare two of them. */
const EXPECTED: readonly { readonly name: string, readonly rows: number, readonly series: readonly string[], readonly ratios: number }[] = [
  { name: 'steps', rows: 1, series: ['power-loss', 'raw', 'process-crash'], ratios: 1 },
  { name: 'cpu', rows: 1, series: ['troupe', 'Piscina'], ratios: 1 },
  { name: 'latency', rows: 3, series: ['troupe'], ratios: 1 },
  { name: 'recovery', rows: 2, series: ['until it works', 'until open() resolves'], ratios: 0 },
  { name: 'blocked-host', rows: 1, series: ['blocked', 'free'], ratios: 1 },
  { name: 'job', rows: 2, series: ['troupe'], ratios: 0 },
  { name: 'idle', rows: 1, series: ['used', 'allowed'], ratios: 1 },
]

async function run(...args: readonly string[]): Promise<{ readonly code: number | null, readonly out: string, readonly err: string }> {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, NODE_V8_COVERAGE: undefined } })
  let out = ''
  let err = ''
  child.stdout.setEncoding('utf8').on('data', (piece: string) => { out += piece })
  child.stderr.setEncoding('utf8').on('data', (piece: string) => { err += piece })
  const [code] = await once(child, 'close') as [number | null]
  return { code, out, err }
}

for (const { name, rows, series, ratios } of EXPECTED) {
  const rounds = name === 'latency' ? 2 : 1
  t.test(`the bench "${name}" prints a table, writes every sample to a file, and leaves no store behind`, async t => {
    const folder = t.testdir({ stores: {} })
    const json = join(folder, 'results/here.json')
    const { code, out, err } = await run(name, '--quick', '--rounds', String(rounds), '--threads', '2', '--json', json, '--dir', join(folder, 'stores'))
    t.equal(err, '')
    t.equal(code, 0)
    t.same(readdirSync(join(folder, 'stores')), [])

    const { machine, options, benches, date } = JSON.parse(readFileSync(json, 'utf8')) as Document
    t.equal(machine.node, process.version)
    for (const version of ['troupe', 'lmdb', 'piscina']) t.match(machine.packages[version], /^\d+\.\d+\.\d+/, version)
    t.ok(machine.cpus >= 1)
    t.match(options, { quick: true, rounds, names: [name], threads: 2 })
    t.equal(new Date(date).toISOString(), date)

    t.same(benches.map(bench => bench.name), [name])
    const [bench] = benches
    t.equal(bench?.rows.length, rows)
    t.equal(bench?.rows.filter(row => row.ratio !== undefined).length, ratios)
    // What is done in a fixed time may be nothing on a busy machine; what takes its time is always more than nothing.
    const isFixedTime = name === 'blocked-host'
    for (const row of bench?.rows ?? []) {
      t.ok(out.includes(`\n${row.label} `), `the table has a line for "${row.label}"`)
      for (const each of series) t.ok(row.series.some(candidate => candidate.name === each), `${row.label} has "${each}"`)
      for (const { name: each, samples, median } of row.series) {
        t.equal(samples.length, rounds, `${row.label}: one sample of "${each}" a round`)
        t.ok([...samples, median].every(sample => Number.isFinite(sample) && (sample > 0 || isFixedTime)), `${row.label}: "${each}" was measured`)
      }
      if (row.ratio !== undefined && !isFixedTime) t.ok(row.ratio.value > 0, `${row.label}: the ratio is a number`)
    }
  })
}

t.test('a bench that does not exist is refused, and those that do are named', async t => {
  const { code, out, err } = await run('speed')
  t.equal(code, 2)
  t.equal(out, '')
  for (const { name } of EXPECTED) t.ok(err.includes(name), name)
})

t.test('--help names every bench and every option', async t => {
  const { code, out } = await run('--help')
  t.equal(code, 0)
  for (const { name } of EXPECTED) t.ok(out.includes(`\n  ${name} `), name)
  for (const option of ['--quick', '--rounds', '--threads', '--sleeping', '--json', '--dir']) t.ok(out.includes(option), option)
})
