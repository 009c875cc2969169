/** Runs that compute among runs that wait: whether the default options do as well as the best that can be set by hand. */
import type { TroupeOptions } from 'troupe'
import { alternate, withTroupe } from './bench.ts'
import type { Bench, Setting } from './bench.ts'
import { iterationsPerMs } from './busy-rate.ts'
import { Samples } from './figures.ts'
import type { Row } from './figures.ts'
import { computeOrWait } from './fixtures/workflows.ts'

const MS = 50
const RUNS_PER_THREAD = 40
const STEPS = 2
const TUNED: readonly Partial<TroupeOptions>[] = [4, 16, 256].map(actorsPerThread => ({ actorsPerThread }))

type Kind = 'computes' | 'waits'

/** Orders in which the two kinds may come. */
const ORDERS: Readonly<Record<string, (index: number, runs: number) => Kind>> = {
  'in turns': index => index % 2 === 0 ? 'computes' : 'waits',
  'mixed up': index => (index * 0x9e37_79b1 >>> 16) % 2 === 0 ? 'computes' : 'waits',
  'those that compute first': (index, runs) => index < runs / 2 ? 'computes' : 'waits',
  'those that wait first': (index, runs) => index >= runs / 2 ? 'computes' : 'waits',
}


export const mixed: Bench = {
  name: 'mixed',
  title: `runs of ${STEPS} steps, half of which compute for ${MS} ms and half wait for ${MS} ms: default options against the best of ${TUNED.length} set by hand`,
  systems: {
    default: 'no option set', 'by hand': `the best of actorsPerThread ${TUNED.map(({ actorsPerThread }) => String(actorsPerThread)).join(', ')}`, 'the cores': 'as many as the computing alone allows',
  },
  async run(setting) {
    const perMs = iterationsPerMs(setting.quick)
    const orders = Object.entries(ORDERS).slice(0, setting.quick ? 1 : 4)
    const cases = orders.map(([label, kind]) => ({ label, kind, samples: new Samples() }))
    await alternate(setting.rounds, cases.flatMap(({ label, kind, samples }) => [{}, ...setting.quick ? TUNED.slice(1, 2) : TUNED].map(options => async (round: number) => {
      const name = options.actorsPerThread === undefined ? 'default' : `${options.actorsPerThread} a thread`
      setting.progress(`round ${round + 1}, ${label}, ${name}`)
      samples.add(name, await measure(setting, options, kind, perMs))
    })))
    return cases.map(({ label, samples }): Row => {
      const byHand = samples.names.filter(name => name !== 'default')
      const best = byHand.reduce((a, b) => samples.median(b) > samples.median(a) ? b : a)
      const { runs, computing } = counts(setting, ORDERS[label]!)
      const ideal = setting.quick ? 1 : runs / (computing * STEPS * MS / setting.threads) * 1000
      return {
        label,
        unit: 'runs/s',
        series: [
          ...samples.series('default'),
          ...samples.series(best).map(series => ({ ...series, name: 'by hand' })),
          { name: 'the cores', samples: samples.series('default')[0]!.samples.map(() => ideal) },
        ],
        ratio: { of: 'default', to: 'by hand', goal: { atLeast: 0.9 } },
        details: Object.fromEntries(byHand.map(name => [name, samples.median(name)])),
      }
    })
  },
}

function counts(setting: Setting, kind: (index: number, runs: number) => Kind): { readonly runs: number, readonly computing: number } {
  const runs = setting.quick ? 4 : RUNS_PER_THREAD * setting.threads
  return { runs, computing: Array.from({ length: runs }, (_, index) => kind(index, runs)).filter(each => each === 'computes').length }
}

async function measure(setting: Setting, options: Partial<TroupeOptions>, kind: (index: number, runs: number) => Kind, perMs: number): Promise<number> {
  return withTroupe(setting, options, async troupe => {
    const ms = setting.quick ? 1 : MS
    const run = async (runs: number, steps: number): Promise<void> => {
      const handles = await troupe.startMany(computeOrWait, Array.from({ length: runs }, (_, index) => ({
        args: [kind(index, runs), steps, Math.round(perMs * ms), ms] as [Kind, number, number, number],
      })))
      await Promise.all(handles.map(handle => handle.result()))
    }
    await run(setting.threads * 2, 1)
    const { runs } = counts(setting, kind)
    const startedMs = performance.now()
    await run(runs, STEPS)
    return runs / (performance.now() - startedMs) * 1000
  })
}
