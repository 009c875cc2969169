/** Timers over a hand-turned clock and a store of rows: the near ones in memory, the rest in the store until their time comes. */
import t from 'tap'
import type { RunKey } from '../../lib/model/run.ts'
import type { TimerRow } from '../../lib/store/contract.ts'
import { Timers } from '../../lib/supervisor/timers.ts'
import { chanceOf, seedOf } from '../chance.ts'
import { ManualClock } from '../manual-clock.ts'

const START_MS = 1_000_000
const order = (a: TimerRow, b: TimerRow): number => a.dueAtMs - b.dueAtMs || a.key - b.key || a.slot - b.slot
const same = (a: TimerRow, b: TimerRow): boolean => order(a, b) === 0

class Bench {
  readonly clock = new ManualClock(START_MS)
  stored: TimerRow[] = []
  readonly rang: { readonly row: TimerRow, readonly atMs: number }[] = []
  scans = 0
  /** What ringing does to the store and sets anew. */
  onDue: (row: TimerRow) => void = row => { this.remove(row) }
  readonly timers = new Timers(this.clock, (after, limit) => {
    this.scans++
    return [...this.stored].sort(order).filter(row => after === undefined || order(after, row) < 0).slice(0, limit)
  }, rows => {
    for (const row of rows) {
      this.rang.push({ row, atMs: this.clock.nowMs() })
      this.onDue(row)
    }
  })

  row(afterMs: number, key = this.stored.length + 1, slot = 0): TimerRow {
    return { dueAtMs: START_MS + afterMs, key: key as RunKey, slot }
  }

  set(row: TimerRow): void {
    this.stored.push(row)
    this.timers.arm(row)
  }

  remove(row: TimerRow): void {
    this.stored = this.stored.filter(other => !same(row, other))
  }
}

t.test('a timer rings at its time, not before, and with others in order of their due times', async t => {
  const bench = new Bench()
  bench.timers.start()
  for (const afterMs of [500, 100, 300, 100]) bench.set(bench.row(afterMs))
  t.equal(bench.clock.alarms, 1, 'one alarm is set, whatever the number of timers')
  bench.clock.turn(99)
  t.same(bench.rang, [])
  bench.clock.turn(1)
  t.same(bench.rang.map(({ row }) => [row.dueAtMs - START_MS, row.key]), [[100, 2], [100, 4]])
  bench.clock.turn(1000)
  t.same(bench.rang.map(({ atMs }) => atMs - START_MS), [100, 100, 300, 500])
  t.equal(bench.clock.alarms, 0)
})

t.test('a timer set later that is due earlier rings first', async t => {
  const bench = new Bench()
  bench.timers.start()
  bench.set(bench.row(1000))
  bench.set(bench.row(10))
  t.equal(bench.clock.alarms, 1)
  bench.clock.turn(10)
  t.same(bench.rang.map(({ row }) => row.key), [2])
})

t.test('timers of the last process ring as they were promised, at once where that time has passed', async t => {
  const bench = new Bench()
  bench.stored = [bench.row(-5000, 1), bench.row(70, 2)]
  bench.timers.start()
  bench.clock.turn(0)
  t.same(bench.rang.map(({ row }) => row.key), [1])
  bench.clock.turn(70)
  t.same(bench.rang.map(({ row }) => row.key), [1, 2])
})

t.test('delays of years ring once they have passed', async t => {
  const bench = new Bench()
  bench.timers.start()
  const years = 3 * 365 * 86_400_000
  bench.set(bench.row(years))
  bench.clock.turn(years - 1)
  t.same(bench.rang, [])
  bench.clock.turn(1)
  t.equal(bench.rang.length, 1)
})

t.test('20,000 timers of the last process: a page of them in memory at a time, all rung once and in order', async t => {
  const bench = new Bench()
  const chance = chanceOf(seedOf(t))
  bench.stored = Array.from({ length: 20_000 }, (_, i) => bench.row(1 + chance.below(1_000_000), i + 1))
  bench.onDue = () => {} // scanning the store's copy stays cheap; what rang lies before the horizon
  bench.timers.start()
  t.equal(bench.scans, 1)
  bench.clock.turn(1_000_001)
  t.equal(bench.rang.length, 20_000)
  t.equal(new Set(bench.rang.map(({ row }) => row.key)).size, 20_000, 'each once')
  t.ok(bench.rang.every(({ row, atMs }) => atMs === row.dueAtMs), 'each at its time')
  t.ok(bench.scans <= 22, `${bench.scans} pages were read`)
})

t.test('timers set while later ones are still in the store ring in their order, whichever side of the horizon they are on', async t => {
  const seed = seedOf(t)
  for (let i = 0; i < 20; i++) {
    const chance = chanceOf(seed + i)
    const bench = new Bench()
    bench.stored = Array.from({ length: 2500 }, (_, key) => bench.row(1 + chance.below(5000), key + 1))
    bench.timers.start()
    const all = [...bench.stored]
    for (let set = 0; set < 500; set++) {
      bench.clock.turn(chance.below(20))
      const row = bench.row(bench.clock.nowMs() - START_MS + chance.below(5000), 3000 + set, chance.below(3))
      all.push(row)
      bench.set(row)
    }
    bench.clock.turn(20_000)
    if (!t.same(bench.rang.map(({ row }) => row), all.sort(order), `seed ${seed + i}`)) return
  }
})

t.test('more timers set than are kept in memory: the later ones are left to the store and ring all the same', async t => {
  const bench = new Bench()
  bench.timers.start()
  const rows = Array.from({ length: 25_000 }, (_, i) => ({ dueAtMs: START_MS + 1 + ((i * 7919) % 25_000), key: (i + 1) as RunKey, slot: 0 }))
  const sorted = [...rows].sort(order)
  bench.stored = sorted
  bench.onDue = () => {}
  for (const row of rows) bench.timers.arm(row)
  t.equal(bench.scans, 1, 'nothing was read meanwhile')
  bench.clock.turn(30_000)
  t.same(bench.rang.length, rows.length)
  t.ok(bench.rang.every(({ row }, i) => row === sorted[i]), 'each once, in order')
})

t.test('a timer that is set again just as it rings, for the same instant, rings again', async t => {
  const bench = new Bench()
  bench.stored = Array.from({ length: 1000 }, (_, i) => bench.row(10, i + 1)).concat(bench.row(50_000, 2000))
  bench.timers.start() // the page ends with run 1000: the horizon is that row
  let again = 0
  bench.onDue = row => {
    bench.remove(row)
    if (row.key === 1000 && again++ === 0) bench.set(row) // a retry without a delay
  }
  bench.clock.turn(20)
  t.equal(bench.rang.filter(({ row }) => row.key === 1000).length, 2)
})

t.test('nothing rings after stop()', async t => {
  const bench = new Bench()
  bench.timers.start()
  bench.set(bench.row(10))
  bench.timers.stop()
  bench.clock.turn(100)
  t.same(bench.rang, [])
  t.equal(bench.clock.alarms, 0)
  bench.set(bench.row(5))
  t.equal(bench.clock.alarms, 0)
})

t.test('a clock that is set back only delays: each timer rings once, when the clock says so', async t => {
  const bench = new Bench()
  bench.timers.start()
  bench.set(bench.row(100))
  bench.clock.setBack(1000)
  bench.clock.turn(1099)
  t.same(bench.rang, [])
  bench.clock.turn(1)
  t.equal(bench.rang.length, 1)
})
