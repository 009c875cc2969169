/** `npm run bench`: runs the benches one after the other, prints a table for each, and writes every sample to a file. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { HELP, parseCommand, UsageError } from './arguments.ts'
import type { Command } from './arguments.ts'
import type { Troupe } from 'troupe'
import type { Setting } from './bench.ts'
import { BENCHES } from './benches.ts'
import { compare } from './compare.ts'
import { readDocument } from './document.ts'
import { ratioOf, summarize } from './figures.ts'
import type { Row } from './figures.ts'
import { describeMachine, isInMemory } from './machine.ts'
import { writePictures, writeReport } from './report.ts'
import { formatTable } from './table.ts'

async function main(argv: readonly string[]): Promise<number> {
  try {
    const unasked = BENCHES.filter(({ onlyByName }) => onlyByName).map(({ name }) => name)
    const command = parseCommand(argv, BENCHES.map(({ name }) => name), new Date(), unasked)
    if (command === 'help') print(HELP + BENCHES.map(({ name, title, onlyByName }) => `  ${name.padEnd(14)} ${title}${onlyByName === true ? ' (only when it is named)' : ''}`).join('\n'))
    else if (command.verb === 'compare') print(compare(readDocument(command.files[0]), readDocument(command.files[1])))
    else if (command.verb === 'report') report(command.files, command.html, command.svg)
    else await runAll(command)
    return 0
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    process.stderr.write(`${error.message}\nnpm run bench -- --help says what there is\n`)
    return 2
  }
}

function report(files: readonly string[], html: string, svg?: string): void {
  const documents = files.map(readDocument)
  writeReport(html, documents)
  print(`report: ${html}`)
  if (svg !== undefined) for (const file of writePictures(svg, documents)) print(`picture: ${file}`)
}

async function runAll(command: Command): Promise<void> {
  mkdirSync(command.folder, { recursive: true })
  const folder = mkdtempSync(join(command.folder, 'work-'))
  const shared = new Map<string, Troupe>()
  try {
    await runBenches(command, folder, shared)
  } finally {
    await Promise.all([...shared.values()].map(troupe => troupe.close({ mode: 'abandon' })))
    rmSync(folder, { recursive: true, force: true })
  }
  print(`\nevery sample: ${command.json}`)
  if (command.html !== undefined) report([command.json], command.html)
}

async function runBenches(command: Command, folder: string, shared: Map<string, Troupe>): Promise<void> {
  const { names, quick, rounds, threads, sleeping, records, minutes, json } = command
  const machine = describeMachine()
  const date = new Date().toISOString()
  const { cpu: model, cpus, node, packages } = machine
  print(`${model}, ${cpus} cores; Node ${node}; ${Object.entries(packages).map(([name, version]) => `${name} ${version}`).join(', ')}`)
  print(`${rounds} ${rounds === 1 ? 'round' : 'rounds'}, ${threads} threads; medians (least-most)${quick ? '; quick: these figures say nothing about speed' : ''}`)
  if (isInMemory(folder)) print(`${command.folder} lies in memory, where nothing is flushed: figures of durable work are not what a disk gives. See --dir.`)
  const setting: Setting = { quick, rounds, threads, sleeping, records, minutes, folder, progress, print: line, ...(quick && { shared }) }
  const results: object[] = []
  for (const bench of BENCHES.filter(({ name }) => names.includes(name))) {
    print(`\n${bench.name}: ${bench.title}`)
    const startedMs = performance.now()
    const measured = await bench.run(setting)
    const rows = quick ? measured.map(withoutGoal) : measured
    const seconds = (performance.now() - startedMs) / 1000
    progress('')
    print(formatTable(rows))
    if (!quick) print(`(${seconds.toFixed(0)} s)`)
    results.push({ name: bench.name, title: bench.title, seconds, ...(bench.systems && { systems: bench.systems }), rows: rows.map(withSummary) })
    // After each: an interrupted run keeps what it has.
    mkdirSync(dirname(json), { recursive: true })
    writeFileSync(json, `${JSON.stringify({ date, machine, options: { names, quick, rounds, threads, sleeping, records }, benches: results }, undefined, 2)}\n`)
  }
}

/** What ran for a moment has reached nothing, and missed nothing. */
function withoutGoal({ ratio, ...row }: Row): Row {
  return { ...row, goals: [], ...(ratio !== undefined && { ratio: { of: ratio.of, to: ratio.to } }) }
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

function line(text: string): void {
  progress('')
  print(text)
}

/** One line that is written over; nothing where nobody looks. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
}

process.exitCode = await main(process.argv.slice(2))
