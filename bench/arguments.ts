/** The command line of the benches. */
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

export interface Command {
  /** Benches to run, in order. */
  readonly names: readonly string[]
  readonly quick: boolean
  readonly rounds: number
  readonly threads: number
  readonly sleeping: number
  readonly json: string
  readonly folder: string
}

/** What is wrong with the command line. */
export class UsageError extends Error {}

export const HELP = `npm run bench -- [NAME ...] [options]

  --quick        tiny sizes, one round: shows that it works, not how fast
  --rounds N     samples of each contestant. Default 5
  --threads N    worker threads. Default: as many as there are cores
  --sleeping N   sleeping runs in the bench "recovery". Default 10000
  --json FILE    where every sample is written. Default bench-results/<date>.json
  --dir FOLDER   where stores are made; it must lie on the disk to be measured. Default bench-results
  --help

Benches (all, unless some are named):
`

export function parseCommand(argv: readonly string[], known: readonly string[], now: Date): Command | 'help' {
  const { values, positionals } = parse(argv)
  if (values.help === true) return 'help'
  for (const name of positionals) if (!known.includes(name)) throw new UsageError(`There is no bench "${name}". There are: ${known.join(', ')}.`)
  const quick = values.quick === true
  return {
    names: positionals.length > 0 ? known.filter(name => positionals.includes(name)) : known,
    quick,
    rounds: whole('rounds', values.rounds, quick ? 1 : 5, 1),
    threads: whole('threads', values.threads, availableParallelism(), 1),
    sleeping: whole('sleeping', values.sleeping, quick ? 10 : 10_000, 0),
    json: values.json ?? join('bench-results', `${now.toISOString().replace(/\.\d+Z$/, '').replaceAll(':', '-')}.json`),
    folder: values.dir ?? 'bench-results',
  }
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
        json: { type: 'string' },
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
