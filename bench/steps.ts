/** Durable steps a second by actors per thread, against a bare log with the same commits. */
import type { Troupe } from 'troupe'
import { alternate, withFolder, withTroupe } from './bench.ts'
import type { Bench, Setting } from './bench.ts'
import { Samples } from './figures.ts'
import type { Row } from './figures.ts'
import { BYTES_PER_CHANGE, rawCommitsPerSecond } from './raw.ts'
import { tinySteps } from './fixtures/workflows.ts'

const ACTORS = [1, 8, 64, 256]
const STEPS = 100
/** Runs of a sample: at least so many, and where that is more, as many as have a place, twice over up to the most. */
const FEWEST_RUNS = 32
const MOST_RUNS = 512
const WARM_UP_STEPS = 30

interface Measured {
  readonly stepsPerSecond: number
  readonly stepsPerCommit: number
  readonly changesPerCommit: number
  readonly commits: number
}

export const steps: Bench = {
  name: 'steps',
  title: `durable steps/s by actors per thread (${STEPS} steps a run, results of some 100 bytes), against append + fdatasync of as many bytes per commit`,
  async run(setting) {
    const cases = (setting.quick ? [2] : ACTORS).map(actors => ({ actors, samples: new Samples() }))
    await alternate(setting.rounds, cases.map(({ actors, samples }) => async round => {
      const durable = async (): Promise<void> => {
        setting.progress(`round ${round + 1}, ${actors} actors a thread`)
        const measured = await measure(setting, actors, 'power-loss')
        samples.add('power-loss', measured.stepsPerSecond)
        samples.add('raw', await raw(setting, measured))
        samples.add('steps/commit', measured.stepsPerCommit)
        samples.add('changes/commit', measured.changesPerCommit)
      }
      const kernel = async (): Promise<void> => {
        setting.progress(`round ${round + 1}, ${actors} actors a thread, process-crash`)
        samples.add('process-crash', (await measure(setting, actors, 'process-crash')).stepsPerSecond)
      }
      for (const contestant of round % 2 === 0 ? [durable, kernel] : [kernel, durable]) await contestant()
    }))
    return cases.map(({ actors, samples }): Row => ({
      label: `${setting.threads} threads x ${actors}`,
      unit: 'steps/s',
      series: samples.series('power-loss', 'raw', 'process-crash'),
      ratio: { of: 'power-loss', to: 'raw', ...(actors === 64 && { goal: { atLeast: 0.25 } }) },
      details: { 'steps/commit': samples.median('steps/commit'), 'changes/commit': samples.median('changes/commit') },
    }))
  },
}

async function measure(setting: Setting, actors: number, durability: 'power-loss' | 'process-crash'): Promise<Measured> {
  return withTroupe(setting, { actorsPerThread: actors, durability }, async troupe => {
    const atOnce = actors * setting.threads
    const runs = setting.quick ? atOnce : Math.max(FEWEST_RUNS, atOnce, Math.min(atOnce * 2, MOST_RUNS))
    const stepsPerRun = setting.quick ? 5 : STEPS
    await runAll(troupe, runs, setting.quick ? 1 : WARM_UP_STEPS)
    const before = await troupe.stats()
    const seconds = await runAll(troupe, runs, stepsPerRun)
    const after = await troupe.stats()
    const commits = after.commits.count - before.commits.count
    const done = after.steps.succeeded - before.steps.succeeded
    return {
      stepsPerSecond: done / seconds,
      stepsPerCommit: done / commits,
      changesPerCommit: (after.commits.entries - before.commits.entries) / commits,
      commits,
    }
  })
}

/** Seconds from the first start to the last result. */
async function runAll(troupe: Troupe, runs: number, stepsPerRun: number): Promise<number> {
  const startedMs = performance.now()
  const handles = await troupe.startMany(tinySteps, Array.from({ length: runs }, () => ({ args: [stepsPerRun] as [number] })))
  await Promise.all(handles.map(handle => handle.result()))
  return (performance.now() - startedMs) / 1000
}

/** Steps a second that a bare log takes with the commits of the run just measured. */
async function raw(setting: Setting, { stepsPerCommit, changesPerCommit, commits }: Measured): Promise<number> {
  return withFolder(setting, folder => stepsPerCommit
    * rawCommitsPerSecond(folder, { commits, bytesPerCommit: changesPerCommit * BYTES_PER_CHANGE, mostMs: setting.quick ? 50 : 1500 }))
}
