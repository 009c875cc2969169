/** The command line of the bench of peers. */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { UsageError } from '../arguments.ts'

export interface Command {
  readonly systems: readonly string[]
  readonly quick: boolean
  readonly rounds: number
  /** Of each peer for the trivial steps, in place of what would be found out. */
  readonly processes?: number
  readonly windowMs: number
  readonly json: string
  readonly folder: string
}

export const HELP = `npm run bench:peers -- [options]

  --rounds N       visits to each system. Default 3
  --systems A,B    who takes part. Default all; troupe always does
  --quick          tiny windows, one round: shows that it works, not how fast
  --window-ms N    how long each case is counted. Default 2000
  --processes N    processes of each peer for the trivial steps. Default: one, or as many as
                   there are cores, whichever the first round finds better for it
  --json FILE      where every sample is written. Default bench-results/peers-<date>.json
  --dir FOLDER     where stores and servers' data are made; it must lie on the disk to be measured. Default bench-results
  --help

Systems:
`

export function parseCommand(argv: readonly string[], known: readonly string[], now: Date): Command | 'help' {
  const values = parse(argv)
  if (values.help === true) return 'help'
  const asked = values.systems?.split(',').map(name => name.trim()).filter(name => name !== '') ?? known
  for (const name of asked) if (!known.includes(name)) throw new UsageError(`There is no system "${name}". There are: ${known.join(', ')}.`)
  const quick = values.quick === true
  const processes = values.processes === undefined ? undefined : whole('processes', values.processes, 1, 1)
  return {
    systems: known.filter(name => name === 'troupe' || asked.includes(name)),
    quick,
    rounds: whole('rounds', values.rounds, quick ? 1 : 3, 1),
    ...(processes !== undefined && { processes }),
    windowMs: whole('window-ms', values['window-ms'], quick ? 200 : 2000, 50),
    json: values.json ?? join('bench-results', `peers-${now.toISOString().replace(/\.\d+Z$/, '').replaceAll(':', '-')}.json`),
    folder: values.dir ?? 'bench-results',
  }
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        'systems': { type: 'string' },
        'quick': { type: 'boolean' },
        'rounds': { type: 'string' },
        'processes': { type: 'string' },
        'window-ms': { type: 'string' },
        'json': { type: 'string' },
        'dir': { type: 'string' },
        'help': { type: 'boolean' },
      },
    }).values
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

function whole(option: string, text: string | undefined, byDefault: number, min: number): number {
  if (text === undefined) return byDefault
  if (!/^\d{1,9}$/.test(text) || Number(text) < min) throw new UsageError(`--${option} takes a whole number >= ${min}, not "${text}".`)
  return Number(text)
}
