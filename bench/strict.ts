/** What durability itself costs: the same path, saturated, with a store that keeps everything on disk and with one that is memory only. */
import type { Troupe } from 'troupe'
import { alternate, DURABLE, withTroupe } from './bench.ts'
import type { Bench, Setting } from './bench.ts'
import { Samples } from './figures.ts'
import { openWithoutStore } from './fixtures/no-store.ts'
import { tinySteps } from './fixtures/workflows.ts'

const ACTORS = 256
const STEPS = 100

export const strict: Bench = {
  name: 'strict',
  title: `saturated (${ACTORS} actors a thread, ${STEPS} steps a run): every step flushed before its run goes on, against the same path with no file at all`,
  systems: { strict: DURABLE, 'no store': 'the same threads and messages over a store in memory: nothing survives the process' },
  async run(setting) {
    const samples = new Samples()
    await alternate(setting.rounds, [
      async round => {
        setting.progress(`round ${round + 1}, strict`)
        samples.add('strict', await withTroupe(setting, { actorsPerThread: ACTORS }, troupe => measure(setting, troupe)))
      },
      async round => {
        setting.progress(`round ${round + 1}, no store`)
        const troupe = await openWithoutStore({ store: setting.folder, threads: setting.threads, actorsPerThread: ACTORS })
        try {
          samples.add('no store', await measure(setting, troupe))
        } finally {
          await troupe.close({ mode: 'abandon' })
        }
      },
    ])
    return [{
      label: `${setting.threads} threads x ${ACTORS}`,
      unit: 'steps/s',
      series: samples.series('strict', 'no store'),
      ratio: { of: 'strict', to: 'no store', goal: { atLeast: 0.5 } },
    }]
  },
}

async function measure(setting: Setting, troupe: Troupe): Promise<number> {
  const runs = setting.quick ? 2 : ACTORS * setting.threads
  const run = async (steps: number): Promise<void> => {
    const handles = await troupe.startMany(tinySteps, Array.from({ length: runs }, () => ({ args: [steps] as [number] })))
    await Promise.all(handles.map(handle => handle.result()))
  }
  await run(setting.quick ? 1 : 30)
  const startedMs = performance.now()
  await run(setting.quick ? 3 : STEPS)
  return runs * (setting.quick ? 3 : STEPS) / (performance.now() - startedMs) * 1000
}
