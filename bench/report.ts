/** A page of charts from files of results: one HTML file that needs nothing else, in light and in dark. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { escape } from './chart.ts'
import { chartsOf, namesOf } from './charts.ts'
import type { BenchResult, ResultDocument } from './document.ts'
import { isReached, medianOf, ratioOf, summarize } from './figures.ts'
import type { Goal, Row } from './figures.ts'
import { formatGoal, formatNumber } from './table.ts'

/** Colours, in light and in dark, and what the parts of a chart look like. */
const COLOURS = `
:root { color-scheme: light dark; --paper: #fff; --ink: #1d2430; --soft: #5b6675; --rule: #d9dee5; --goal: #b3261e; --good: #1c7c3c;
  --s0: #1f5fbf; --s1: #c4570c; --s2: #2d7d46; --s3: #7b3fa0; --s4: #8a6d00; --s5: #0f7c86 }
@media (prefers-color-scheme: dark) { :root { --paper: #14181f; --ink: #e4e8ee; --soft: #a0abba; --rule: #333c49; --goal: #ff8a80; --good: #7ddc98;
  --s0: #7db1ff; --s1: #ffa657; --s2: #7ddc98; --s3: #d2a8ff; --s4: #e3c04f; --s5: #66d9e8 } }
svg { font: 12px system-ui, sans-serif }
svg text { fill: var(--ink) } svg .title { fill: var(--soft) } svg .value { fill: var(--soft) } svg .goal-label { fill: var(--goal) }
.grid { stroke: var(--rule) } .axis { stroke: var(--soft) } .goal { stroke: var(--goal); stroke-width: 1.5; stroke-dasharray: 6 4 }
.curve { fill: none; stroke-width: 2 } .spread { stroke-width: 1.5; opacity: .7 } .paper { fill: var(--paper) }
${Array.from({ length: 6 }, (_, i) => `.curve.s${i}, .spread.s${i} { stroke: var(--s${i}) } .dot.s${i} { fill: var(--s${i}) }`).join('\n')}
`

const STYLE = `${COLOURS}
body { margin: 0 auto; padding: 1.5rem; max-width: 62rem; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif }
h1 { font-size: 1.6rem } h2 { margin-top: 2.8rem; padding-top: .6rem; border-top: 1px solid var(--rule); font-size: 1.3rem } h3 { font-size: 1rem; margin: 1.4rem 0 .2rem }
p, li, td, th { font-size: .92rem } .soft { color: var(--soft) } .missed { color: var(--goal); font-weight: 600 } .reached { color: var(--good); font-weight: 600 }
svg { display: block; width: 100%; max-width: 52rem; height: auto }
.wide { overflow-x: auto } table { border-collapse: collapse } th, td { padding: .2rem .7rem .2rem 0; border-bottom: 1px solid var(--rule); text-align: left; white-space: nowrap }
td.number { text-align: right; font-variant-numeric: tabular-nums } code { font-size: .95em } summary { cursor: pointer; color: var(--soft) }
`

/** Each chart as a picture of its own: FOLDER/<bench>.svg, or <bench>-1.svg, <bench>-2.svg, ... Returns the files. */
export function writePictures(folder: string, documents: readonly ResultDocument[]): readonly string[] {
  mkdirSync(folder, { recursive: true })
  return documents.flatMap(({ benches }) => benches).flatMap(({ name, rows }) => {
    const charts = chartsOf(rows)
    return charts.map(({ svg }, i) => {
      const file = join(folder, `${name}${charts.length === 1 ? '' : `-${i + 1}`}.svg`)
      writeFileSync(file, `${picture(svg)}\n`)
      return file
    })
  })
}

function picture(svg: string): string {
  const end = svg.indexOf('>') + 1
  return `${svg.slice(0, end).replace('<svg ', '<svg xmlns="http://www.w3.org/2000/svg" ')}<style>${COLOURS}</style><rect class="paper" width="100%" height="100%"/>${svg.slice(end)}`
}

export function writeReport(file: string, documents: readonly ResultDocument[]): void {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, page(documents))
}

export function page(documents: readonly ResultDocument[]): string {
  const sections = documents.flatMap(document => document.benches.map(bench => section(bench, document, documents.length > 1)))
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>troupe: benches</title><style>${STYLE}</style></head>
<body><h1>troupe: benches</h1>
${documents.map(head).join('\n')}
<p class="soft">Dots and curves are medians, thin lines reach from the least sample to the most, dashed lines are goals. Contestants took turns in one run: ratios say more than the figures beside them.</p>
${goals(documents)}
${sections.join('\n')}
</body></html>
`
}

function head({ file, date, machine, options }: ResultDocument): string {
  const packages = Object.entries(machine.packages).map(([name, version]) => `${name} ${version}`).join(', ')
  const said = Object.entries(options).filter(([name]) => name !== 'names').map(([name, value]) => `${name} ${String(value)}`).join(', ')
  return `<p><strong>${escape(date)}</strong>: ${escape(`${machine.cpu}, ${machine.cpus} cores, ${machine.platform}, Node ${machine.node}; ${packages}`)}<br><span class="soft">${escape(`${said}; ${file}`)}</span></p>`
}

interface Aim {
  readonly bench: string
  readonly what: string
  readonly value: number
  readonly goal: Goal
}

function aimsOf({ name, rows }: BenchResult): readonly Aim[] {
  return rows.flatMap(row => {
    const ratio = ratioOf(row)
    const plain = (row.goals ?? []).map(goal => ({ bench: name, what: `${row.label}: ${goal.of}, ${row.unit}`, value: medianOf(row.series, goal.of), goal }))
    if (ratio === undefined || row.ratio?.goal === undefined) return plain
    return [{ bench: name, what: `${row.label}: ${row.ratio.of} against ${row.ratio.to}`, value: ratio, goal: row.ratio.goal }, ...plain]
  })
}

function goals(documents: readonly ResultDocument[]): string {
  const aims = documents.flatMap(({ benches }) => benches.flatMap(aimsOf))
  if (aims.length === 0) return ''
  const lines = aims.map(({ bench, what, value, goal }) => `<tr><td><a href="#${escape(bench)}">${escape(bench)}</a></td><td>${escape(what)}</td><td class="number">${formatNumber(value)}</td>`
    + `<td class="number">${escape(formatGoal(goal))}</td><td>${isReached(value, goal) ? '<span class="reached">reached</span>' : '<span class="missed">missed</span>'}</td></tr>`)
  return `<h2>Goals</h2><div class="wide"><table><tr><th>bench</th><th>figure</th><th>median</th><th>goal</th><th></th></tr>${lines.join('')}</table></div>`
}

function section(bench: BenchResult, document: ResultDocument, isDated: boolean): string {
  const { name, title, systems = {}, rows } = bench
  const list = Object.entries(systems).map(([system, words]) => `<li><strong>${escape(system)}</strong>: ${escape(words)}</li>`).join('')
  return `<section id="${escape(name)}"><h2>${escape(name)}${isDated ? ` <span class="soft">${escape(document.date)}</span>` : ''}</h2><p>${escape(title)}</p>`
    + `${list === '' ? '' : `<ul>${list}</ul>`}${chartsOf(rows).map(({ title: words, svg }) => `<h3>${escape(words)}</h3>${svg}`).join('')}${table(rows)}`
    + `<p class="soft">Repeat: <code>npm run bench -- ${escape(name)}</code></p></section>`
}

function table(rows: readonly Row[]): string {
  const names = namesOf(rows)
  const details = [...new Set(rows.flatMap(row => Object.keys(row.details ?? {})))]
  const compares = rows.some(({ ratio }) => ratio !== undefined)
  const head = ['', 'unit', ...names, ...compares ? ['ratio'] : [], ...details].map(cell => `<th>${escape(cell)}</th>`).join('')
  const lines = rows.map(row => {
    const cells = [
      ...names.map(name => {
        const samples = row.series.find(series => series.name === name)?.samples ?? []
        if (samples.length === 0) return ''
        const { median, min, max } = summarize(samples)
        return `${formatNumber(median)} (${formatNumber(min)}-${formatNumber(max)})`
      }),
      ...compares ? [row.ratio === undefined ? '' : formatNumber(ratioOf(row)!)] : [],
      ...details.map(name => row.details?.[name] === undefined ? '' : formatNumber(row.details[name])),
    ]
    return `<tr><td>${escape(row.label)}</td><td>${escape(row.unit)}</td>${cells.map(cell => `<td class="number">${escape(cell)}</td>`).join('')}</tr>`
  })
  return `<details><summary>figures: median (least-most)</summary><div class="wide"><table><tr>${head}</tr>${lines.join('')}</table></div></details>`
}
