/** Messages to runs, from the host and from each other. */
import { randomUUID } from 'node:crypto'
import type { Troupe } from 'troupe'
import { alternate, BARE_LOG, count, DURABLE, withTroupe } from './bench.ts'
import type { Bench } from './bench.ts'
import { Samples } from './figures.ts'
import type { Row } from './figures.ts'
import { rawFor } from './raw.ts'
import { taking, talking } from './fixtures/workflows.ts'

const RUNS = 64
const MESSAGES = 60

const WAYS = { 'host to runs': fromHost, 'between runs': betweenRuns }

export const messages: Bench = {
  name: 'messages',
  title: `messages/s: from the host to ${RUNS} runs that take them, and back and forth between ${RUNS / 2} pairs of runs`,
  systems: { troupe: DURABLE, raw: BARE_LOG },
  async run(setting) {
    const cases = Object.entries(WAYS).map(([label, way]) => ({ label, way, samples: new Samples() }))
    await alternate(setting.rounds, cases.map(({ label, way, samples }) => async round => {
      setting.progress(`round ${round + 1}, ${label}`)
      await withTroupe(setting, {}, async troupe => {
        const runs = setting.quick ? 2 : RUNS
        await way(troupe, runs, setting.quick ? 1 : 10)
        const each = setting.quick ? 2 : MESSAGES
        const work = await count(troupe, () => way(troupe, runs, each))
        const perCommit = runs * each / Math.max(1, work.commits)
        samples.add('troupe', runs * each / work.seconds)
        samples.add('raw', await rawFor(setting, work) * perCommit)
        samples.add('messages/commit', perCommit)
      })
    }))
    return cases.map(({ label, samples }): Row => ({
      label,
      unit: 'messages/s',
      series: samples.series('troupe', 'raw'),
      ratio: { of: 'troupe', to: 'raw' },
      details: { 'messages/commit': samples.median('messages/commit') },
    }))
  },
}

async function fromHost(troupe: Troupe, runs: number, each: number): Promise<void> {
  const handles = await troupe.startMany(taking, Array.from({ length: runs }, () => ({ args: [each] as [number] })))
  await Promise.all(handles.map(async handle => {
    const result = handle.result()
    for (let i = 0; i < each; i++) await handle.send(i)
    await result
  }))
}

/** Each of a pair gets `each` messages. */
async function betweenRuns(troupe: Troupe, runs: number, each: number): Promise<void> {
  const ids = Array.from({ length: runs }, () => randomUUID())
  const handles = await troupe.startMany(talking, ids.map((id, index) => {
    const isFirst = index % 2 === 0
    return { args: [ids[isFirst ? index + 1 : index - 1]!, each, isFirst] as [string, number, boolean], options: { id } }
  }))
  await Promise.all(handles.map(handle => handle.result()))
}
