/** Whether the workers go on while the host's event loop stands still. */
import type { Troupe } from 'troupe'
import { setTimeout as wait } from 'node:timers/promises'
import { alternate, DURABLE, withTroupe } from './bench.ts'
import type { Bench } from './bench.ts'
import { Samples } from './figures.ts'
import { steppingUntil } from './fixtures/workflows.ts'

const BLOCKED_MS = 3000
const RUNS_PER_THREAD = 64

export const blockedHost: Bench = {
  name: 'blocked-host',
  title: `durable steps/s while the host's event loop is blocked for ${BLOCKED_MS / 1000} s, against while it is free`,
  systems: { blocked: DURABLE, free: DURABLE },
  async run(setting) {
    const samples = new Samples()
    const forMs = setting.quick ? 50 : BLOCKED_MS
    // For each round new runs: a journal that grows and grows is another story.
    await alternate(setting.rounds, [async round => withTroupe(setting, {}, async troupe => {
      const warmUpMs = setting.quick ? 50 : 3000 // as the bench of steps: code that is still being compiled would lower whichever comes first
      const untilMs = Date.now() + warmUpMs + 2 * forMs + (setting.quick ? 300 : 1500)
      const runs = Array.from({ length: setting.quick ? 2 : RUNS_PER_THREAD * setting.threads }, () => ({ args: [untilMs] as [number] }))
      const handles = await troupe.startMany(steppingUntil, runs)
      await wait(warmUpMs)
      await alternate(1, inTurn(round, [
        async () => {
          setting.progress(`round ${round + 1}, blocked`)
          samples.add('blocked', await stepsPerSecond(troupe, async () => { block(forMs) }))
        },
        async () => {
          setting.progress(`round ${round + 1}, free`)
          samples.add('free', await stepsPerSecond(troupe, async () => { await wait(forMs) }))
        },
      ]))
      await Promise.all(handles.map(handle => handle.result()))
    })])
    return [{
      label: `${setting.threads} threads x ${setting.quick ? 1 : RUNS_PER_THREAD}`,
      unit: 'steps/s',
      series: samples.series('blocked', 'free'),
      ratio: { of: 'blocked', to: 'free', goal: { atLeast: 0.9 } },
    }]
  },
}

function inTurn<T>(round: number, contestants: readonly T[]): readonly T[] {
  return round % 2 === 0 ? contestants : [...contestants].reverse()
}

/** Stands still without taking a core, which would slow the workers for a reason of its own. */
function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

/** By the supervisor's own count, before and after. */
async function stepsPerSecond(troupe: Troupe, meanwhile: () => Promise<void>): Promise<number> {
  const before = await troupe.stats()
  const startedMs = performance.now()
  await meanwhile()
  const after = await troupe.stats()
  return (after.steps.succeeded - before.steps.succeeded) / (performance.now() - startedMs) * 1000
}
