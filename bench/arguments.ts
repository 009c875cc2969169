/** The command line of the benches. */
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

export interface Command {
  readonly verb: 'run'
  /** Benches to run, in order. */
  readonly names: readonly string[]
  readonly quick: boolean
  readonly rounds: number
  readonly threads: number
  readonly sleeping: number
  readonly records: number
  readonly minutes: number
  readonly json: string
  readonly folder: string
  /** Where a report of it is written; undefined: nowhere. */
  readonly html: string | undefined
}

export interface CompareCommand {
  readonly verb: 'compare'
  readonly files: readonly [string, string]
}

export interface ReportCommand {
  readonly verb: 'report'
  readonly files: readonly string[]
  readonly html: string
  /** A folder for each chart as a picture; undefined: none are made. */
  readonly svg: string | undefined
}

/** What is wrong with the command line, or with a file that it names. */
export class UsageError extends Error {}

export const HELP = `npm run bench -- [NAME ...] [options]       runs benches
npm run bench -- compare A.json B.json      says what changed from A to B beyond the noise
npm run bench -- report FILE.json ... [--html FILE] [--svg FOLDER]
                                            draws what they hold. Default: the first file's name with .html

  --quick        tiny sizes, one round: shows that it works, not how fast
  --rounds N     samples of each contestant; what takes long has fewer. Default 5
  --threads N    worker threads. Default: as many as there are cores
  --sleeping N   sleeping runs in "recovery", "memory" and "timers". Default 100000
  --records N    records in the full store of "store". Default 1000000
  --minutes N    how long "soak" goes on. Default 60
  --json FILE    where every sample is written. Default bench-results/<date>.json
  --html FILE    also draws a report of it
  --svg FOLDER   "report": also draws each chart as a picture of its own
  --dir FOLDER   where stores are made; it must lie on the disk to be measured. Default bench-results
  --help

Benches (all, unless some are named):
`

/** `unasked`: those that run only when they are named. */
export function parseCommand(
  argv: readonly string[], known: readonly string[], now: Date, unasked: readonly string[] = []): Command | CompareCommand | ReportCommand | 'help' {
  const { values, positionals } = parse(argv)
  if (values.help === true) return 'help'
  const [verb, ...files] = positionals
  if (verb === 'compare') return compareCommand(files)
  if (verb === 'report') return reportCommand(files, values.html, values.svg)
  for (const name of positionals) if (!known.includes(name)) throw new UsageError(`There is no bench "${name}". There are: ${known.join(', ')}.`)
  const quick = values.quick === true
  return {
    verb: 'run',
    names: known.filter(name => positionals.length > 0 ? positionals.includes(name) : !unasked.includes(name)),
    quick,
    rounds: whole('rounds', values.rounds, quick ? 1 : 5, 1),
    threads: whole('threads', values.threads, availableParallelism(), 1),
    sleeping: whole('sleeping', values.sleeping, 100_000, 0),
    records: whole('records', values.records, 1_000_000, 1),
    minutes: whole('minutes', values.minutes, 60, 1),
    json: values.json ?? join('bench-results', `${now.toISOString().replace(/\.\d+Z$/, '').replaceAll(':', '-')}.json`),
    folder: values.dir ?? 'bench-results',
    html: values.html,
  }
}

function compareCommand(files: readonly string[]): CompareCommand {
  const [before, after, ...rest] = files
  if (before === undefined || after === undefined || rest.length > 0) throw new UsageError(`compare takes two files, A.json and B.json, not ${files.length}.`)
  return { verb: 'compare', files: [before, after] }
}

function reportCommand(files: readonly string[], html: string | undefined, svg: string | undefined): ReportCommand {
  const [first] = files
  if (first === undefined) throw new UsageError('report takes one or more files of results.')
  return { verb: 'report', files, html: html ?? `${first.replace(/\.json$/, '')}.html`, svg }
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        quick: { type: 'boolean' },
        rounds: { type: 'string' },
        threads: { type: 'string' },
        sleeping: { type: 'string' },
        records: { type: 'string' },
        minutes: { type: 'string' },
        json: { type: 'string' },
        html: { type: 'string' },
        svg: { type: 'string' },
        dir: { type: 'string' },
        help: { type: 'boolean' },
      },
    })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

function whole(option: string, text: string | undefined, byDefault: number, min: number): number {
  if (text === undefined) return byDefault
  if (!/^\d{1,9}$/.test(text) || Number(text) < min) throw new UsageError(`--${option} takes a whole number >= ${min}, not "${text}".`)
  return Number(text)
}
