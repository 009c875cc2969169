import t from 'tap'
import { parseCommand, UsageError } from '../../bench/arguments.ts'
import { alternate } from '../../bench/bench.ts'
import { isReached, median, quantile, ratioOf, Samples, summarize } from '../../bench/figures.ts'
import type { Row } from '../../bench/figures.ts'
import { formatNumber, formatTable } from '../../bench/table.ts'

t.test('the median lies in the middle, between the two middle samples of an even number', async t => {
  t.equal(median([9, 1, 5]), 5)
  t.equal(median([4, 1, 3, 2]), 2.5)
  t.equal(quantile([10, 20, 30, 40, 50], 0.99), 49.6)
  t.ok(Number.isNaN(median([])), 'of nothing there is none')
  t.same(summarize([3, 1, 2]), { median: 2, min: 1, max: 3 })
})

t.test('a ratio compares the medians, whatever single samples say', async t => {
  const samples = new Samples()
  for (const sample of [100, 200, 9000]) samples.add('ours', sample)
  for (const sample of [400, 1, 500]) samples.add('theirs', sample)
  const row: Row = { label: 'x', unit: 'steps/s', series: samples.series('ours', 'theirs'), ratio: { of: 'ours', to: 'theirs' } }
  t.equal(ratioOf(row), 0.5)
  t.equal(ratioOf({ series: [] }), undefined)
  t.equal(isReached(0.95, { atLeast: 0.95 }), true)
  t.equal(isReached(0.94, { atLeast: 0.95 }), false)
  t.equal(isReached(3.1, { atMost: 3 }), false)
})

t.test('contestants take turns, and every other round goes backwards', async t => {
  const seen: string[] = []
  await alternate(3, ['a', 'b'].map(name => async (round: number) => { seen.push(`${name}${round}`) }))
  t.same(seen, ['a0', 'b0', 'b1', 'a1', 'a2', 'b2'])
})

t.test('a table shows each case with median and spread, and says which goal was missed', async t => {
  const series = (ours: number[], theirs: number[]) => [{ name: 'ours', samples: ours }, { name: 'theirs', samples: theirs }]
  const goal = { atLeast: 0.25 }
  const table = formatTable([
    { label: 'reached', unit: 'steps/s', series: series([50_000, 40_000, 60_000], [100_000]), ratio: { of: 'ours', to: 'theirs', goal }, details: { 'steps/commit': 42 } },
    { label: 'missed', unit: 'steps/s', series: series([10], [100]), ratio: { of: 'ours', to: 'theirs', goal } },
    { label: 'alone', unit: 'ms', series: [{ name: 'ours', samples: [0.123] }], goals: [{ of: 'ours', atMost: 0.1 }] },
  ])
  const [head, line, reached, missed, alone] = table.split('\n')
  t.match(head, /unit +ours +theirs +ratio +goal +steps\/commit/)
  t.match(line, /^-+( +-+)+$/)
  t.match(reached, /^reached +steps\/s +50,000 \(40,000-60,000\) +100,000 \(100,000-100,000\) +0\.500 +>= 0\.25 +42\.0$/)
  t.match(missed, /0\.100 +>= 0\.25 \(missed\)$/)
  t.match(alone, /^alone +ms +0\.123 \(0\.123-0\.123\) +<= 0\.1 \(missed\)$/)
  t.equal(formatNumber(1_234_567.8), '1,234,568')
  t.equal(formatNumber(0), '0')
  t.equal(formatNumber(Number.NaN), '-')
})

t.test('a command line that makes no sense is refused, and names what is wrong', async t => {
  const parse = (...argv: string[]) => parseCommand(argv, ['steps', 'cpu'], new Date('2026-01-02T03:04:05.678Z'))
  t.match(parse(), { names: ['steps', 'cpu'], quick: false, rounds: 5, sleeping: 100_000, records: 1_000_000, minutes: 60, json: /bench-results.2026-01-02T03-04-05\.json$/ })
  t.match(parse('cpu', '--quick', '--threads', '3'), { names: ['cpu'], quick: true, rounds: 1, threads: 3 })
  t.equal(parse('--help'), 'help')
  t.same(parse('compare', 'a.json', 'b.json'), { verb: 'compare', files: ['a.json', 'b.json'] })
  t.same(parse('report', 'a.json', 'b.json'), { verb: 'report', files: ['a.json', 'b.json'], html: 'a.html' })
  t.match(parse('report', 'a.json', '--html', 'c.html'), { html: 'c.html', svg: undefined })
  t.match(parse('report', 'a.json', '--svg', 'charts'), { svg: 'charts' })
  t.throws(() => parse('compare', 'a.json'), { constructor: UsageError, message: /two files.*not 1/ })
  t.throws(() => parse('report'), { constructor: UsageError, message: /one or more files/ })
  t.match(parseCommand([], ['steps', 'soak'], new Date(), ['soak']), { names: ['steps'] }, 'what takes an hour runs only when it is named')
  t.match(parseCommand(['soak'], ['steps', 'soak'], new Date(), ['soak']), { names: ['soak'] })
  t.throws(() => parse('speed'), { constructor: UsageError, message: /no bench "speed".*steps, cpu/ })
  t.throws(() => parse('--rounds', '0'), { constructor: UsageError, message: /--rounds.*>= 1.*"0"/ })
  t.throws(() => parse('--threads', '1.5'), { constructor: UsageError, message: /--threads.*"1\.5"/ })
  t.throws(() => parse('--sleeping', 'many'), { constructor: UsageError, message: /--sleeping/ })
  t.throws(() => parse('--fast'), { constructor: UsageError, message: /--fast/ })
})
