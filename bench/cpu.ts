/** Steps that compute, on 1 to all threads, against bare Piscina with the same function. */
import { Piscina } from 'piscina'
import { alternate, DURABLE, withTroupe } from './bench.ts'
import type { Bench, Setting } from './bench.ts'
import { iterationsPerMs } from './busy-rate.ts'
import { Samples } from './figures.ts'
import type { Row } from './figures.ts'
import { computing } from './fixtures/workflows.ts'

const STEP_MS = [1, 10, 50]
/** On all threads, by the milliseconds of a step. */
const GOALS: Readonly<Record<number, number | undefined>> = { 1: 0.85, 10: 0.99 }
const RUNS_PER_THREAD = 8
/** Seconds that a sample takes at best. */
const SAMPLE_SECONDS = 2

interface Load {
  readonly threads: number
  readonly runs: number
  readonly stepsPerRun: number
  readonly iterations: number
}

export const cpu: Bench = {
  name: 'cpu',
  title: 'CPU-bound steps/s with default options, against bare Piscina with the same function and nothing durable',
  systems: { troupe: DURABLE, Piscina: 'bare Piscina: the same function as often, nothing is kept' },
  async run(setting) {
    const perMs = iterationsPerMs(setting.quick)
    const counts = setting.quick ? [setting.threads] : [...new Set([1, setting.threads])]
    const cases = counts.flatMap(threads => (setting.quick ? [1] : STEP_MS).map(stepMs => {
      const runs = setting.quick ? 2 : RUNS_PER_THREAD * threads
      const stepsPerRun = setting.quick ? 2 : Math.max(1, Math.round(SAMPLE_SECONDS * 1000 / stepMs / RUNS_PER_THREAD))
      return { stepMs, samples: new Samples(), load: { threads, runs, stepsPerRun, iterations: Math.round(perMs * stepMs) } }
    }))
    await alternate(setting.rounds, cases.flatMap(({ stepMs, load, samples }) => [
      async (round: number) => {
        setting.progress(`round ${round + 1}, ${stepMs} ms on ${load.threads} threads, troupe`)
        samples.add('troupe', await onTroupe(setting, load))
      },
      async (round: number) => {
        setting.progress(`round ${round + 1}, ${stepMs} ms on ${load.threads} threads, Piscina`)
        samples.add('Piscina', await onPiscina(load))
      },
    ]))
    return cases.map(({ stepMs, load, samples }): Row => ({
      label: `${stepMs} ms on ${load.threads} ${load.threads === 1 ? 'thread' : 'threads'}`,
      unit: 'steps/s',
      series: samples.series('troupe', 'Piscina'),
      ratio: { of: 'troupe', to: 'Piscina', ...(load.threads === setting.threads && GOALS[stepMs] !== undefined && { goal: { atLeast: GOALS[stepMs] } }) },
      places: [{ axis: `milliseconds a step, ${load.threads} ${load.threads === 1 ? 'thread' : 'threads'}`, x: stepMs }],
      details: { 'of ideal %': samples.median('troupe') * stepMs / load.threads / 10 },
    }))
  },
}

async function onTroupe(setting: Setting, load: Load): Promise<number> {
  return withTroupe(setting, { threads: load.threads }, async troupe => {
    const run = async (runs: number, stepsPerRun: number): Promise<void> => {
      const args: [number, number] = [stepsPerRun, load.iterations]
      const handles = await troupe.startMany(computing, Array.from({ length: runs }, () => ({ args })))
      await Promise.all(handles.map(handle => handle.result()))
    }
    // As it is measured: with one run a thread other code becomes warm.
    await run(load.runs, load.stepsPerRun)
    const startedMs = performance.now()
    await run(load.runs, load.stepsPerRun)
    return load.runs * load.stepsPerRun / (performance.now() - startedMs) * 1000
  })
}

async function onPiscina(load: Load): Promise<number> {
  const pool = new Piscina({
    filename: new URL('./fixtures/busy.js', import.meta.url).href, name: 'busy', minThreads: load.threads, maxThreads: load.threads,
  })
  try {
    const run = async (tasks: number): Promise<void> => {
      await Promise.all(Array.from({ length: tasks }, () => pool.run(load.iterations)))
    }
    await run(load.runs * load.stepsPerRun)
    const startedMs = performance.now()
    await run(load.runs * load.stepsPerRun)
    return load.runs * load.stepsPerRun / (performance.now() - startedMs) * 1000
  } finally {
    await pool.destroy()
  }
}
