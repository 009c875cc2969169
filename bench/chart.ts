/** Charts as SVG: curves where something changes from row to row, dots with their spread where rows are cases of their own. */
import { formatTick, scaleFor } from './scale.ts'
import type { Scale } from './scale.ts'
import { formatNumber } from './table.ts'

export interface Point {
  /** On a curve its place; otherwise which line. */
  readonly x: number
  readonly median: number
  readonly min: number
  readonly max: number
}

export interface Line {
  readonly name: string
  readonly points: readonly Point[]
}

export interface GoalLine {
  readonly value: number
  readonly label: string
}

export interface CurveChart {
  readonly title: string
  readonly xTitle: string
  readonly yTitle: string
  readonly lines: readonly Line[]
  readonly goals: readonly GoalLine[]
}

export interface DotChart {
  readonly title: string
  readonly xTitle: string
  readonly labels: readonly string[]
  readonly lines: readonly Line[]
  /** Of single rows. */
  readonly goals: readonly (GoalLine & { readonly row: number })[]
}

const WIDTH = 720
const LEFT = 78
const RIGHT = 20
const COLOURS = 6

export function curves({ title, xTitle, yTitle, lines, goals }: CurveChart): string {
  const height = 320
  const top = legendHeight(lines) + 12
  const bottom = 52
  const points = lines.flatMap(line => line.points)
  const x = scaleFor(points.map(point => point.x), { zero: false })
  const y = scaleFor([...points.flatMap(({ min, max }) => [min, max]), ...goals.map(({ value }) => value)])
  const px = (value: number): number => LEFT + 14 + x.at(value) * (WIDTH - LEFT - RIGHT - 28)
  const py = (value: number): number => height - bottom - y.at(value) * (height - top - bottom)
  const xTicks = [...new Set(points.map(point => point.x))]
  const grid = y.ticks.map(tick => `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${f(py(tick))}" y2="${f(py(tick))}"/>`
    + text(LEFT - 8, py(tick) + 4, formatTick(tick), 'end'))
  const xMarks = (xTicks.length <= 8 ? xTicks : x.ticks).map(tick => text(px(tick), height - bottom + 18, formatTick(tick), 'middle'))
  const drawn = lines.map(({ points: own }, index) => {
    const sorted = [...own].sort((a, b) => a.x - b.x)
    const path = sorted.map((point, i) => `${i === 0 ? 'M' : 'L'}${f(px(point.x))} ${f(py(point.median))}`).join('')
    const whiskers = sorted.map(({ x: at, min, max }) => `<line class="spread s${index % COLOURS}" x1="${f(px(at))}" x2="${f(px(at))}" y1="${f(py(min))}" y2="${f(py(max))}"/>`)
    const dots = sorted.map(point => `<circle class="dot s${index % COLOURS}" cx="${f(px(point.x))}" cy="${f(py(point.median))}" r="3.5">${tip(point, lines[index]!.name)}</circle>`)
    return `<path class="curve s${index % COLOURS}" d="${path}"/>${whiskers.join('')}${sorted.length <= 30 ? dots.join('') : ''}`
  })
  // Of goals that are the same the first stands above its line, the next below it, on the other side.
  const goalLines = goals.map(({ value, label }, index) => {
    const isFirst = goals.findIndex(other => other.value === value) === index
    return `<line class="goal" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${f(py(value))}" y2="${f(py(value))}"/>`
      + (isFirst ? text(WIDTH - RIGHT, py(value) - 5, label, 'end', 'goal-label') : text(LEFT + 8, py(value) + 14, label, 'start', 'goal-label'))
  })
  return svg(height, title, legend(lines) + grid.join('') + xMarks.join('') + axis(LEFT, top, LEFT, height - bottom) + axis(LEFT, height - bottom, WIDTH - RIGHT, height - bottom)
    + text((LEFT + WIDTH - RIGHT) / 2, height - 12, titled(xTitle, x), 'middle', 'title')
    + `<text class="title" transform="translate(16 ${f((top + height - bottom) / 2)}) rotate(-90)" text-anchor="middle">${escape(titled(yTitle, y))}</text>`
    + drawn.join('') + goalLines.join(''))
}

/** A row for each label: dots at the medians, lines from least to most, a bar across it where its goal stands. */
export function dots({ title, xTitle, labels, lines, goals }: DotChart): string {
  const perLine = 16
  const left = Math.min(330, 20 + 6.6 * Math.max(...labels.map(label => label.length)))
  const top = legendHeight(lines) + 10
  const rowHeights = labels.map((_, row) => 14 + perLine * lines.filter(line => line.points.some(point => point.x === row)).length)
  const starts = rowHeights.map((_, row) => top + rowHeights.slice(0, row).reduce((sum, each) => sum + each, 0))
  const bottomAt = top + rowHeights.reduce((sum, each) => sum + each, 0)
  const height = bottomAt + 44
  const x = scaleFor([...lines.flatMap(line => line.points).flatMap(({ min, max }) => [min, max]), ...goals.map(({ value }) => value)])
  const px = (value: number): number => left + 10 + x.at(value) * (WIDTH - left - 110)
  const grid = x.ticks.map(tick => `<line class="grid" x1="${f(px(tick))}" x2="${f(px(tick))}" y1="${top}" y2="${f(bottomAt)}"/>` + text(px(tick), bottomAt + 16, formatTick(tick), 'middle'))
  const rows = labels.map((label, row) => {
    const own = lines.flatMap((line, index) => line.points.filter(point => point.x === row).map(point => ({ point, index, name: line.name })))
    const marks = own.map(({ point, index, name }, i) => {
      const y = starts[row]! + 14 + i * perLine
      return `<line class="spread s${index % COLOURS}" x1="${f(px(point.min))}" x2="${f(px(point.max))}" y1="${f(y)}" y2="${f(y)}"/>`
        + `<circle class="dot s${index % COLOURS}" cx="${f(px(point.median))}" cy="${f(y)}" r="4.5">${tip(point, name)}</circle>`
        + text(px(point.max) + 9, y + 4, formatNumber(point.median), 'start', 'value')
    })
    const goal = goals.filter(each => each.row === row).map(({ value, label: words }) => `<line class="goal" x1="${f(px(value))}" x2="${f(px(value))}" y1="${f(starts[row]! + 3)}" y2="${f(starts[row]! + rowHeights[row]! - 1)}"/>`
      + text(px(value), starts[row]! + 2, words, 'middle', 'goal-label'))
    return text(left, starts[row]! + 4 + rowHeights[row]! / 2, label, 'end') + marks.join('') + goal.join('')
  })
  return svg(height, title, legend(lines) + grid.join('') + axis(left + 10, top, left + 10, bottomAt) + rows.join('') + text((left + WIDTH) / 2, height - 8, titled(xTitle, x), 'middle', 'title'))
}

function titled(title: string, scale: Scale): string {
  return scale.isLogarithmic ? `${title} (logarithmic)` : title
}

function legend(lines: readonly Line[]): string {
  if (lines.length < 2) return ''
  let x = LEFT
  let y = 14
  return lines.map(({ name }, index) => {
    const width = 34 + name.length * 7
    if (x + width > WIDTH) {
      x = LEFT
      y += 20
    }
    const item = `<circle class="dot s${index % COLOURS}" cx="${x}" cy="${y - 4}" r="5"/>${text(x + 11, y, name, 'start')}`
    x += width
    return item
  }).join('')
}

function legendHeight(lines: readonly Line[]): number {
  if (lines.length < 2) return 14
  return 24 + 20 * Math.floor((LEFT + lines.reduce((sum, { name }) => sum + 34 + name.length * 7, 0)) / WIDTH)
}

function tip({ median, min, max }: Point, name: string): string {
  return `<title>${escape(`${name}: ${formatNumber(median)} (${formatNumber(min)}-${formatNumber(max)})`)}</title>`
}

function svg(height: number, title: string, content: string): string {
  return `<svg viewBox="0 0 ${WIDTH} ${f(height)}" role="img" aria-label="${escape(title)}"><title>${escape(title)}</title>${content}</svg>`
}

function axis(x1: number, y1: number, x2: number, y2: number): string {
  return `<line class="axis" x1="${f(x1)}" y1="${f(y1)}" x2="${f(x2)}" y2="${f(y2)}"/>`
}

function text(x: number, y: number, words: string, anchor: 'start' | 'middle' | 'end', kind = ''): string {
  return `<text${kind === '' ? '' : ` class="${kind}"`} x="${f(x)}" y="${f(y)}" text-anchor="${anchor}">${escape(words)}</text>`
}

export function escape(words: string): string {
  return words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}

function f(value: number): string {
  return value.toFixed(1).replace(/\.0$/, '')
}
