/** `npm run bench:peers`: troupe beside other systems, the same job, in turns. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { UsageError } from '../arguments.ts'
import { alternate } from '../bench.ts'
import { ratioOf, summarize } from '../figures.ts'
import { busy } from '../fixtures/busy.ts'
import { describeMachine, isInMemory } from '../machine.ts'
import { HELP, parseCommand } from './arguments.ts'
import type { Command } from './arguments.ts'
import { installPeers } from './install.ts'
import { versionOf } from './places.ts'
import { formatCase, formatColumns, Results } from './report.ts'
import { abandonServers, CannotRun } from './servers.ts'
import { SYSTEMS } from './systems.ts'
import type { System } from './systems.ts'
import { abandonProcesses, visit } from './visit.ts'
import type { Plan, Visited } from './visit.ts'

const TITLE = 'ten trivial steps a workflow, C workflows in flight, each started when one before it has finished; 16 runs of steps that compute 10 ms'
const IN_FLIGHT = [1, 16, 128]
const COMPUTING_RUNS = 16
const COMPUTING_MS = 10

interface Outcome {
  readonly results: Results
  /** By system: why it did not take part, or took part no longer. */
  readonly reasons: Map<string, string>
  readonly servers: Map<string, NonNullable<Visited['server']>>
  /** By system: with how many processes it was better in its first visit, by workflows in flight. */
  readonly chosen: Map<string, ReadonlyMap<number, number>>
}

async function main(argv: readonly string[]): Promise<number> {
  let command: Command | 'help'
  try {
    command = parseCommand(argv, SYSTEMS.map(({ name }) => name), new Date())
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    process.stderr.write(`${error.message}\nnpm run bench:peers -- --help says what there is\n`)
    return 2
  }
  if (command === 'help') {
    process.stdout.write(HELP + SYSTEMS.map(({ name, title, store }) => `  ${name.padEnd(20)} ${title} on ${store}\n`).join(''))
    return 0
  }
  mkdirSync(command.folder, { recursive: true })
  const folder = resolve(mkdtempSync(join(command.folder, 'work-')))
  chmodSync(folder, 0o711) // PostgreSQL may run as another user
  for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143], ['SIGHUP', 129]] as const) {
    process.once(signal, () => {
      abandonProcesses()
      abandonServers()
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
      process.exit(code)
    })
  }
  try {
    return await compare(command, folder)
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** As long as that of the bench steps. */
const FIRST_WARM_UP_MS = 3000

async function compare(command: Command, folder: string): Promise<number> {
  const { quick, rounds, windowMs } = command
  const systems = SYSTEMS.filter(({ name }) => command.systems.includes(name))
  const inFlight = quick ? [1, 4] : IN_FLIGHT
  const plan = {
    inFlight, windowMs, firstWarmUpMs: quick ? 100 : FIRST_WARM_UP_MS, warmUpMs: quick ? 100 : Math.round(windowMs * 0.4),
    computing: { runs: quick ? 2 : COMPUTING_RUNS, steps: quick ? 2 : 25, iterations: Math.round(iterationsPerMs(quick) * COMPUTING_MS) },
    ...(command.processes !== undefined && { processes: command.processes }),
  }
  progress('installs the packages of bench/peers')
  const uninstalled = installPeers()
  progress('')
  if (uninstalled !== undefined) print(uninstalled)
  const machine = describeMachine()
  print(`${machine.cpu}, ${machine.cpus} cores; Node ${machine.node}`)
  print(`${rounds} ${rounds === 1 ? 'round' : 'rounds'}; medians (least-most)${quick ? '; quick: these figures say nothing about speed' : ''}`)
  if (isInMemory(folder)) print(`${command.folder} lies in memory, where nothing is flushed: figures of durable work are not what a disk gives. See --dir.`)
  const date = new Date().toISOString()
  const outcome: Outcome = {
    results: new Results(systems, inFlight, `${plan.computing.runs} runs, steps of ${COMPUTING_MS} ms`), reasons: new Map(), servers: new Map(), chosen: new Map(),
  }
  await alternate(rounds, systems.map(system => round => visitOnce(system, round, join(folder, `${system.name}-${round}`), plan, outcome)))
  progress('')
  for (const one of outcome.results.cases) print(`\n${formatCase(outcome.results, one, !quick)}`)
  print(`\n${formatSystems(systems, outcome)}`)
  if (outcome.reasons.size > 0) print(`\n${outcome.reasons.size} of ${systems.length} could not run:\n${[...outcome.reasons].map(([name, reason]) => `  ${name}: ${reason}`).join('\n')}`)
  mkdirSync(dirname(command.json), { recursive: true })
  writeFileSync(command.json, `${JSON.stringify({
    date, machine, options: { names: ['peers'], ...command }, systems: describe(systems, outcome),
    benches: [{ name: 'peers', title: TITLE, rows: withoutGoals(outcome.results.rows(), quick).map(withSummary) }],
  }, undefined, 2)}\n`)
  print(`\nevery sample: ${command.json}`)
  return outcome.reasons.has('troupe') ? 1 : 0
}

async function visitOnce(system: System, round: number, folder: string, plan: Omit<Plan, 'progress' | 'chosen'>, { results, reasons, servers, chosen }: Outcome): Promise<void> {
  if (reasons.has(system.name)) return
  try {
    const visited = await visit(system, folder, { ...plan, chosen: chosen.get(system.name) ?? new Map(), progress: text => progress(`round ${round + 1}, ${system.title}: ${text}`) })
    if (!chosen.has(system.name)) chosen.set(system.name, new Map([...visited.steps].map(([inFlight, { processes }]) => [inFlight, processes])))
    results.add(system.name, visited, plan.computing.steps)
    if (visited.server !== undefined) servers.set(system.name, visited.server)
    const failed = [...visited.steps.values(), visited.compute].find(({ errors }) => errors > 0)
    if (failed !== undefined) print(`${system.title}, round ${round + 1}: ${failed.errors} workflows failed or had a wrong result, such as: ${failed.firstError ?? ''}`)
  } catch (error) {
    if (!(error instanceof CannotRun)) throw error
    reasons.set(system.name, error.message.trim())
  }
}

/** So much work takes a millisecond here, alone on a core: work is measured out in rounds, never by a clock. */
function iterationsPerMs(quick: boolean): number {
  const iterations = quick ? 100_000 : 5_000_000
  const rates = Array.from({ length: 15 }, () => {
    const startedMs = performance.now()
    busy(iterations)
    return iterations / (performance.now() - startedMs)
  })
  return Math.max(...rates)
}

function describe(systems: readonly System[], { reasons, servers }: Outcome): readonly object[] {
  return systems.map(({ name, title, packages, store, durable, processes }) => ({
    name, title, store, durable, processes, packages: Object.fromEntries(packages.map(id => [id, versionOf(id) ?? 'not installed'])),
    ...(servers.has(name) && { server: servers.get(name) }), ...(reasons.has(name) && { couldNotRun: reasons.get(name) }),
  }))
}

function formatSystems(systems: readonly System[], { reasons, servers }: Outcome): string {
  return formatColumns(['system', 'version', 'store', 'durable at acknowledgement', 'what its server says'], systems.filter(({ name }) => !reasons.has(name)).map(system => {
    const server = servers.get(system.name)
    const version = server === undefined || system.name === 'restate' ? '' : ` ${server.version}`
    return [system.title, versionOf(system.packages.at(-1)!) ?? '', `${system.store}${version}`, system.durable, server?.settings ?? '']
  }), 5)
}

function withoutGoals(rows: ReturnType<Results['rows']>, quick: boolean): ReturnType<Results['rows']> {
  return quick ? rows.map(({ ratio, ...row }) => ratio === undefined ? row : { ...row, ratio: { of: ratio.of, to: ratio.to } }) : rows
}

function withSummary(row: ReturnType<Results['rows']>[number]): object {
  const ratio = ratioOf(row)
  return {
    ...row,
    series: row.series.map(series => ({ ...series, ...summarize(series.samples) })),
    ...(ratio !== undefined && { ratio: { ...row.ratio, value: ratio } }),
  }
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

/** One line that is written over; nothing where nobody looks. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
}

process.exitCode = await main(process.argv.slice(2))
