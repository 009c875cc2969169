/** Listing and pruning: how many runs a second, and whether the host notices. */
import type { Troupe } from 'troupe'
import { alternate, fewRounds, IN_KERNEL, withTroupe } from './bench.ts'
import type { Bench } from './bench.ts'
import { Samples } from './figures.ts'
import type { Row } from './figures.ts'
import { loopDelayDuring } from './loop-delay.ts'
import { oneStep } from './fixtures/workflows.ts'

const RUNS = 30_000
const PAGE = 2000
const WORST_MS = 50

const WORKS: Readonly<Record<string, (troupe: Troupe) => Promise<number>>> = {
  'list()': troupe => listAll(troupe, false),
  'list({ values: true })': troupe => listAll(troupe, true),
  'prune()': async troupe => (await troupe.prune({ finishedBefore: new Date() })).runs,
}

export const upkeep: Bench = {
  name: 'upkeep',
  title: `listing and pruning of ${RUNS} finished runs: runs/s, and how late the host's event loop was meanwhile`,
  systems: { troupe: IN_KERNEL },
  async run(setting) {
    const rates = new Samples()
    const delays = new Samples()
    await alternate(fewRounds(setting, 3), [async round => {
      setting.progress(`round ${round + 1}, filling`)
      await withTroupe(setting, { durability: 'process-crash' }, async troupe => {
        const runs = setting.quick ? 10 : RUNS
        await fill(troupe, runs)
        for (const [name, work] of Object.entries(WORKS)) {
          setting.progress(`round ${round + 1}, ${name}`)
          let done = 0
          let ms = 0
          const { worst } = await loopDelayDuring(async () => {
            const startedMs = performance.now()
            done = await work(troupe)
            ms = performance.now() - startedMs
          })
          if (done < runs) throw new Error(`${name} saw ${done} of ${runs} runs`)
          rates.add(name, done / ms * 1000)
          delays.add(name, worst)
        }
      })
    }])
    const alone = (samples: Samples, name: string) => samples.series(name).map(series => ({ ...series, name: 'troupe' }))
    return Object.keys(WORKS).flatMap((name): Row[] => [
      { label: name, unit: 'runs/s', series: alone(rates, name) },
      { label: `${name}, longest block of the host's loop`, unit: 'ms', series: alone(delays, name), goals: [{ of: 'troupe', atMost: WORST_MS }] },
    ])
  },
}

async function fill(troupe: Troupe, runs: number): Promise<void> {
  for (let left = runs; left > 0; left -= PAGE) {
    const handles = await troupe.startMany(oneStep, Array.from({ length: Math.min(left, PAGE) }, (_, index) => ({ args: [index] as [number] })))
    await Promise.all(handles.map(handle => handle.result()))
  }
}

async function listAll(troupe: Troupe, values: boolean): Promise<number> {
  let seen = 0
  for await (const { id } of troupe.list({ values })) if (id !== '') seen++
  return seen
}
