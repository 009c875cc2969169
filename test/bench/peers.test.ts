import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { UsageError } from '../../bench/arguments.ts'
import { parseCommand } from '../../bench/peers/arguments.ts'
import { NOTHING_MEASURED } from '../../bench/peers/contract.ts'
import type { Measured } from '../../bench/peers/contract.ts'
import { computeAll, countInWindow, keepInFlight } from '../../bench/peers/load.ts'
import { formatCase, formatColumns, Results } from '../../bench/peers/report.ts'
import { SYSTEMS } from '../../bench/peers/systems.ts'
import { share, together } from '../../bench/peers/visit.ts'
import type { Visited } from '../../bench/peers/visit.ts'
import { createWork, sumOf } from '../../bench/peers/work.ts'

/** What of the bench of peers needs no server and no package of theirs. */
const ROOT = join(import.meta.dirname, '../../..')
const KNOWN = SYSTEMS.map(({ name }) => name)
const NOW = new Date('2026-03-01T10:20:30.456Z')

t.test('the command line: defaults, what is named, what is refused', async t => {
  t.strictSame(parseCommand([], KNOWN, NOW), {
    systems: KNOWN, quick: false, rounds: 3, windowMs: 2000, json: join('bench-results', 'peers-2026-03-01T10-20-30.json'), folder: 'bench-results',
  })
  t.match(parseCommand(['--systems', 'dbos, bullmq', '--rounds', '5', '--json', 'x.json', '--dir', 'd', '--processes', '3'], KNOWN, NOW),
    { systems: ['troupe', 'dbos', 'bullmq'], rounds: 5, json: 'x.json', folder: 'd', processes: 3 }, 'troupe always takes part')
  t.match(parseCommand(['--quick'], KNOWN, NOW), { quick: true, rounds: 1 })
  t.equal(parseCommand(['--help'], KNOWN, NOW), 'help')
  for (const [argv, message] of [
    [['--systems', 'temporal'], /no system "temporal".*dbos/], [['--rounds', '0'], /--rounds takes a whole number >= 1, not "0"/], [['--window-ms', 'x'], /--window-ms/], [['dbos'], /dbos/],
  ] as const) {
    const refused = t.throws(() => parseCommand(argv, KNOWN, NOW), { message })
    t.ok(refused instanceof UsageError, argv.join(' '))
  }
})

t.test('a workflow counts with the share of its time that lies in the window', async t => {
  const at = (startedMs: number, endedMs: number) => ({ startedMs, endedMs, stepMs: [1] })
  const counted = countInWindow([at(0, 100), at(50, 150), at(100, 200), at(150, 350), at(200, 300)], 100, 200)
  t.equal(counted.workflows, 0.5 + 1 + 0.25)
  t.equal(counted.seconds, 0.1)
  t.equal(counted.finished, 5)
  t.strictSame(counted.workflowMs, [100, 100, 200])
  t.equal(counted.stepMs.length, 3)
  t.equal(countInWindow([at(0, 1000)], 100, 200).workflows, 0.1, 'one that is longer than the window')
})

t.test('the load keeps as many in flight as it is told, and counts wrong results and failures as errors, not as work', async t => {
  const work = createWork(count => count)
  let inFlight = 0
  let most = 0
  const times = { inFlight: 7, warmUpMs: 1, windowMs: 20 }
  const right = await keepInFlight({
    tenSteps: async task => {
      most = Math.max(most, ++inFlight)
      const result = await work.tenSteps(task, async (_, step) => { await new Promise(resolve => { setImmediate(resolve) }); return step() })
      inFlight--
      return result
    },
  }, times)
  t.equal(most, 7)
  t.equal(right.errors, 0)
  t.ok(right.workflows > 0 && right.stepMs.length % 10 === 0)
  const turn = (): Promise<void> => new Promise(resolve => { setTimeout(resolve, 1) })
  const wrong = await keepInFlight({ tenSteps: async ({ seed }) => { await turn(); return { sum: sumOf(seed) + 1 } } }, times)
  t.match(wrong, { workflows: 0, finished: 0, firstError: /the result was \d+, not \d+/ })
  t.ok(wrong.errors >= 7)
  const failing = await keepInFlight({ tenSteps: async () => { await turn(); return Promise.reject(new RangeError('no')) } }, times)
  t.match(failing, { workflows: 0, firstError: 'RangeError: no' })
  const computed = await computeAll({ computing: async ({ steps, iterations }) => steps * iterations }, { runs: 3, steps: 4, iterations: 5 }, count => count)
  t.match(computed, { workflows: 3, errors: 0 })
  t.match(await computeAll({ computing: () => Promise.resolve(0) }, { runs: 3, steps: 4, iterations: 5 }, count => count), { workflows: 0, errors: 3 })
})

t.test('what is shared among processes is all of it, and together they are one', async t => {
  for (const [whole, parts] of [[16, 2], [1, 2], [128, 3], [7, 7]] as const) {
    t.equal(Array.from({ length: parts }, (_, index) => share(whole, parts, index)).reduce((sum, part) => sum + part, 0), whole)
  }
  const part = (workflows: number, rest: Partial<Measured> = {}): Measured => ({ ...NOTHING_MEASURED, workflows, seconds: 2, finished: workflows, workflowMs: [workflows], ...rest })
  t.strictSame(together([part(1), part(2, { errors: 3, firstError: 'x' })]),
    { workflows: 3, seconds: 2, finished: 3, workflowMs: [1, 2], stepMs: [], errors: 3, firstError: 'x' })
})

t.test('the report: ratios of medians beside the goals, a row for each system and case', async t => {
  const systems = SYSTEMS.filter(({ name }) => ['troupe', 'dbos', 'restate'].includes(name))
  const results = new Results(systems, [16], 'computing')
  const visited = (workflows: number): Visited => {
    const one = { ...NOTHING_MEASURED, workflows, seconds: 2, finished: workflows, workflowMs: [4, 6], stepMs: [0.5], processes: 2 }
    return { steps: new Map([[16, one]]), compute: { ...one, stepMs: [] } }
  }
  for (const workflows of [900, 1000, 1100]) results.add('troupe', visited(workflows), 25)
  results.add('dbos', visited(100), 25)

  const rows = results.rows()
  t.strictSame(rows.map(({ label }) => label), ['C = 16, troupe', 'C = 16, DBOS', 'computing, troupe', 'computing, DBOS'], 'who was not measured has no row')
  t.match(rows[1], {
    unit: 'steps/s', series: [{ name: 'troupe', samples: [4500, 5000, 5500] }, { name: 'dbos', samples: [500] }], ratio: { of: 'troupe', to: 'dbos', goal: { atLeast: 14 } },
    details: { 'step p50 ms': 0.5, 'workflow p50 ms': 5, 'processes': 2, 'errors': 0 },
  })
  t.notMatch(rows[3], { ratio: { goal: {} } })
  t.strictSame(rows[2]!.series[0]!.samples, [11_250, 12_500, 13_750])

  const table = formatCase(results, results.cases[0]!, true)
  t.match(table, /DBOS +500 +\(500-500\) +10\.0x +>= 7 +>= 14 \(missed\)/)
  t.notMatch(formatCase(results, results.cases[0]!, false), />=/)
  t.equal(formatColumns(['a', 'b', 'c'], [['x', '', '1'], ['yy', '', '22']], 1), 'a    c\n--  --\nx    1\nyy  22')
})

t.test('the peers\' packages are no part of troupe, and their lock file names no registry', async t => {
  const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')
  const peers = JSON.parse(read('bench/peers/package.json')) as { private: boolean, dependencies: Record<string, string> }
  const root = JSON.parse(read('package.json')) as { files: string[], dependencies: object, devDependencies: object, workspaces?: unknown }
  t.equal(peers.private, true)
  t.equal(root.workspaces, undefined)
  t.strictSame(root.files.filter(file => file.includes('bench')), [])
  for (const name of Object.keys(peers.dependencies)) t.notOk(name in root.dependencies || name in root.devDependencies, name)
  for (const version of Object.values(peers.dependencies)) t.match(version, /^\d/, 'exact, so that the same is measured again')
  t.notMatch(read('bench/peers/package-lock.json'), /"resolved"/)
})
