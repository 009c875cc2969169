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
  run(setting: Setting): Promise<readonly Row[]>
}

export interface Setting {
  /** Tiny sizes: to see that it works, not how fast. */
  readonly quick: boolean
  readonly rounds: number
  readonly threads: number
  /** Sleeping runs in the bench of recovery. */
  readonly sleeping: number
  /** Where stores are made: on the disk that is to be measured. */
  readonly folder: string
  /** Says what is being done, for whoever waits. */
  progress(text: string): void
}

export const WORKFLOWS = new URL('./fixtures/workflows.js', import.meta.url)

/** Opens a troupe in a new folder, lets it be used, closes it, and removes the folder. */
export async function withTroupe<R>(
  setting: Setting, options: Partial<TroupeOptions>, use: (troupe: Troupe) => Promise<R>): Promise<R> {
  return withFolder(setting, async store => {
    const troupe = await Troupe.open({ store, workflows: WORKFLOWS, threads: setting.threads, ...options })
    try {
      return await use(troupe)
    } finally {
      await troupe.close({ mode: 'abandon' })
    }
  })
}

export async function withFolder<R>(setting: Setting, use: (folder: string) => Promise<R> | R): Promise<R> {
  const folder = mkdtempSync(join(setting.folder, 'case-'))
  try {
    return await use(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
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
