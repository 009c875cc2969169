/** Files of results: read back, and checked before anything is said about them. */
import { readFileSync } from 'node:fs'
import { UsageError } from './arguments.ts'
import type { Row } from './figures.ts'

export interface BenchResult {
  readonly name: string
  readonly title: string
  readonly systems?: Readonly<Record<string, string>>
  readonly rows: readonly Row[]
}

export interface ResultDocument {
  readonly file: string
  readonly date: string
  readonly machine: {
    readonly cpu: string
    readonly cpus: number
    readonly platform: string
    readonly node: string
    readonly packages: Readonly<Record<string, string>>
  }
  readonly options: Readonly<Record<string, unknown>>
  readonly benches: readonly BenchResult[]
}

/** @throws UsageError when the file is not there, or not one of results */
export function readDocument(file: string): ResultDocument {
  const refuse = (problem: string): never => { throw new UsageError(`${file} ${problem}`) }
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    return refuse(`cannot be read: ${(error as Error).message}.`)
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    return refuse(`is not JSON (${(error as Error).message}). It should be what npm run bench wrote with --json.`)
  }
  const problem = problemOf(value)
  if (problem !== undefined) return refuse(`is not a file of bench results: ${problem}. It should be what npm run bench wrote with --json.`)
  return { ...value as Omit<ResultDocument, 'file'>, file }
}

/** The first thing that is wrong with it. */
function problemOf(value: unknown): string | undefined {
  if (!isObject(value)) return 'it is no object'
  const { date, machine, options, benches } = value
  if (typeof date !== 'string') return 'date is no text'
  if (!isObject(machine) || !isObject(machine['packages']) || ['cpu', 'platform', 'node'].some(field => typeof machine[field] !== 'string')) return 'machine is not described'
  if (!isObject(options)) return 'options are missing'
  if (!Array.isArray(benches)) return 'benches is no list'
  for (const [index, bench] of (benches as readonly unknown[]).entries()) {
    if (!isObject(bench) || typeof bench['name'] !== 'string' || typeof bench['title'] !== 'string' || !Array.isArray(bench['rows'])) return `benches[${index}] has no name, title and rows`
    const rows = bench['rows'] as readonly unknown[]
    const bad = rows.findIndex(row => !isRow(row))
    if (bad >= 0) return `benches[${index}].rows[${bad}] (of "${bench['name']}") has no label, unit and samples`
  }
  return undefined
}

function isRow(row: unknown): boolean {
  return isObject(row) && typeof row['label'] === 'string' && typeof row['unit'] === 'string' && Array.isArray(row['series'])
    && (row['series'] as readonly unknown[]).every(series => isObject(series) && typeof series['name'] === 'string' && Array.isArray(series['samples'])
      && (series['samples'] as readonly unknown[]).every(sample => typeof sample === 'number' || sample === null))
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
