/** Hours of mixed work: whether anything grows. Prints a line every so often; runs only when it is named. */
import { readdirSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import type { Troupe } from 'troupe'
import { DURABLE, withTroupe } from './bench.ts'
import type { Bench, Setting } from './bench.ts'
import { median } from './figures.ts'
import type { Row } from './figures.ts'
import { formatNumber } from './table.ts'
import { sleepingUntil, taking, trivialSteps } from './fixtures/workflows.ts'

const LINES = 60
const IN_FLIGHT = 64
const STEPS = 10
/** Finished runs are deleted when they are so old, so that the store has to reuse its room. */
const KEEP_MS = 20_000

/** What is looked at, with the growth from the second quarter to the last that is still none. */
const FIGURES: Readonly<Record<string, { readonly unit: string, readonly mayGrow: number }>> = {
  rss: { unit: 'MB', mayGrow: 1.15 },
  heap: { unit: 'MB', mayGrow: 1.25 },
  'threads\' heaps': { unit: 'MB', mayGrow: 1.25 },
  handles: { unit: 'open', mayGrow: 1 },
  threads: { unit: 'threads', mayGrow: 1 },
  file: { unit: 'MB', mayGrow: 1.15 },
}

type Line = Readonly<Record<string, number>>

export const soak: Bench = {
  name: 'soak',
  title: 'steps, sleeps, messages, listings and prunes for --minutes (60): memory, handles, threads, file and rate as they go',
  systems: { 'second quarter': DURABLE, 'last quarter': DURABLE },
  onlyByName: true,
  async run(setting) {
    const ms = setting.quick ? 150 : setting.minutes * 60_000
    const lines: Line[] = []
    await withTroupe(setting, {}, async troupe => {
      const untilMs = Date.now() + ms
      const runs = { finished: 0 }
      const work = Promise.all([...Array.from({ length: setting.quick ? 2 : IN_FLIGHT }, () => keepBusy(troupe, untilMs, runs)), keepTidy(troupe, untilMs, setting)])
      setting.print(header())
      const lineMs = Math.max(ms / LINES, setting.quick ? 40 : 1000)
      const startedMs = Date.now()
      for (let before = (await troupe.stats()).steps.succeeded, atMs = performance.now(); Date.now() < untilMs;) {
        await wait(Math.min(lineMs, Math.max(1, untilMs - Date.now())))
        const { threads, storeBytes, steps } = await troupe.stats()
        const nowMs = performance.now()
        const { rss, heapUsed } = process.memoryUsage()
        const line = {
          minutes: (Date.now() - startedMs) / 60_000,
          rss: rss / 1e6, heap: heapUsed / 1e6, 'threads\' heaps': threads.reduce((sum, { heapBytes }) => sum + heapBytes, 0) / 1e6,
          handles: openFiles(), threads: osThreads(), file: storeBytes / 1e6,
          'steps/s': (steps.succeeded - before) / (nowMs - atMs) * 1000,
        }
        before = steps.succeeded
        atMs = nowMs
        lines.push(line)
        setting.print(format(line))
      }
      await work
    })
    return [
      ...Object.entries(FIGURES).map(([name, { unit, mayGrow }]) => growth(name, unit, lines, setting.quick ? undefined : mayGrow)),
      { label: 'steps/s', unit: 'steps/s', series: [{ name: 'second quarter', samples: part(lines, 'steps/s', 0.25, 0.5) }, { name: 'last quarter', samples: part(lines, 'steps/s', 0.75, 1) }], ratio: { of: 'last quarter', to: 'second quarter', goal: { atLeast: 0.8 } } },
      ...lines.map((line, index): Row => ({ label: `line ${index + 1}`, unit: 'MB', series: ['rss', 'file'].map(name => ({ name, samples: [line[name]!] })), places: [{ axis: 'minutes', x: line['minutes']! }], details: line })),
    ]
  },
}

function growth(name: string, unit: string, lines: readonly Line[], mayGrow: number | undefined): Row {
  return {
    label: name,
    unit,
    series: [{ name: 'second quarter', samples: part(lines, name, 0.25, 0.5) }, { name: 'last quarter', samples: part(lines, name, 0.75, 1) }],
    ratio: { of: 'last quarter', to: 'second quarter', ...(mayGrow !== undefined && { goal: { atMost: mayGrow } }) },
  }
}

function part(lines: readonly Line[], name: string, from: number, to: number): readonly number[] {
  const chosen = lines.slice(Math.floor(lines.length * from), Math.max(Math.ceil(lines.length * to), Math.floor(lines.length * from) + 1))
  return [median(chosen.map(line => line[name]!))]
}

async function keepBusy(troupe: Troupe, untilMs: number, runs: { finished: number }): Promise<void> {
  while (Date.now() < untilMs) {
    switch (runs.finished++ % 8) {
      case 0: {
        const handle = await troupe.start(taking, [2])
        await Promise.all([handle.send('one'), handle.send('two')])
        await handle.result()
        break
      }
      case 1:
        await (await troupe.start(sleepingUntil, [Date.now() + 20])).result()
        break
      default:
        await (await troupe.start(trivialSteps, [STEPS])).result()
    }
  }
}

async function keepTidy(troupe: Troupe, untilMs: number, { quick }: Setting): Promise<void> {
  while (Date.now() < untilMs) {
    await wait(Math.min(quick ? 30 : 5000, Math.max(1, untilMs - Date.now())))
    await troupe.prune({ finishedBefore: new Date(Date.now() - (quick ? 50 : KEEP_MS)) })
    let seen = 0
    for await (const { id } of troupe.list({ limit: 500 })) if (id !== '') seen++
    if (seen === 0 && !quick) throw new Error('a listing of a troupe at work is empty')
  }
}

/** Open files of the whole process, which threads' ports and timers are not; those would show as memory. */
function openFiles(): number {
  return entries('/proc/self/fd')
}

function osThreads(): number {
  return entries('/proc/self/task')
}

function entries(folder: string): number {
  try {
    return readdirSync(folder).length
  } catch {
    return process.getActiveResourcesInfo().length
  }
}

const COLUMNS = ['minutes', ...Object.keys(FIGURES), 'steps/s']

function header(): string {
  return COLUMNS.map(name => name.padStart(14)).join('')
}

function format(line: Line): string {
  return COLUMNS.map(name => formatNumber(line[name]!).padStart(14)).join('')
}
