/** Sleeps that are due close together: how late each run is at work again, and how many wake in a second. */
import { alternate, DURABLE, fewRounds, withTroupe } from './bench.ts'
import type { Bench, Setting } from './bench.ts'
import { quantile, Samples } from './figures.ts'
import type { Row } from './figures.ts'
import { sleepingUntil } from './fixtures/workflows.ts'

const PAGE = 2000
const SECONDS = 5
/** Runs that begin to sleep in a second, with a good margin: none may be due before all of them sleep. */
const SLOWEST_PER_SECOND = 2500

export const timers: Bench = {
  name: 'timers',
  title: `sleeps that are due over ${SECONDS} s: by how much each run is late, and how many of them wake and end in a second`,
  systems: { p50: DURABLE, p99: DURABLE },
  async run(setting) {
    const cases = (setting.quick ? [5] : [...new Set([1000, 10_000, setting.sleeping])]).map(sleeping => ({ sleeping, samples: new Samples() }))
    await alternate(fewRounds(setting, 2), cases.map(({ sleeping, samples }) => async round => {
      setting.progress(`round ${round + 1}, ${sleeping} sleeping`)
      await measure(setting, sleeping, samples)
    }))
    return cases.map(({ sleeping, samples }): Row => ({
      label: `${sleeping} sleeping`,
      unit: 'ms late',
      series: samples.series('p50', 'p99'),
      places: [{ axis: 'runs due over 5 s', x: sleeping }],
      details: { 'runs/s': samples.median('runs/s') },
    }))
  },
}

async function measure(setting: Setting, sleeping: number, samples: Samples): Promise<void> {
  await withTroupe(setting, { durability: 'power-loss' }, async troupe => {
    const before = (await troupe.stats()).runs.succeeded
    const overMs = setting.quick ? 50 : SECONDS * 1000
    const firstMs = Date.now() + (setting.quick ? 50 : 1000 + sleeping / SLOWEST_PER_SECOND * 1000)
    const dueMs = (index: number): number => firstMs + index / sleeping * overMs
    for (let from = 0; from < sleeping; from += PAGE) {
      const length = Math.min(PAGE, sleeping - from)
      await troupe.startMany(sleepingUntil, Array.from({ length }, (_, index) => ({ args: [dueMs(from + index)] as [number] })))
    }
    const isOver = async (): Promise<boolean> => (await troupe.stats()).runs.succeeded - before >= sleeping
    while (!await isOver()) await new Promise(resolve => setTimeout(resolve, setting.quick ? 10 : 100))
    const late: number[] = []
    let lastMs = firstMs
    for await (const { result, finishedAt } of troupe.list({ workflow: sleepingUntil.workflowName, values: true })) {
      late.push(Math.max(0.001, result as number))
      lastMs = Math.max(lastMs, finishedAt?.getTime() ?? 0)
    }
    samples.add('p50', quantile(late, 0.5))
    samples.add('p99', quantile(late, 0.99))
    samples.add('runs/s', sleeping / Math.max(1, lastMs - firstMs) * 1000)
  })
}
