/** What it costs to bring a run back to where it was, by the length of its journal. */
import { Troupe } from 'troupe'
import type { RunHandle } from 'troupe'
import { alternate, withFolder, WORKFLOWS } from './bench.ts'
import type { Bench, Setting } from './bench.ts'
import { median, Samples } from './figures.ts'
import type { Place, Row } from './figures.ts'
import { busyMs, ThreadTimes } from './thread-cpu.ts'
import { waitingAfter } from './fixtures/workflows.ts'

const LENGTHS = [
  { length: 0, each: 8, replayMs: undefined, busyMs: undefined },
  { length: 1000, each: 5, replayMs: 5, busyMs: 0.5 },
  { length: 10_000, each: 3, replayMs: 50, busyMs: 5 },
]
const QUICK = [{ ...LENGTHS[0]!, each: 1 }, { ...LENGTHS[1]!, length: 3, each: 1 }]

type Case = typeof LENGTHS[number] & { readonly samples: Samples, readonly handles: RunHandle<unknown>[] }

export const replay: Bench = {
  name: 'replay',
  title: 'milliseconds by which a run that a message wakes ends later for the length of its journal; and processor time of the supervisor\'s thread for it',
  systems: { replay: 'troupe: from the message to the result, less the same with an empty journal', supervisor: 'troupe: processor time of the supervisor\'s thread, less the same with an empty journal' },
  async run(setting) {
    const cases = (setting.quick ? QUICK : LENGTHS).map((one): Case => ({ ...one, samples: new Samples(), handles: [] }))
    await withFolder(setting, async store => {
      setting.progress('preparing runs with long journals')
      await prepare(setting, store, cases)
      const times = new ThreadTimes()
      const troupe = await Troupe.open({ store, workflows: WORKFLOWS, threads: setting.threads })
      try {
        const supervisor = times.first()
        for (const { handles } of cases) for (const [index, { id }] of handles.entries()) handles[index] = await troupe.get(id)
        await wake(cases[0]!.handles.pop()!, supervisor) // warm-up
        await wake(cases.at(-1)!.handles.pop()!, supervisor)
        await alternate(setting.rounds, [async round => { await measure(setting, round, cases, supervisor) }])
      } finally {
        await troupe.close({ mode: 'abandon' })
      }
    })
    return cases.slice(1).flatMap(({ length, samples, replayMs, busyMs: bound }): Row[] => [
      { label: `${length} entries`, unit: 'ms', series: samples.series('replay'), places: place(length), ...goal('replay', replayMs), details: { 'us an entry': samples.median('replay') / length * 1000 } },
      ...samples.names.includes('supervisor')
        ? [{ label: `${length} entries, of it the supervisor's thread`, unit: 'ms', series: samples.series('supervisor'), places: place(length), ...goal('supervisor', bound) }]
        : [],
    ])
  },
}

function place(length: number): readonly Place[] {
  return [{ axis: 'entries in the journal', x: length }]
}

function goal(of: string, atMost: number | undefined): Pick<Row, 'goals'> {
  return atMost === undefined ? {} : { goals: [{ of, atMost }] }
}

/** Runs that wait, in a store that is closed: none of them has an actor when it is opened again. */
async function prepare(setting: Setting, store: string, cases: readonly Case[]): Promise<void> {
  const troupe = await Troupe.open({ store, workflows: WORKFLOWS, threads: setting.threads, durability: 'process-crash' })
  try {
    for (const { length, each, handles } of cases) {
      const runs = Array.from({ length: each * setting.rounds + 1 }, () => ({ args: [length] as [number] }))
      handles.push(...await troupe.startMany(waitingAfter, runs))
      const ids = handles.map(({ id }) => id)
      while (await troupe.count({ ids, status: 'waiting' }) < ids.length) await new Promise(resolve => setTimeout(resolve, setting.quick ? 2 : 50))
    }
  } finally {
    await troupe.close({ mode: 'abandon' })
  }
}

async function measure(setting: Setting, round: number, cases: readonly Case[], supervisor: string | undefined): Promise<void> {
  let base: Took | undefined
  for (const { length, each, handles, samples } of cases) {
    setting.progress(`round ${round + 1}, ${length} entries`)
    const took: Took[] = []
    for (let i = 0; i < each; i++) took.push(await wake(handles.pop()!, supervisor))
    const middle = { ms: median(took.map(({ ms }) => ms)), busyMs: median(took.map(one => one.busyMs)) }
    if (base === undefined) base = middle
    else {
      // A little above nothing, where the noise is more than the difference.
      samples.add('replay', Math.max(0.001, middle.ms - base.ms))
      if (supervisor !== undefined) samples.add('supervisor', Math.max(0.001, middle.busyMs - base.busyMs))
    }
  }
}

interface Took {
  readonly ms: number
  readonly busyMs: number
}

async function wake(handle: RunHandle<unknown>, supervisor: string | undefined): Promise<Took> {
  const busyBefore = supervisor === undefined ? 0 : busyMs(supervisor)
  const startedMs = performance.now()
  const result = handle.result()
  await handle.send('go on')
  await result
  const ms = performance.now() - startedMs
  return { ms, busyMs: supervisor === undefined ? 0 : busyMs(supervisor) - busyBefore }
}
