/** Starting runs: one after the other, several at once, and very many in one call. */
import type { Troupe } from 'troupe'
import { alternate, BARE_LOG, count, DURABLE, fewRounds, withTroupe } from './bench.ts'
import type { Bench, Setting } from './bench.ts'
import { quantile, Samples } from './figures.ts'
import type { Row } from './figures.ts'
import { loopDelayDuring } from './loop-delay.ts'
import { BYTES_PER_CHANGE, rawFor } from './raw.ts'
import { oneStep } from './fixtures/workflows.ts'

const AT_ONCE = [1, 16, 128]
const STARTS = 600
const MANY = 100_000
/** A start writes its run's record, and its place in three indexes. */
const BYTES_PER_START = 2 * BYTES_PER_CHANGE

export const starts: Bench = {
  name: 'starts',
  title: 'starts a second by how many are under way at once, each run of one step carried out meanwhile; and startMany() of very many',
  systems: { troupe: DURABLE, raw: BARE_LOG },
  async run(setting) {
    const cases = (setting.quick ? [2] : AT_ONCE).map(atOnce => ({ atOnce, samples: new Samples() }))
    await alternate(setting.rounds, cases.map(({ atOnce, samples }) => async round => {
      setting.progress(`round ${round + 1}, ${atOnce} at once`)
      await measure(setting, atOnce, samples)
    }))
    const many = new Samples()
    await alternate(fewRounds(setting, 3), [async round => {
      setting.progress(`round ${round + 1}, startMany`)
      await measureMany(setting, many)
    }])
    const runs = manyOf(setting)
    const alone = (name: string) => many.series(name).map(series => ({ ...series, name: 'troupe' }))
    return [
      ...cases.map(({ atOnce, samples }): Row => ({
        label: `start(), ${atOnce} at once`,
        unit: 'starts/s',
        series: samples.series('troupe', 'raw'),
        ratio: { of: 'troupe', to: 'raw' },
        places: [{ axis: 'starts under way at once', x: atOnce }],
        details: { 'p50 ms': samples.median('p50'), 'p99 ms': samples.median('p99') },
      })),
      { label: `startMany() of ${runs}`, unit: 's', series: alone('seconds'), goals: [{ of: 'troupe', atMost: 3 }] },
      { label: 'longest block of the host\'s loop meanwhile', unit: 'ms', series: alone('worst'), goals: [{ of: 'troupe', atMost: 50 }] },
    ]
  },
}

function manyOf({ quick }: Setting): number {
  return quick ? 50 : MANY
}

async function measure(setting: Setting, atOnce: number, samples: Samples): Promise<void> {
  await withTroupe(setting, {}, async troupe => {
    const all = setting.quick ? 4 : Math.max(STARTS, atOnce * 20)
    await startAll(troupe, atOnce, setting.quick ? 1 : Math.max(100, atOnce * 4))
    let took: number[] = []
    const work = await count(troupe, async () => { took = await startAll(troupe, atOnce, all) })
    samples.add('troupe', all / work.seconds)
    samples.add('raw', await rawFor(setting, { ...work, changes: all }, BYTES_PER_START) * all / Math.max(1, work.commits))
    samples.add('p50', quantile(took, 0.5))
    samples.add('p99', quantile(took, 0.99))
  })
}

/** Milliseconds that each start() took to resolve. */
async function startAll(troupe: Troupe, atOnce: number, all: number): Promise<number[]> {
  const took: number[] = []
  let left = all
  await Promise.all(Array.from({ length: atOnce }, async () => {
    while (left-- > 0) {
      const startedMs = performance.now()
      await troupe.start(oneStep, [left])
      took.push(performance.now() - startedMs)
    }
  }))
  return took
}

async function measureMany(setting: Setting, samples: Samples): Promise<void> {
  await withTroupe(setting, {}, async troupe => {
    await troupe.startMany(oneStep, [{ args: [0] }])
    const runs = Array.from({ length: manyOf(setting) }, (_, index) => ({ args: [index] as [number] }))
    let seconds = 0
    const { worst } = await loopDelayDuring(async () => {
      const startedMs = performance.now()
      await troupe.startMany(oneStep, runs)
      seconds = (performance.now() - startedMs) / 1000
    })
    samples.add('seconds', seconds)
    samples.add('worst', worst)
  })
}
