/**
 * What changed from one file of results to another, beyond the noise. The rule: a figure has changed when no sample of the one lies among those of
 * the other (their ranges do not overlap), there are at least three of each, and the medians differ by more than 5 %. With five samples each that
 * happens by chance once in 126 times. Where the ranges overlap, or there are fewer samples, nothing is claimed. Ratios are judged by the
 * ratio of each round, which a slow hour of the machine leaves as it is: where the two disagree, believe the ratio.
 */
import type { BenchResult, ResultDocument } from './document.ts'
import { summarize } from './figures.ts'
import type { Row, Summary } from './figures.ts'
import { formatNumber } from './table.ts'

export const FEWEST_SAMPLES = 3
export const LEAST_CHANGE = 0.05

export type Verdict = 'same' | 'too few samples' | 'up' | 'down'

interface Figure {
  readonly label: string
  readonly unit: string
  readonly samples: readonly number[]
}

export function judge(before: readonly number[], after: readonly number[]): Verdict {
  if (Math.min(before.length, after.length) < FEWEST_SAMPLES) return 'too few samples'
  const a = summarize(before)
  const b = summarize(after)
  const apart = b.min > a.max || b.max < a.min
  if (!apart || Math.abs(b.median - a.median) <= LEAST_CHANGE * Math.abs(a.median)) return 'same'
  return b.median > a.median ? 'up' : 'down'
}

/** Whether more of it is better; what is neither is only said to have risen or fallen. */
export function isBetter(unit: string, verdict: 'up' | 'down'): boolean | undefined {
  if (unit.endsWith('/s') || unit === 'ratio of rates') return verdict === 'up'
  if (/^(?:s|ms|MB|%|ratio of costs)(?: |$)/.test(unit)) return verdict === 'down'
  return undefined
}

/** Lines for the terminal. */
export function compare(before: ResultDocument, after: ResultDocument): string {
  const lines = [`from ${describe(before)}`, `to   ${describe(after)}`]
  const differences = ['cpu', 'cpus', 'platform', 'node'].filter(field => String(before.machine[field as 'cpu']) !== String(after.machine[field as 'cpu']))
  if (differences.length > 0) lines.push(`The machines differ (${differences.join(', ')}): only ratios say something.`)
  const changed = Object.keys({ ...before.options, ...after.options }).filter(option => option !== 'names' && before.options[option] !== after.options[option])
  if (changed.length > 0) lines.push(`The options differ (${changed.join(', ')}).`)
  lines.push(`Changed: no sample of one among those of the other, at least ${FEWEST_SAMPLES} each, medians more than ${LEAST_CHANGE * 100} % apart.`)
  let compared = 0
  let same = 0
  let few = 0
  for (const bench of after.benches) {
    const old = before.benches.find(({ name }) => name === bench.name)
    if (old === undefined) continue
    const told: string[] = []
    for (const [was, is] of pairs(old, bench)) {
      compared++
      const verdict = judge(was.samples, is.samples)
      if (verdict === 'too few samples') few++
      else if (verdict === 'same') same++
      else told.push(`  ${words(is.unit, verdict)}  ${is.label}: ${tell(summarize(was.samples))} -> ${tell(summarize(is.samples))} ${is.unit}, ${percent(was, is)}`)
    }
    if (told.length > 0) lines.push('', bench.name, ...told)
  }
  const only = [...missing(before, after, 'first'), ...missing(after, before, 'second')]
  lines.push('', `${compared} figures compared: ${compared - same - few} changed, ${same} within the noise, ${few} with too few samples${only.length > 0 ? `; ${only.join('; ')}` : ''}`)
  return lines.join('\n')
}

function describe({ file, date, machine, options }: ResultDocument): string {
  return `${file}: ${date}, ${machine.cpu}, Node ${machine.node}, troupe ${machine.packages['troupe'] ?? 'unknown'}${options['quick'] === true ? ' (quick: its figures say nothing)' : ''}`
}

function missing(from: ResultDocument, other: ResultDocument, which: string): string[] {
  const names = from.benches.map(({ name }) => name).filter(name => !other.benches.some(bench => bench.name === name))
  return names.length === 0 ? [] : [`only in the ${which}: ${names.join(', ')}`]
}

function* pairs(before: BenchResult, after: BenchResult): Iterable<readonly [Figure, Figure]> {
  const old = new Map(figuresOf(before).map(figure => [figure.label, figure]))
  for (const figure of figuresOf(after)) {
    const was = old.get(figure.label)
    if (was !== undefined && was.unit === figure.unit) yield [was, figure]
  }
}

function figuresOf({ rows }: BenchResult): readonly Figure[] {
  return rows.flatMap(row => [
    ...row.series.map(({ name, samples }) => ({ label: `${row.label}, ${name}`, unit: row.unit, samples })),
    ...ratioFigure(row),
  ])
}

/** What is compared with each other was measured in the same round. */
function ratioFigure({ label, unit, series, ratio }: Row): readonly Figure[] {
  if (ratio === undefined) return []
  const of = series.find(({ name }) => name === ratio.of)?.samples ?? []
  const to = series.find(({ name }) => name === ratio.to)?.samples ?? []
  const samples = of.slice(0, to.length).map((sample, round) => sample / to[round]!)
  return [{ label: `${label}, ${ratio.of} against ${ratio.to}`, unit: unit.endsWith('/s') ? 'ratio of rates' : 'ratio of costs', samples }]
}

function words(unit: string, verdict: 'up' | 'down'): string {
  const better = isBetter(unit, verdict)
  return (better === undefined ? verdict === 'up' ? 'rose' : 'fell' : better ? 'better' : 'WORSE').padEnd(6)
}

function tell({ median, min, max }: Summary): string {
  return `${formatNumber(median)} (${formatNumber(min)}-${formatNumber(max)})`
}

function percent(was: Figure, is: Figure): string {
  const change = (summarize(is.samples).median / summarize(was.samples).median - 1) * 100
  return `${change > 0 ? '+' : ''}${change.toFixed(0)} %`
}
