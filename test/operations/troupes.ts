/** What the tests of operations share: an open Troupe over the fixture that does what it is told, and its runs. */
import { join } from 'node:path'
import type { Test } from 'tap'
import { Troupe } from 'troupe'
import type { RunHandle, StartOptions, TroupeOptions } from 'troupe'
import type { Came, Op } from '../fixtures/operations/script.ts'
import { openTroupe, recordingLogger, until } from '../harness.ts'
import { linkToStore } from '../harness-inline.ts'
import type { ManualClock } from '../manual-clock.ts'

export const SCRIPT = new URL('../fixtures/operations/script.js', import.meta.url)

export type ScriptRun = RunHandle<readonly Came[]>

export interface Scripts {
  readonly troupe: Troupe
  /** A folder of the test's own. */
  readonly folder: string
  readonly store: string
  run(ops: readonly Op[], options?: StartOptions): Promise<ScriptRun>
  /** The same run after its Troupe was closed in the midst and opened again. */
  reopen(options?: Partial<TroupeOptions>): Promise<Scripts>
}

export async function openScripts(t: Test, options: Partial<TroupeOptions> = {}): Promise<Scripts> {
  return over(t, t.testdir({}), options)
}

async function over(t: Test, folder: string, options: Partial<TroupeOptions>): Promise<Scripts> {
  const store = join(folder, 'store')
  const troupe = await openTroupe(t, { workflows: SCRIPT, ...options, store })
  return {
    troupe, folder, store,
    run: (ops, start) => troupe.start<Op[], readonly Came[]>('script', [...ops], start),
    reopen: async (more = {}) => {
      await troupe.close({ mode: 'abandon' })
      return over(t, folder, { ...options, ...more })
    },
  }
}

/** With time that the test turns by hand. */
export async function openAt(t: Test, store: string, clock: ManualClock): Promise<Troupe> {
  const troupe = await Troupe.openOver({ store, workflows: SCRIPT, threads: 1, durability: 'process-crash', logger: recordingLogger() }, linkToStore({ clock }))
  t.teardown(() => troupe.close({ mode: 'abandon' }))
  return troupe
}

/** Until the run waits for what the pattern says. */
export async function untilWaits(run: RunHandle<unknown>, waitsFor: RegExp): Promise<void> {
  await until(`run ${run.id} waits for ${waitsFor}`, async () => {
    const info = await run.info()
    return info.status === 'waiting' && waitsFor.test(info.waitsFor ?? '')
  })
}
