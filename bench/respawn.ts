/** How soon a run works again whose thread has ended under it. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Troupe } from 'troupe'
import { alternate, withFolder, withTroupe } from './bench.ts'
import type { Bench, Setting } from './bench.ts'
import { median, Samples } from './figures.ts'
import { dying } from './fixtures/workflows.ts'

const DEATHS = 10
const SILENT = { debug() {}, info() {}, warn() {}, error() {} }

export const respawn: Bench = {
  name: 'respawn',
  title: 'from the end of a thread (process.exit in the workflow) until its run is at work again',
  systems: {
    troupe: 'troupe: from process.exit() to the first line of the next life, its journal replayed',
    'bare thread': 'a worker that ends, another that is started then and loads the same modules',
  },
  async run(setting) {
    const samples = new Samples()
    const measureOn = (name: string, threads: number) => async (round: number): Promise<void> => {
      setting.progress(`round ${round + 1}, ${name}`)
      await withTroupe(setting, { threads, logger: SILENT }, async troupe => { samples.add(name, await die(setting, troupe)) })
    }
    await alternate(setting.rounds, [
      measureOn('alone', 1),
      measureOn('not alone', Math.max(2, setting.threads)),
      async round => {
        setting.progress(`round ${round + 1}, bare thread`)
        samples.add('bare', await bare(setting))
      },
    ])
    const named = (name: string, as: string) => samples.series(name).map(series => ({ ...series, name: as }))
    return [
      { label: 'its thread was the only one', unit: 'ms', series: [...named('alone', 'troupe'), ...named('bare', 'bare thread')], ratio: { of: 'troupe', to: 'bare thread' } },
      { label: 'there is another thread', unit: 'ms', series: named('not alone', 'troupe') },
    ]
  },
}

async function die(setting: Setting, troupe: Troupe): Promise<number> {
  return withFolder(setting, async folder => {
    const took: number[] = []
    for (let i = 0; i < (setting.quick ? 1 : DEATHS); i++) {
      const file = join(folder, String(i))
      const aliveAt = await (await troupe.start(dying, [file])).result()
      took.push(Number(aliveAt - BigInt(readFileSync(file, 'utf8'))) / 1e6)
    }
    return median(took)
  })
}

async function bare(setting: Setting): Promise<number> {
  const took: number[] = []
  const start = (): Worker => new Worker(new URL('./fixtures/loading.js', import.meta.url), { workerData: 'workflows.js' })
  for (let i = 0; i < (setting.quick ? 1 : DEATHS); i++) {
    const dying = start()
    await once(dying, 'message')
    const startedMs = performance.now()
    dying.postMessage('end')
    await once(dying, 'exit')
    const next = start()
    await once(next, 'message')
    took.push(performance.now() - startedMs)
    await next.terminate()
  }
  return median(took)
}
