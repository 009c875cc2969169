/** Whether the host's event loop is held up while its workers are as busy as they can be. */
import { Worker } from 'node:worker_threads'
import { alternate, withTroupe } from './bench.ts'
import type { Bench, Setting } from './bench.ts'
import { Samples } from './figures.ts'
import type { LoopDelay } from './loop-delay.ts'
import { loopDelayDuring } from './loop-delay.ts'
import { trivialSteps } from './fixtures/workflows.ts'

const IN_FLIGHT_PER_THREAD = 64
const STEPS = 10
const SAMPLE_MS = 3000

export const hostDelay: Bench = {
  name: 'host-delay',
  title: `how late the host's event loop is while it keeps ${IN_FLIGHT_PER_THREAD} workflows a thread in flight, against bare threads that only compute`,
  systems: {
    troupe: 'the host starts workflows of ten steps and takes their results, as many as all threads can do',
    'bare threads': 'as many threads compute as a Troupe has, and the host does nothing: what the machine\'s scheduling costs',
  },
  async run(setting) {
    const samples = new Samples()
    const take = (name: string, { p50, p99, worst }: LoopDelay): void => {
      for (const [figure, ms] of Object.entries({ p50, p99, worst })) samples.add(`${figure} ${name}`, ms)
    }
    await alternate(setting.rounds, [
      async round => {
        setting.progress(`round ${round + 1}, troupe`)
        take('troupe', await underLoad(setting))
      },
      async round => {
        setting.progress(`round ${round + 1}, bare threads`)
        take('bare threads', await besideBareThreads(setting))
      },
    ])
    const goals: Readonly<Record<string, number | undefined>> = { p99: 5, worst: 50 }
    return ['p50', 'p99', 'worst'].map(figure => ({
      label: figure,
      unit: 'ms late',
      series: ['troupe', 'bare threads'].flatMap(name => samples.series(`${figure} ${name}`).map(series => ({ ...series, name }))),
      ...(goals[figure] !== undefined && { goals: [{ of: 'troupe', atMost: goals[figure] }] }),
    }))
  },
}

async function underLoad(setting: Setting): Promise<LoopDelay> {
  return withTroupe(setting, {}, async troupe => {
    const keepBusy = async (untilMs: number): Promise<void> => {
      await Promise.all(Array.from({ length: setting.quick ? 2 : IN_FLIGHT_PER_THREAD * setting.threads }, async () => {
        do await (await troupe.start(trivialSteps, [STEPS])).result()
        while (performance.now() < untilMs)
      }))
    }
    await keepBusy(performance.now() + (setting.quick ? 0 : 1000))
    return loopDelayDuring(() => keepBusy(performance.now() + (setting.quick ? 20 : SAMPLE_MS)))
  })
}

async function besideBareThreads(setting: Setting): Promise<LoopDelay> {
  // One for each worker thread, and one for the supervisor's.
  const threads = Array.from({ length: setting.threads + 1 }, () => new Worker(new URL('./fixtures/burning.js', import.meta.url)))
  await Promise.all(threads.map(thread => new Promise(resolve => { thread.once('message', resolve) })))
  const delay = await loopDelayDuring(() => new Promise(resolve => setTimeout(resolve, setting.quick ? 20 : SAMPLE_MS)))
  await Promise.all(threads.map(thread => thread.terminate()))
  return delay
}
