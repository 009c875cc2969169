/** Steps whose results are small, and large. */
import { alternate, BARE_LOG, count, DURABLE, withTroupe } from './bench.ts'
import type { Bench, Setting } from './bench.ts'
import { Samples } from './figures.ts'
import type { Row } from './figures.ts'
import { BYTES_PER_CHANGE, rawFor } from './raw.ts'
import { bigSteps } from './fixtures/workflows.ts'

interface Case {
  readonly label: string
  readonly bytes: number
  readonly runs: number
  readonly steps: number
}

const CASES: readonly Case[] = [
  { label: '100 B', bytes: 100, runs: 128, steps: 100 },
  { label: '2 KB', bytes: 2000, runs: 128, steps: 100 },
  { label: '100 KB', bytes: 100_000, runs: 64, steps: 10 },
  { label: '10 MB', bytes: 10_000_000, runs: 4, steps: 5 },
]
const QUICK: readonly Case[] = [{ label: '2 KB', bytes: 2000, runs: 2, steps: 2 }]

export const values: Bench = {
  name: 'values',
  title: 'durable steps/s by the size of their results, against append + fdatasync of as many bytes per commit',
  systems: { troupe: DURABLE, raw: BARE_LOG },
  async run(setting) {
    const cases = (setting.quick ? QUICK : CASES).map(one => ({ one, samples: new Samples() }))
    await alternate(setting.rounds, cases.map(({ one, samples }) => async round => {
      setting.progress(`round ${round + 1}, ${one.label}`)
      await measure(setting, one, samples)
    }))
    return cases.map(({ one, samples }): Row => ({
      label: one.label,
      unit: 'steps/s',
      series: samples.series('troupe', 'raw'),
      ratio: { of: 'troupe', to: 'raw' },
      places: [{ axis: 'bytes of a result', x: one.bytes }],
      details: { 'MB/s': samples.median('troupe') * one.bytes / 1e6, 'steps/commit': samples.median('steps/commit') },
    }))
  },
}

async function measure(setting: Setting, { bytes, runs, steps }: Case, samples: Samples): Promise<void> {
  await withTroupe(setting, {}, async troupe => {
    const run = async (each: number): Promise<void> => {
      const handles = await troupe.startMany(bigSteps, Array.from({ length: runs }, () => ({ args: [each, bytes] as [number, number] })))
      await Promise.all(handles.map(handle => handle.result()))
    }
    await run(Math.ceil(steps / 5))
    const work = await count(troupe, () => run(steps))
    samples.add('troupe', work.steps / work.seconds)
    samples.add('steps/commit', work.steps / work.commits)
    const stepsPerCommit = work.steps / work.commits
    // What a commit has besides steps (starts, ends) is small.
    samples.add('raw', await rawFor(setting, { ...work, changes: work.steps }, bytes + BYTES_PER_CHANGE - 100) * stepsPerCommit)
  })
}
