/** The rows of a bench as a table for the terminal. */
import { isReached, medianOf, ratioOf, summarize } from './figures.ts'
import type { Goal, Row, Series } from './figures.ts'

export function formatTable(rows: readonly Row[]): string {
  const names = [...new Set(rows.flatMap(({ series }) => series.map(({ name }) => name)))]
  const details = [...new Set(rows.flatMap(row => Object.keys(row.details ?? {})))]
  const compares = rows.some(({ ratio }) => ratio !== undefined)
  const aims = compares || rows.some(({ goals = [] }) => goals.length > 0)
  const header = ['', 'unit', ...names, ...compares ? ['ratio'] : [], ...aims ? ['goal'] : [], ...details]
  const lines = rows.map(row => [
    row.label,
    row.unit,
    ...names.map(name => formatSeries(row.series.find(series => series.name === name))),
    ...compares ? [formatOptional(ratioOf(row))] : [],
    ...aims ? [formatGoals(row)] : [],
    ...details.map(name => formatOptional(row.details?.[name])),
  ])
  const widths = header.map((_, column) => Math.max(...[header, ...lines].map(line => line[column]!.length)))
  return [header, widths.map(width => '-'.repeat(width)), ...lines]
    .map(line => line.map((cell, column) => column < 2 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)).join('  ').trimEnd())
    .join('\n')
}

/** Three digits that count; thousands are told apart. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return '-'
  const digits = Math.abs(value) >= 100 || value === 0 ? 0 : Math.abs(value) >= 10 ? 1 : Math.abs(value) >= 1 ? 2 : 3
  return value.toFixed(digits).replace(/\B(?=(\d{3})+(?!\d)(?<!\.\d*))/g, ',')
}

function formatSeries(series: Series | undefined): string {
  if (series === undefined || series.samples.length === 0) return ''
  const { median, min, max } = summarize(series.samples)
  return `${formatNumber(median)} (${formatNumber(min)}-${formatNumber(max)})`
}

/** Each goal of the row, and whether it was reached. */
function formatGoals(row: Row): string {
  const ratio = ratioOf(row)
  const goals = ratio === undefined || row.ratio?.goal === undefined ? [] : [verdict(ratio, row.ratio.goal)]
  const isPlain = row.series.length === 1
  return [...goals, ...(row.goals ?? []).map(goal => `${isPlain ? '' : `${goal.of} `}${verdict(medianOf(row.series, goal.of), goal)}`)].join(', ')
}

function verdict(value: number, goal: Goal): string {
  return `${formatGoal(goal)}${isReached(value, goal) ? '' : ' (missed)'}`
}

export function formatGoal(goal: Goal): string {
  return 'atLeast' in goal ? `>= ${goal.atLeast}` : `<= ${goal.atMost}`
}

function formatOptional(value: number | undefined): string {
  return value === undefined ? '' : formatNumber(value)
}
