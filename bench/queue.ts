/** What a queue's bounds cost: the same runs in no queue, in one with a bound, and in one with a bound for each key. */
import type { StartOptions } from 'troupe'
import { alternate, DURABLE, withTroupe } from './bench.ts'
import type { Bench, Setting } from './bench.ts'
import { Samples } from './figures.ts'
import { oneStep } from './fixtures/workflows.ts'

const RUNS = 6000
const CONCURRENCY = 100
const KEYS = 50

const WAYS: Readonly<Record<string, (index: number) => StartOptions>> = {
  'no queue': () => ({}),
  'queue': () => ({ queue: 'bounded' }),
  'queue with keys': index => ({ queue: 'keyed', queueKey: String(index % KEYS) }),
}

export const queue: Bench = {
  name: 'queue',
  title: `runs/s of one step each: in no queue, in one that bounds them to ${CONCURRENCY} at once, and in one with ${KEYS} keys, bounded to 2 each`,
  systems: Object.fromEntries(Object.keys(WAYS).map(name => [name, DURABLE])),
  async run(setting) {
    const samples = new Samples()
    await alternate(setting.rounds, Object.entries(WAYS).map(([name, options]) => async round => {
      setting.progress(`round ${round + 1}, ${name}`)
      samples.add(name, await measure(setting, options))
    }))
    return [{ label: `${runsOf(setting)} runs`, unit: 'runs/s', series: samples.series(...Object.keys(WAYS)), ratio: { of: 'queue', to: 'no queue' } }]
  },
}

function runsOf({ quick }: Setting): number {
  return quick ? 8 : RUNS
}

async function measure(setting: Setting, options: (index: number) => StartOptions): Promise<number> {
  return withTroupe(setting, {}, async troupe => {
    await troupe.setQueue('bounded', { concurrency: CONCURRENCY })
    await troupe.setQueue('keyed', { keyConcurrency: CONCURRENCY / KEYS })
    const run = async (runs: number): Promise<void> => {
      const handles = await troupe.startMany(oneStep, Array.from({ length: runs }, (_, index) => ({ args: [index] as [number], options: options(index) })))
      await Promise.all(handles.map(handle => handle.result()))
    }
    await run(Math.ceil(runsOf(setting) / 5))
    const startedMs = performance.now()
    await run(runsOf(setting))
    return runsOf(setting) / (performance.now() - startedMs) * 1000
  })
}
