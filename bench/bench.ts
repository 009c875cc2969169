/** What every bench is given, and what it gives back. */
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Troupe } from 'troupe'
import type { TroupeOptions } from 'troupe'
import type { Row } from './figures.ts'

export interface Bench {
  readonly name: string
  /** One line: what is measured, against what. */
  readonly title: string
  /** What its series are, by name; of what keeps data, when it counts as kept. */
  readonly systems?: Readonly<Record<string, string>>
  /** It takes so long that it runs only when it is named. */
  readonly onlyByName?: boolean
  run(setting: Setting): Promise<readonly Row[]>
}

export interface Setting {
  /** Tiny sizes: to see that it works, not how fast. */
  readonly quick: boolean
  readonly rounds: number
  readonly threads: number
  /** Sleeping runs in the benches of recovery, memory and timers. */
  readonly sleeping: number
  /** Records in the full store of the bench of the store. */
  readonly records: number
  /** How long the soak goes on. */
  readonly minutes: number
  /** Where stores are made: on the disk that is to be measured. */
  readonly folder: string
  /** Says what is being done, for whoever waits. */
  progress(text: string): void
  /** A line that stays. */
  print(text: string): void
  /** Quick: those that were opened, by their options. What wants the same has the same one. */
  readonly shared?: Map<string, Troupe>
}

/** What a step of troupe's has cost when it counts, by the name of the series. */
export const DURABLE = 'troupe: flushed to the disk before the run goes on (power-loss)'
export const IN_KERNEL = 'troupe: with the kernel, which outlives the process (process-crash)'
export const BARE_LOG = 'a bare file: as many bytes appended and flushed (fdatasync), as often'

export const WORKFLOWS = new URL('./fixtures/workflows.js', import.meta.url)

/** Opens a troupe in a new folder, lets it be used, closes it, and removes the folder. */
export async function withTroupe<R>(
  setting: Setting, options: Partial<TroupeOptions>, use: (troupe: Troupe) => Promise<R>): Promise<R> {
  if (setting.shared !== undefined) return use(await sharedTroupe(setting, setting.shared, options))
  return withFolder(setting, async store => {
    const troupe = await Troupe.open({ store, workflows: WORKFLOWS, threads: setting.threads, ...options })
    try {
      return await use(troupe)
    } finally {
      await troupe.close({ mode: 'abandon' })
    }
  })
}

async function sharedTroupe({ folder, threads }: Setting, shared: Map<string, Troupe>, options: Partial<TroupeOptions>): Promise<Troupe> {
  const all = { threads, ...options, actorsPerThread: 64 }
  const key = JSON.stringify(all)
  const known = shared.get(key)
  if (known !== undefined) return known
  const troupe = await Troupe.open({ store: mkdtempSync(join(folder, 'shared-')), workflows: WORKFLOWS, ...all })
  shared.set(key, troupe)
  return troupe
}

/** What a Troupe did while something was done with it, by its own count. */
export interface Work {
  readonly seconds: number
  readonly steps: number
  readonly commits: number
  readonly changes: number
}

export async function count(troupe: Troupe, work: () => Promise<unknown>): Promise<Work> {
  const before = await troupe.stats()
  const startedMs = performance.now()
  await work()
  const seconds = (performance.now() - startedMs) / 1000
  const after = await troupe.stats()
  return {
    seconds,
    steps: after.steps.succeeded - before.steps.succeeded,
    commits: after.commits.count - before.commits.count,
    changes: after.commits.entries - before.commits.entries,
  }
}

export async function withFolder<R>(setting: Setting, use: (folder: string) => Promise<R> | R): Promise<R> {
  const folder = mkdtempSync(join(setting.folder, 'case-'))
  try {
    return await use(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Those that take long are measured less often. */
export function fewRounds({ rounds }: Setting, most: number): number {
  return Math.min(rounds, most)
}

/**
 * Does each contestant once a round, in turns: what the machine does meanwhile hits all of them alike. Every other round
 * goes backwards, so that none is always the first after another.
 */
export async function alternate(rounds: number, contestants: readonly ((round: number) => Promise<void>)[]): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    for (const contestant of round % 2 === 0 ? contestants : [...contestants].reverse()) await contestant(round)
  }
}
