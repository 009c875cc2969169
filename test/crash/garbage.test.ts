/** Garbage is not held against a thread. In a process of its own: where threads cannot be measured from outside, what the process holds counts. */
import t from 'tap'
import { join } from 'node:path'
import type { RunHandle } from 'troupe'
import { openTroupe } from '../harness.ts'

t.test('code that makes much garbage but holds less than its thread may goes on, whether it yields or not', async t => {
  const troupe = await openTroupe(t, { store: join(t.testdir({}), 'store'), workflows: new URL('../fixtures/crash/abuse.js', import.meta.url), threads: 2, threadHeapMiB: 64, threadBuffersMiB: 4096 })
  const runs = [await troupe.start('litters', [45, 1500, false]), await troupe.start('litters', [45, 1500, true])] as RunHandle<number>[]
  for (const run of runs) {
    const peakMiB = await run.result()
    t.ok(peakMiB > 64, `its heap had up to ${Math.round(peakMiB)} MiB`)
    t.match(await run.info(), { crashes: 0, incarnation: 1 })
  }
})
