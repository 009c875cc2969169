/** The job that durable-workflow systems are often compared by: ten trivial steps a workflow, C workflows in flight. */
import type { Troupe } from 'troupe'
import { alternate, DURABLE, withTroupe } from './bench.ts'
import type { Bench, Setting } from './bench.ts'
import { median, Samples } from './figures.ts'
import type { Row } from './figures.ts'
import { trivialSteps } from './fixtures/workflows.ts'

const IN_FLIGHT = [1, 16, 128]
const STEPS = 10

export const job: Bench = {
  name: 'job',
  title: `${STEPS} trivial steps a workflow, C workflows in flight, each started when one before it has finished`,
  systems: { troupe: DURABLE },
  async run(setting) {
    const cases = (setting.quick ? [2] : IN_FLIGHT).map(inFlight => ({ inFlight, samples: new Samples() }))
    await alternate(setting.rounds, cases.map(({ inFlight, samples }) => async round => {
      setting.progress(`round ${round + 1}, C = ${inFlight}`)
      const { stepsPerSecond, p50Ms } = await measure(setting, inFlight)
      samples.add('troupe', stepsPerSecond)
      samples.add('p50', p50Ms)
    }))
    return cases.flatMap(({ inFlight, samples }): Row[] => [
      { label: `C = ${inFlight}`, unit: 'steps/s', series: samples.series('troupe'), places: [{ axis: 'workflows in flight', x: inFlight }], details: { 'workflows/s': samples.median('troupe') / STEPS } },
      {
        label: `C = ${inFlight}, a workflow's p50`,
        unit: 'ms',
        series: samples.series('p50').map(series => ({ ...series, name: 'troupe' })),
        details: { 'per step': samples.median('p50') / STEPS },
      },
    ])
  },
}

async function measure(setting: Setting, inFlight: number): Promise<{ readonly stepsPerSecond: number, readonly p50Ms: number }> {
  return withTroupe(setting, {}, async troupe => {
    const workflows = setting.quick ? inFlight * 2 : Math.max(300, inFlight * 60)
    await keepInFlight(troupe, inFlight, setting.quick ? inFlight : Math.max(200, inFlight * 30))
    const startedMs = performance.now()
    const took = await keepInFlight(troupe, inFlight, workflows)
    return { stepsPerSecond: workflows * STEPS / (performance.now() - startedMs) * 1000, p50Ms: median(took) }
  })
}

/** Milliseconds from start to result of each workflow. */
async function keepInFlight(troupe: Troupe, inFlight: number, workflows: number): Promise<number[]> {
  const took: number[] = []
  let left = workflows
  await Promise.all(Array.from({ length: inFlight }, async () => {
    while (left-- > 0) {
      const startedMs = performance.now()
      await (await troupe.start(trivialSteps, [STEPS])).result()
      took.push(performance.now() - startedMs)
    }
  }))
  return took
}
