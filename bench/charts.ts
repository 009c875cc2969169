/** The charts of one bench: curves where rows stand on an axis, dots where they stand for themselves, and their ratios. */
import { curves, dots } from './chart.ts'
import type { Line } from './chart.ts'
import { ratioOf, summarize } from './figures.ts'
import type { Goal, Row } from './figures.ts'
import { formatGoal } from './table.ts'

export interface Chart {
  readonly title: string
  readonly svg: string
}

export function chartsOf(rows: readonly Row[]): readonly Chart[] {
  return [...placed(rows), ...unplaced(rows)]
}

/** Axes with more than one place: one alone is no curve. */
function axesOf(rows: readonly Row[]): readonly string[] {
  const xs = new Map<string, Set<number>>()
  for (const { axis, x } of rows.flatMap(({ places = [] }) => places)) xs.set(axis, (xs.get(axis) ?? new Set()).add(x))
  return [...xs].filter(([, places]) => places.size > 1).map(([axis]) => axis)
}

/** Curves: rows that stand on one axis, by unit; and their ratios, where there are any. */
function placed(rows: readonly Row[]): Chart[] {
  const axes = axesOf(rows)
  return axes.flatMap(axis => {
    const on = rows.flatMap(row => (row.places ?? []).filter(place => place.axis === axis).map(({ x }) => ({ row, x })))
    const units = [...new Set(on.map(({ row }) => row.unit))]
    const charts = units.map((unit): Chart => {
      const own = on.filter(({ row }) => row.unit === unit)
      const lines = namesOf(own.map(({ row }) => row)).map((name): Line => ({
        name,
        points: own.flatMap(({ row, x }) => row.series.filter(series => series.name === name && series.samples.length > 0).map(({ samples }) => ({ x, ...summarize(samples) }))),
      }))
      const aims = own.flatMap(({ row }) => (row.goals ?? []).map(goal => ({ value: boundOf(goal), label: `goal for ${row.label}: ${formatGoal(goal)} ${row.unit}` })))
      return { title: `${unit} by ${axis}`, svg: curves({ title: `${unit} by ${axis}`, xTitle: axis, yTitle: unit, lines, goals: aims }) }
    })
    const compared = on.filter(({ row }) => row.ratio !== undefined)
    if (compared.length < 2) return charts
    const { of, to } = compared[0]!.row.ratio!
    const points = compared.map(({ row, x }) => ({ x, ...only(ratioOf(row)!) }))
    const aims = compared.flatMap(({ row }) => row.ratio?.goal === undefined ? [] : [{ value: boundOf(row.ratio.goal), label: `goal for ${row.label}: ${formatGoal(row.ratio.goal)}` }])
    const title = `${of} against ${to}, by ${axis}`
    return [...charts, { title, svg: curves({ title, xTitle: axis, yTitle: 'ratio of the medians', lines: [{ name: of, points }], goals: aims }) }]
  })
}

/** Dots: rows that stand for themselves, by unit; and their ratios. */
function unplaced(rows: readonly Row[]): Chart[] {
  const axes = axesOf(rows)
  const own = rows.filter(({ places = [] }) => !places.some(({ axis }) => axes.includes(axis)))
  const charts = [...new Set(own.map(({ unit }) => unit))].map((unit): Chart => {
    const these = own.filter(row => row.unit === unit)
    const lines = namesOf(these).map((name): Line => ({
      name,
      points: these.flatMap((row, at) => row.series.filter(series => series.name === name && series.samples.length > 0).map(({ samples }) => ({ x: at, ...summarize(samples) }))),
    }))
    const aims = these.flatMap((row, at) => (row.goals ?? []).map(goal => ({ row: at, value: boundOf(goal), label: `goal ${formatGoal(goal)}` })))
    return { title: unit, svg: dots({ title: unit, xTitle: unit, labels: these.map(({ label }) => label), lines, goals: aims }) }
  })
  const compared = own.filter(row => row.ratio !== undefined)
  if (compared.length === 0) return charts
  const { of, to } = compared[0]!.ratio!
  const points = compared.map((row, at) => ({ x: at, ...only(ratioOf(row)!) }))
  const aims = compared.flatMap((row, at) => row.ratio?.goal === undefined ? [] : [{ row: at, value: boundOf(row.ratio.goal), label: `goal ${formatGoal(row.ratio.goal)}` }])
  const title = `${of} against ${to}`
  return [...charts, { title, svg: dots({ title, xTitle: 'ratio of the medians', labels: compared.map(({ label }) => label), lines: [{ name: of, points }], goals: aims }) }]
}

function only(value: number): { readonly median: number, readonly min: number, readonly max: number } {
  return { median: value, min: value, max: value }
}

function boundOf(goal: Goal): number {
  return 'atLeast' in goal ? goal.atLeast : goal.atMost
}

export function namesOf(rows: readonly Row[]): readonly string[] {
  return [...new Set(rows.flatMap(({ series }) => series.map(({ name }) => name)))]
}
