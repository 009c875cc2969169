/** `npm run bench`: runs the benches one after the other, prints a table for each, and writes every sample to a file. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { HELP, parseCommand, UsageError } from './arguments.ts'
import type { Command } from './arguments.ts'
import type { Bench, Setting } from './bench.ts'
import { blockedHost } from './blocked-host.ts'
import { cpu } from './cpu.ts'
import { ratioOf, summarize } from './figures.ts'
import type { Row } from './figures.ts'
import { idle } from './idle.ts'
import { job } from './job.ts'
import { latency } from './latency.ts'
import { describeMachine, isInMemory } from './machine.ts'
import { recovery } from './recovery.ts'
import { steps } from './steps.ts'
import { formatTable } from './table.ts'

const BENCHES: readonly Bench[] = [steps, cpu, latency, recovery, blockedHost, job, idle]

async function main(argv: readonly string[]): Promise<number> {
  let command: Command | 'help'
  try {
    command = parseCommand(argv, BENCHES.map(({ name }) => name), new Date())
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    process.stderr.write(`${error.message}\nnpm run bench -- --help says what there is\n`)
    return 2
  }
  if (command === 'help') {
    process.stdout.write(HELP + BENCHES.map(({ name, title }) => `  ${name.padEnd(14)} ${title}\n`).join(''))
    return 0
  }
  mkdirSync(command.folder, { recursive: true })
  const folder = mkdtempSync(join(command.folder, 'work-'))
  try {
    await runBenches(command, folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return 0
}

async function runBenches(command: Command, folder: string): Promise<void> {
  const { names, quick, rounds, threads, sleeping, json } = command
  const machine = describeMachine()
  const date = new Date().toISOString()
  const { cpu: model, cpus, node, packages } = machine
  print(`${model}, ${cpus} cores; Node ${node}; ${Object.entries(packages).map(([name, version]) => `${name} ${version}`).join(', ')}`)
  print(`${rounds} ${rounds === 1 ? 'round' : 'rounds'}, ${threads} threads; medians (least-most)${quick ? '; quick: these figures say nothing about speed' : ''}`)
  if (isInMemory(folder)) print(`${command.folder} lies in memory, where nothing is flushed: figures of durable work are not what a disk gives. See --dir.`)
  const setting: Setting = { quick, rounds, threads, sleeping, folder, progress }
  const results: object[] = []
  for (const bench of BENCHES.filter(({ name }) => names.includes(name))) {
    print(`\n${bench.name}: ${bench.title}`)
    const measured = await bench.run(setting)
    const rows = quick ? measured.map(withoutGoal) : measured
    progress('')
    print(formatTable(rows))
    results.push({ name: bench.name, title: bench.title, rows: rows.map(withSummary) })
    // After each: an interrupted run keeps what it has.
    mkdirSync(dirname(json), { recursive: true })
    writeFileSync(json, `${JSON.stringify({ date, machine, options: { names, quick, rounds, threads, sleeping }, benches: results }, undefined, 2)}\n`)
  }
  print(`\nevery sample: ${json}`)
}

/** What ran for a moment has reached nothing, and missed nothing. */
function withoutGoal({ ratio, ...row }: Row): Row {
  return ratio === undefined ? row : { ...row, ratio: { of: ratio.of, to: ratio.to } }
}

function withSummary(row: Row): object {
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
