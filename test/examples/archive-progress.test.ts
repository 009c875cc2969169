import t from 'tap'
import fc from 'fast-check'
import { barLine, formatBytes, formatDuration, fractionOf, plainLine, rowsOf, type Progress } from '../../examples/archive/progress.ts'
import { openScreen } from '../../examples/archive/screen.ts'
import { Tracker } from '../../examples/archive/tracker.ts'

const halfway: Progress = { phase: 'archiving', items: 812, totalItems: 2301, bytes: 12_100_000, totalBytes: 33_000_000, bytesPerSecond: 9_830_000, secondsLeft: 62, threadsInUse: 2, threads: 2 }

t.test('sizes and times are short and right', async t => {
  t.same([0, 999, 1000, 1234, 99_949, 999_499, 999_500, 45_600_000_000].map(formatBytes), ['0 B', '999 B', '1.00 kB', '1.23 kB', '99.9 kB', '999 kB', '1.00 MB', '45.6 GB'])
  t.same([0, 7.4, 59.6, 754, 3723].map(formatDuration), ['0:00', '0:07', '1:00', '12:34', '1:02:03'])
})

t.test('a plain line says all, with no control characters', async t => {
  t.equal(plainLine(halfway), 'archiving: 812 of 2,301 files, 12.1 MB of 33.0 MB, 9.83 MB/s, 2 of 2 threads in use, 1:02 left')
  t.equal(plainLine({ phase: 'listing', items: 5, bytes: 0 }), 'listing: 5 files')
  t.equal(plainLine({ phase: 'writing the manifest', items: 0, bytes: 0 }), 'writing the manifest')
})

t.test('the bar fits any terminal, and gives up what matters least first', async t => {
  t.equal(barLine(halfway, { columns: 120, color: false, unicode: true }), '███████████░░░░░░░░░░░░░░░░░░░  archiving  35%  812/2,301 files  12.1 MB/33.0 MB  9.83 MB/s  2/2 threads  ETA 1:02')
  t.equal(barLine(halfway, { columns: 60, color: false, unicode: false }), '####------  35%  812/2,301 files  12.1 MB/33.0 MB  ETA 1:02')
  t.equal(barLine(halfway, { columns: 20, color: false, unicode: true }), '█████░░░░░░░░░  35%')
  t.equal(barLine(halfway, { columns: 6, color: false, unicode: true }), '35%')
  fc.assert(fc.property(fc.integer({ min: 1, max: 250 }), fc.nat(2301), fc.nat(33_000_000), (columns, items, bytes) => {
    const line = barLine({ ...halfway, items, bytes }, { columns, color: false, unicode: true })
    return line.length <= Math.max(1, columns - 1) && !line.includes('\n')
  }))
  t.ok(barLine(halfway, { columns: 120, color: true, unicode: true }).startsWith('\u001b[36m█'))
})

t.test('the share done is between 0 and 1, and 1 of nothing is all', async t => {
  t.equal(fractionOf({ phase: 'archiving', items: 0, bytes: 0 }), undefined)
  t.equal(fractionOf({ phase: 'archiving', items: 0, totalItems: 0, bytes: 0, totalBytes: 0 }), 1)
  t.equal(fractionOf({ phase: 'archiving', items: 1, totalItems: 2, bytes: 0, totalBytes: 0 }), 0.5)
})

t.test('the tracker adds up news, tells a rate, and starts from what was done before', async t => {
  const tracker = new Tracker('listing')
  tracker.hear({ type: 'phase', phase: 'listing', totals: { items: 40, bytes: 0 } })
  t.match(tracker.snapshot(0), { phase: 'listing', items: 40 })
  tracker.startFrom('archiving', { items: 10, bytes: 1_000_000 }, { items: 20, bytes: 5_000_000 })
  t.match(tracker.snapshot(1000), { items: 10, totalItems: 20, bytes: 1_000_000, bytesPerSecond: undefined })
  tracker.hear({ type: 'work', phase: 'archiving', items: 2, bytes: 2_000_000 })
  const { bytesPerSecond, secondsLeft } = tracker.snapshot(3000, { inUse: 1, all: 2 })
  t.equal(bytesPerSecond, 1_000_000, 'what was there before does not count')
  t.ok(secondsLeft !== undefined && secondsLeft > 1.9 && secondsLeft < 3)
  tracker.hear({ type: 'work', phase: 'archiving', items: 50, bytes: 50_000_000 })
  t.match(tracker.snapshot(4000), { items: 20, bytes: 5_000_000, secondsLeft: 0 }, 'never beyond the whole')
  tracker.hear({ type: 'work', phase: 'verifying', items: 1, bytes: 10, totals: { items: 3, bytes: 30 } })
  t.match(tracker.snapshot(5000), { phase: 'verifying', items: 1, totalItems: 3 })
})

function recorder(isTTY: boolean, columns: number): { isTTY: boolean, columns: number, text: string, write(text: string): void } {
  return { isTTY, columns, text: '', write(text) { this.text += text } }
}

t.test('elsewhere than on a terminal there are plain lines, each once', async t => {
  for (const [isTTY, env] of [[false, {}], [true, { TERM: 'dumb' }]] as const) {
    const output = recorder(isTTY, 80)
    const screen = openScreen(output, env)
    screen.show(halfway)
    screen.show(halfway)
    screen.print('a note')
    screen[Symbol.dispose]()
    t.equal(output.text, `${plainLine(halfway)}\na note\n`)
  }
})

t.test('on a terminal the bar draws over itself, also after the window got narrower, and notes stay above it', async t => {
  const output = recorder(true, 100)
  const screen = openScreen(output, { LANG: 'C.UTF-8', NO_COLOR: '1' })
  screen.show(halfway)
  t.notOk(output.text.includes('\u001b[3'), 'no color')
  output.columns = 40
  output.text = ''
  screen.show(halfway)
  t.ok(output.text.startsWith('\r\u001b[2A\u001b[J'), 'up two rows: 99 characters take three rows of 40')
  output.text = ''
  screen.print('a note')
  t.equal(output.text, '\r\u001b[Ja note\n')
  output.text = ''
  screen[Symbol.dispose]()
  t.equal(output.text, '', 'nothing left to clear')
  t.same([rowsOf(0, 80), rowsOf(80, 80), rowsOf(81, 80)], [1, 1, 2])
})
