/** Whether troupe slows down as its store fills. */
import { Troupe } from 'troupe'
import { alternate, count, DURABLE, withFolder, WORKFLOWS } from './bench.ts'
import type { Bench, Setting } from './bench.ts'
import { Samples } from './figures.ts'
import { manySteps, tinySteps } from './fixtures/workflows.ts'

const ACTORS = 64
const STEPS = 100
const STEPS_A_RUN = 500
const RUNS_AT_ONCE = 40

export const store: Bench = {
  name: 'store',
  title: 'durable steps/s in a store with many records (journal entries of some 100 bytes, --records), against a new one',
  systems: { full: DURABLE, empty: DURABLE },
  async run(setting) {
    const samples = new Samples()
    let bytes = 0
    await withFolder(setting, async full => {
      await fill(setting, full)
      await alternate(setting.rounds, [
        async round => {
          setting.progress(`round ${round + 1}, full`)
          bytes = await measure(setting, full, samples, 'full')
        },
        async round => {
          setting.progress(`round ${round + 1}, empty`)
          await withFolder(setting, async folder => { await measure(setting, folder, samples, 'empty') })
        },
      ])
    })
    return [{
      label: `${recordsOf(setting).toLocaleString('en')} records`,
      unit: 'steps/s',
      series: samples.series('full', 'empty'),
      ratio: { of: 'full', to: 'empty', goal: { atLeast: 0.8 } },
      details: { 'MB full': bytes / 1e6 },
    }]
  },
}

function recordsOf({ quick, records }: Setting): number {
  return quick ? 100 : records
}

async function fill(setting: Setting, folder: string): Promise<void> {
  const troupe = await Troupe.open({ store: folder, workflows: WORKFLOWS, threads: setting.threads, durability: 'process-crash' })
  try {
    for (let left = recordsOf(setting); left > 0;) {
      setting.progress(`filling, ${left.toLocaleString('en')} records left`)
      const steps = Math.min(STEPS_A_RUN, left)
      const runs = Math.min(RUNS_AT_ONCE, Math.ceil(left / steps))
      const handles = await troupe.startMany(manySteps, Array.from({ length: runs }, () => ({ args: [steps] as [number] })))
      await Promise.all(handles.map(handle => handle.result()))
      left -= runs * steps
    }
  } finally {
    await troupe.close({ mode: 'abandon' })
  }
}

/** Bytes of the store afterwards. */
async function measure(setting: Setting, folder: string, samples: Samples, name: string): Promise<number> {
  const troupe = await Troupe.open({ store: folder, workflows: WORKFLOWS, threads: setting.threads, actorsPerThread: ACTORS })
  try {
    const run = async (steps: number): Promise<void> => {
      const handles = await troupe.startMany(tinySteps, Array.from({ length: setting.quick ? 2 : ACTORS * setting.threads * 2 }, () => ({ args: [steps] as [number] })))
      await Promise.all(handles.map(handle => handle.result()))
    }
    await run(setting.quick ? 1 : 30)
    const work = await count(troupe, () => run(setting.quick ? 3 : STEPS))
    samples.add(name, work.steps / work.seconds)
    return (await troupe.stats()).storeBytes
  } finally {
    await troupe.close({ mode: 'abandon' })
  }
}
