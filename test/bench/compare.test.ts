import t from 'tap'
import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { curves, dots } from '../../bench/chart.ts'
import { compare, isBetter, judge } from '../../bench/compare.ts'
import type { ResultDocument } from '../../bench/document.ts'
import type { Row } from '../../bench/figures.ts'
import { page, writePictures } from '../../bench/report.ts'
import { formatTick, scaleFor } from '../../bench/scale.ts'

const MACHINE = { cpu: 'one', cpus: 2, platform: 'linux', node: 'v20', packages: { troupe: '1.0.0' } }

function documentOf(rows: readonly Row[], facts: Partial<ResultDocument> = {}): ResultDocument {
  return { file: 'a.json', date: '2026-01-01T00:00:00.000Z', machine: MACHINE, options: { rounds: 3 }, benches: [{ name: 'steps', title: 'steps/s', rows }], ...facts }
}

t.test('a figure has changed when its samples lie wholly apart, and by more than a little', async t => {
  t.equal(judge([100, 101, 102], [200, 201, 202]), 'up')
  t.equal(judge([100, 101, 102], [50, 51, 52]), 'down')
  t.equal(judge([100, 101, 160], [150, 151, 152]), 'same', 'one of the old lies among the new')
  t.equal(judge([100, 101, 102], [103, 104, 105]), 'same', 'a little is no change, however certain')
  t.equal(judge([100, 101], [200, 201]), 'too few samples')
})

t.test('more is better of rates, less of times and sizes', async t => {
  t.same(['steps/s', 'runs/s', 'ms', 'ms late', 's', 'MB more', '% of a core', 'open'].map(unit => isBetter(unit, 'up')), [true, true, false, false, false, false, false, undefined])
})

t.test('what changed is told with both figures, and ratios are taken round by round', async t => {
  const rows = (ours: number[], theirs: number[], unit = 'steps/s'): Row[] => [{
    label: 'case', unit, series: [{ name: 'ours', samples: ours }, { name: 'theirs', samples: theirs }], ratio: { of: 'ours', to: 'theirs' },
  }]
  // A machine that is twice as fast, and in two speeds of its own: the ratio alone is steady.
  const text = compare(documentOf(rows([100, 10, 100], [200, 20, 200])), documentOf(rows([100, 10, 100], [400, 40, 400])))
  t.match(text, /WORSE +case, ours against theirs: 0\.500 \(0\.500-0\.500\) -> 0\.250/)
  t.match(text, /3 figures compared: 1 changed, 2 within the noise, 0 with too few/)
  t.match(compare(documentOf(rows([1, 1, 1], [1, 1, 1], 'ms')), documentOf(rows([9, 9, 9], [1, 1, 1], 'ms'))), /WORSE +case, ours: 1\.00 \(1\.00-1\.00\) -> 9\.00 \(9\.00-9\.00\) ms, \+800 %/)
})

t.test('another machine, other options and figures that only one of them has are said', async t => {
  const a = documentOf([])
  const b = documentOf([], { machine: { ...MACHINE, node: 'v24' }, options: { rounds: 5 }, benches: [{ name: 'cpu', title: '', rows: [] }] })
  const text = compare(a, b)
  t.match(text, /The machines differ \(node\)/)
  t.match(text, /The options differ \(rounds\)/)
  t.match(text, /only in the first: steps; only in the second: cpu/)
})

t.test('an axis is logarithmic where values are orders of magnitude apart, and begins at nothing otherwise', async t => {
  const wide = scaleFor([1, 1000])
  t.ok(wide.isLogarithmic)
  t.ok(Math.abs(wide.at(Math.sqrt(1000)) - 0.5) < 0.06)
  const narrow = scaleFor([5, 10])
  t.notOk(narrow.isLogarithmic)
  t.equal(narrow.at(0), 0)
  for (const scale of [wide, narrow, scaleFor([0, 0]), scaleFor([7]), scaleFor([3], { zero: false }), scaleFor([])]) {
    t.ok(scale.ticks.length > 0 && scale.ticks.every(tick => Number.isFinite(scale.at(tick))))
  }
  t.same([0.25, 1200, 3_000_000, 2e9].map(formatTick), ['0.25', '1.2k', '3M', '2G'])
})

t.test('charts say what their axes are, and where a goal stands', async t => {
  const lines = [{ name: 'ours & <others>', points: [{ x: 1, median: 2, min: 1, max: 3 }, { x: 64, median: 4, min: 4, max: 4 }] }, { name: 'bare', points: [{ x: 1, median: 9, min: 9, max: 9 }] }]
  const curve = curves({ title: 'a', xTitle: 'actors', yTitle: 'steps/s', lines, goals: [{ value: 5, label: 'goal >= 5' }] })
  for (const words of ['>actors (logarithmic)<', '>steps/s<', '>goal &gt;= 5<', 'ours &amp; &lt;others&gt;']) t.ok(curve.includes(words), words)
  const dotted = dots({ title: 'a', xTitle: 'ms', labels: ['first', 'second'], lines, goals: [{ row: 1, value: 3, label: 'goal <= 3' }] })
  for (const words of ['>first<', '>second<', '>ms<', 'goal &lt;= 3']) t.ok(dotted.includes(words), words)
  for (const svg of [curve, dotted]) t.notMatch(svg, /NaN|Infinity|undefined/)
})

t.test('a report holds everything itself: curves, the durability of each system, goals with what became of them', async t => {
  const at = (x: number, ours: number): Row => ({
    label: `${x} actors`, unit: 'steps/s', series: [{ name: 'ours', samples: [ours] }, { name: 'bare', samples: [10] }], places: [{ axis: 'actors', x }],
    ratio: { of: 'ours', to: 'bare', goal: { atLeast: 0.6 } },
  })
  const rows = [at(1, 5), at(64, 8), { label: 'memory', unit: 'MB', series: [{ name: 'ours', samples: [70] }], goals: [{ of: 'ours', atMost: 50 }] }]
  const html = page([documentOf(rows, { benches: [{ name: 'steps', title: 'a <b>', rows, systems: { ours: 'flushed to the disk' } }] })])
  t.notMatch(html, /https?:|<script|<link|@import|NaN|undefined/, 'nothing is fetched, nothing runs')
  t.match(html, /prefers-color-scheme: dark/)
  t.match(html, /<strong>ours<\/strong>: flushed to the disk/)
  t.match(html, /a &lt;b&gt;/)
  t.equal(html.match(/<svg /g)?.length, 3, 'a curve, its ratios, and a case of its own')
  t.equal(html.match(/class="missed"/g)?.length, 2)
  t.equal(html.match(/class="reached"/g)?.length, 1)
})

t.test('each chart can be a picture of its own, which needs nothing else', async t => {
  const row: Row = { label: 'memory', unit: 'MB', series: [{ name: 'ours', samples: [70] }] }
  const one = documentOf([row], { benches: [{ name: 'memory', title: 'a', rows: [row] }] })
  const two = documentOf([row], { benches: [{ name: 'idle', title: 'b', rows: [row, { ...row, unit: 'ms' }] }] })
  const files = writePictures(join(t.testdir({}), 'charts'), [one, two])
  t.same(files.map(file => basename(file)), ['memory.svg', 'idle-1.svg', 'idle-2.svg'])
  for (const file of files) {
    const svg = readFileSync(file, 'utf8')
    t.match(svg, /^<svg xmlns="http:\/\/www.w3.org\/2000\/svg" viewBox="[^"]+".*<style>[^]*<\/style>.*<\/svg>\n$/)
    t.notMatch(svg.replace('http://www.w3.org/2000/svg', ''), /https?:|<script|@import|NaN|undefined/)
  }
})
