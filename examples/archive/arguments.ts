import { parseArgs } from 'node:util'

/** What the command line asks for. */
export type Command =
  | { readonly command: 'archive', readonly folder?: string, readonly output?: string, readonly threads?: number, readonly quality: number }
  | { readonly command: 'verify', readonly output: string, readonly threads?: number }
  | { readonly command: 'restore', readonly output: string, readonly folder: string, readonly threads?: number, readonly generation?: number }
  | { readonly command: 'help' }

/** The command line is not one; the message says what is wrong with it. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** On two cores the default folder takes about half a minute with it. */
export const DEFAULT_QUALITY = 6

export const HELP = `A durable archiver: stop it, or kill it, at any moment; the same command goes on.

  npm start                                 archive node_modules into ./archive-output
  npm start -- FOLDER OUTPUT                archive FOLDER into OUTPUT
  npm start -- verify OUTPUT                check every object of the archive OUTPUT
  npm start -- restore OUTPUT FOLDER        bring the archived folder back, as FOLDER

Options
  --threads N       worker threads (default: one for each core)
  --quality N       of the compression, 0 (quick) to 11 (small); default ${DEFAULT_QUALITY}; for archiving
  --generation N    restore the folder as it was archived the Nth time; default: the last
  -h, --help        this text

Archiving again makes a new generation; contents that are there already are not stored again.
A folder with the name of a command is written ./verify or ./restore.

Exit code: 0 all is well, 1 something is wrong and was named, 2 the command line is not
understood, 130 stopped by Ctrl-C.
`

const OPTIONS = {
  threads: { type: 'string' },
  quality: { type: 'string' },
  generation: { type: 'string' },
  help: { type: 'boolean', short: 'h' }
} as const

/** @throws UsageError */
export function parseArguments(argv: readonly string[]): Command {
  const { values, positionals } = split(argv)
  if (values.help === true) return { command: 'help' }
  const threads = values.threads === undefined ? {} : { threads: wholeNumber('--threads', values.threads, 1, 1024) }
  const [first, ...rest] = positionals
  if (first !== 'verify' && first !== 'restore') {
    refuseOption('--generation', values.generation, 'restore')
    const quality = values.quality === undefined ? DEFAULT_QUALITY : wholeNumber('--quality', values.quality, 0, 11)
    return { command: 'archive', ...foldersToArchive(positionals), ...threads, quality }
  }
  refuseOption('--quality', values.quality, 'archiving')
  const [output, folder] = rest
  if (output === undefined || output === '') throw new UsageError(`${first}: which archive? OUTPUT is missing`)
  if (first === 'verify') {
    refuseOption('--generation', values.generation, 'restore')
    refuseMore(rest.slice(1))
    return { command: 'verify', output, ...threads }
  }
  if (folder === undefined || folder === '') throw new UsageError('restore: where to? FOLDER is missing')
  refuseMore(rest.slice(2))
  const generation = values.generation === undefined ? {} : { generation: wholeNumber('--generation', values.generation, 1, Number.MAX_SAFE_INTEGER) }
  return { command: 'restore', output, folder, ...threads, ...generation }
}

function split(argv: readonly string[]): { values: { threads?: string, quality?: string, generation?: string, help?: boolean }, positionals: string[] } {
  try {
    return parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true, strict: true })
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    throw new UsageError(message.split('. ')[0] ?? message)
  }
}

function foldersToArchive(positionals: readonly string[]): { folder?: string, output?: string } {
  const [folder, output, ...more] = positionals
  refuseMore(more)
  if (folder === undefined) return {}
  if (folder === '' || output === undefined || output === '') throw new UsageError(`where shall the archive of ${JSON.stringify(folder)} go? OUTPUT is missing`)
  return { folder, output }
}

function refuseMore(more: readonly string[]): void {
  if (more[0] !== undefined) throw new UsageError(`unexpected argument ${JSON.stringify(more[0])}`)
}

function refuseOption(option: string, value: string | undefined, use: string): void {
  if (value !== undefined) throw new UsageError(`${option} is for ${use}`)
}

function wholeNumber(option: string, text: string, least: number, most: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (value >= least && value <= most) return value
  const bounds = most === Number.MAX_SAFE_INTEGER ? `from ${least}` : `from ${least} to ${most}`
  throw new UsageError(`${option} takes a whole number ${bounds}, not ${JSON.stringify(text)}`)
}
