/** What each worker thread spends on loading the library, before it loads the workflows. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { alternate } from './bench.ts'
import type { Bench, Setting } from './bench.ts'
import { median, Samples } from './figures.ts'

const THREADS = 15
const MODULES = { 'troupe/workflow': 'troupe/workflow', 'an empty module': 'empty.js' }

export const importTime: Bench = {
  name: 'import',
  title: 'import of troupe/workflow in a new worker thread, against that of an empty module',
  systems: { 'troupe/workflow': 'all that a workflow module loads of troupe', 'an empty module': 'what any import costs there' },
  async run(setting) {
    const samples = new Samples()
    await alternate(setting.rounds, Object.entries(MODULES).map(([name, module]) => async round => {
      setting.progress(`round ${round + 1}, ${name}`)
      samples.add(name, await measure(setting, module))
    }))
    return [{ label: 'in a new worker thread', unit: 'ms', series: samples.series(...Object.keys(MODULES)), goals: [{ of: 'troupe/workflow', atMost: 8 }] }]
  },
}

async function measure(setting: Setting, module: string): Promise<number> {
  const took: number[] = []
  for (let i = 0; i < (setting.quick ? 1 : THREADS); i++) {
    const worker = new Worker(new URL('./fixtures/loading.js', import.meta.url), { workerData: module })
    const [ms] = await once(worker, 'message') as [number]
    took.push(ms)
    await worker.terminate()
  }
  return median(took)
}
