/** How long one run alone takes: start to result, and each of its steps. */
import type { Troupe } from 'troupe'
import { alternate, DURABLE, withFolder, withTroupe } from './bench.ts'
import type { Bench, Setting } from './bench.ts'
import { median, quantile, Samples } from './figures.ts'
import { BYTES_PER_CHANGE, Echo, RawLog } from './raw.ts'
import { oneStep, timedSteps } from './fixtures/workflows.ts'

const RUNS = 300
const STEPS = 200
const WARM_UP = 50

export const latency: Bench = {
  name: 'latency',
  title: 'one run at a time: start to result, and one step against (append + fdatasync, then one round trip over a port)',
  systems: { troupe: DURABLE, raw: 'append and fdatasync of one record, then one round trip to a thread over a port' },
  async run(setting) {
    const samples = new Samples()
    await withTroupe(setting, {}, async troupe => {
      await startToResult(troupe, setting.quick ? 2 : WARM_UP)
      await (await troupe.start(timedSteps, [setting.quick ? 5 : STEPS])).result()
      await alternate(setting.rounds, [
        async round => {
          setting.progress(`round ${round + 1}, start to result`)
          const took = await startToResult(troupe, setting.quick ? 5 : RUNS)
          samples.add('start to result p50', median(took))
          samples.add('start to result p99', quantile(took, 0.99))
        },
        async round => {
          setting.progress(`round ${round + 1}, steps`)
          samples.add('step p50', median(await (await troupe.start(timedSteps, [setting.quick ? 10 : STEPS])).result()))
        },
        async round => {
          setting.progress(`round ${round + 1}, fdatasync and round trip`)
          const { syncMs, roundTripMs } = await rawLatency(setting)
          samples.add('fdatasync', syncMs)
          samples.add('round trip', roundTripMs)
          samples.add('raw', syncMs + roundTripMs)
        },
      ])
    })
    const named = (name: string, as: string) => samples.series(name).map(({ samples: values }) => ({ name: as, samples: values }))
    return [
      { label: 'start to result, p50', unit: 'ms', series: named('start to result p50', 'troupe') },
      { label: 'start to result, p99', unit: 'ms', series: named('start to result p99', 'troupe') },
      {
        label: 'one step, p50',
        unit: 'ms',
        series: [...named('step p50', 'troupe'), ...named('raw', 'raw')],
        ratio: { of: 'troupe', to: 'raw', goal: { atMost: 2 } },
        details: { fdatasync: samples.median('fdatasync'), 'round trip': samples.median('round trip') },
      },
    ]
  },
}

async function startToResult(troupe: Troupe, runs: number): Promise<number[]> {
  const took: number[] = []
  for (let i = 0; i < runs; i++) {
    const startedMs = performance.now()
    await (await troupe.start(oneStep, [i])).result()
    took.push(performance.now() - startedMs)
  }
  return took
}

/** Medians of both, taken in turns as a step does. */
async function rawLatency(setting: Setting): Promise<{ readonly syncMs: number, readonly roundTripMs: number }> {
  return withFolder(setting, async folder => {
    const sync: number[] = []
    const trip: number[] = []
    using log = new RawLog(folder, BYTES_PER_CHANGE)
    await using echo = new Echo()
    await echo.roundTrip()
    for (let i = 0; i < (setting.quick ? 5 : STEPS + WARM_UP); i++) {
      const startedMs = performance.now()
      log.commit()
      const syncedMs = performance.now()
      await echo.roundTrip()
      sync.push(syncedMs - startedMs)
      trip.push(performance.now() - syncedMs)
    }
    const warm = setting.quick ? 0 : WARM_UP
    return { syncMs: median(sync.slice(warm)), roundTripMs: median(trip.slice(warm)) }
  })
}
