/** Durable steps a second by actors per thread, against a bare log with the same commits. */
import type { Troupe } from 'troupe'
import { alternate, BARE_LOG, count, DURABLE, IN_KERNEL, withTroupe } from './bench.ts'
import type { Bench, Setting, Work } from './bench.ts'
import { Samples } from './figures.ts'
import type { Row } from './figures.ts'
import { rawFor } from './raw.ts'
import { tinySteps } from './fixtures/workflows.ts'

const ACTORS = [1, 8, 64, 256]
/** Actors a thread while the number of threads changes; the goal is for these on all threads. */
const USUAL_ACTORS = 64
const GOAL = 0.6
const STEPS = 100
/** Runs of a sample: at least so many, and where that is more, as many as have a place, twice over up to the most. */
const FEWEST_RUNS = 32
const MOST_RUNS = 512
/** The same work before it counts: new threads compile their code anew, some hundred thousand steps long. */
const WARM_UP_MS = 3000
/** Whole rounds of runs, until so much time has passed. */
const SAMPLE_MS = 1000

export const steps: Bench = {
  name: 'steps',
  title: `durable steps/s by actors per thread (${STEPS} steps a run, results of some 100 bytes), against append + fdatasync of as many bytes per commit`,
  systems: { 'power-loss': DURABLE, raw: BARE_LOG, 'process-crash': IN_KERNEL },
  async run(setting) {
    const cases = casesOf(setting).map(one => ({ ...one, samples: new Samples() }))
    await alternate(setting.rounds, cases.map(({ threads, actors, samples }) => async round => {
      const durable = async (): Promise<void> => {
        setting.progress(`round ${round + 1}, ${threads} threads x ${actors}`)
        const measured = await measure(setting, threads, actors, 'power-loss')
        samples.add('power-loss', measured.steps / measured.seconds)
        samples.add('raw', await rawFor(setting, measured) * measured.steps / measured.commits)
        samples.add('steps/commit', measured.steps / measured.commits)
        samples.add('changes/commit', measured.changes / measured.commits)
      }
      const kernel = async (): Promise<void> => {
        setting.progress(`round ${round + 1}, ${threads} threads x ${actors}, process-crash`)
        const { steps: done, seconds } = await measure(setting, threads, actors, 'process-crash')
        samples.add('process-crash', done / seconds)
      }
      const contestants = threads === setting.threads ? [durable, kernel] : [durable]
      for (const contestant of round % 2 === 0 ? contestants : [...contestants].reverse()) await contestant()
    }))
    return cases.map(({ threads, actors, samples }): Row => ({
      label: `${threads} ${threads === 1 ? 'thread' : 'threads'} x ${actors}`,
      unit: 'steps/s',
      series: samples.series('power-loss', 'raw', 'process-crash').filter(series => series.samples.length > 0),
      ratio: { of: 'power-loss', to: 'raw', ...(actors === USUAL_ACTORS && threads === setting.threads && { goal: { atLeast: GOAL } }) },
      places: [
        ...threads === setting.threads ? [{ axis: `actors a thread, ${threads} threads`, x: actors }] : [],
        ...actors === USUAL_ACTORS ? [{ axis: `threads, ${actors} actors each`, x: threads }] : [],
      ],
      details: { 'steps/commit': samples.median('steps/commit'), 'changes/commit': samples.median('changes/commit') },
    }))
  },
}

function casesOf({ quick, threads }: Setting): readonly { readonly threads: number, readonly actors: number }[] {
  if (quick) return [{ threads, actors: 2 }]
  const counts = [...new Set([1, Math.ceil(threads / 2), threads * 2])].filter(count => count !== threads)
  return [...ACTORS.map(actors => ({ threads, actors })), ...counts.map(count => ({ threads: count, actors: USUAL_ACTORS }))]
}

async function measure(setting: Setting, threads: number, actors: number, durability: 'power-loss' | 'process-crash'): Promise<Work> {
  return withTroupe(setting, { threads, actorsPerThread: actors, durability }, async troupe => {
    const atOnce = actors * threads
    const runs = setting.quick ? atOnce : Math.max(FEWEST_RUNS, atOnce, Math.min(atOnce * 2, MOST_RUNS))
    const stepsPerRun = setting.quick ? 5 : STEPS
    const runFor = async (ms: number): Promise<void> => {
      const endMs = performance.now() + (setting.quick ? 0 : ms)
      do await runAll(troupe, runs, stepsPerRun)
      while (performance.now() < endMs)
    }
    await runFor(WARM_UP_MS)
    return count(troupe, () => runFor(SAMPLE_MS))
  })
}

async function runAll(troupe: Troupe, runs: number, stepsPerRun: number): Promise<void> {
  const handles = await troupe.startMany(tinySteps, Array.from({ length: runs }, () => ({ args: [stepsPerRun] as [number] })))
  await Promise.all(handles.map(handle => handle.result()))
}
