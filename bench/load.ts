/** How long a step takes when many runs are at work. */
import type { Troupe } from 'troupe'
import { alternate, DURABLE, withTroupe } from './bench.ts'
import type { Bench, Setting } from './bench.ts'
import { quantile, Samples } from './figures.ts'
import type { Row } from './figures.ts'
import { timedSteps } from './fixtures/workflows.ts'

const IN_FLIGHT = [1, 16, 64, 256, 1024]
const SHARES = { p50: 0.5, p99: 0.99, 'p99.9': 0.999 }
/** Steps of a sample: a thousand times the last share, twice over, where there are runs enough. */
const STEPS = 20_000
const MOST_STEPS_A_RUN = 400

export const load: Bench = {
  name: 'load',
  title: 'how long a step takes, seen by the code that awaits it, by runs at work',
  systems: { p50: DURABLE, p99: DURABLE, 'p99.9': DURABLE },
  async run(setting) {
    const cases = (setting.quick ? [2] : IN_FLIGHT).map(inFlight => ({ inFlight, samples: new Samples() }))
    await alternate(setting.rounds, cases.map(({ inFlight, samples }) => async round => {
      setting.progress(`round ${round + 1}, ${inFlight} runs`)
      const actorsPerThread = Math.max(64, Math.ceil(inFlight / setting.threads))
      await withTroupe(setting, { actorsPerThread }, async troupe => {
        const took = await measure(setting, troupe, inFlight)
        for (const [name, share] of Object.entries(SHARES)) samples.add(name, quantile(took.ms, share))
        samples.add('steps/s', took.ms.length / took.seconds)
      })
    }))
    return cases.map(({ inFlight, samples }): Row => ({
      label: `${inFlight} ${inFlight === 1 ? 'run' : 'runs'}`,
      unit: 'ms',
      series: samples.series(...Object.keys(SHARES)),
      places: [{ axis: 'runs at work', x: inFlight }],
      details: { 'steps/s': samples.median('steps/s') },
    }))
  },
}

async function measure(setting: Setting, troupe: Troupe, inFlight: number): Promise<{ readonly ms: readonly number[], readonly seconds: number }> {
  const stepsPerRun = setting.quick ? 3 : Math.ceil(Math.min(MOST_STEPS_A_RUN, STEPS / inFlight))
  const run = async (steps: number): Promise<number[]> => {
    const handles = await troupe.startMany(timedSteps, Array.from({ length: inFlight }, () => ({ args: [steps] as [number] })))
    return (await Promise.all(handles.map(handle => handle.result()))).flat()
  }
  await run(setting.quick ? 1 : 30)
  const startedMs = performance.now()
  const ms = await run(stepsPerRun)
  return { ms, seconds: (performance.now() - startedMs) / 1000 }
}
