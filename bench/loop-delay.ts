/** How late the host's event loop is while something goes on. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as wait } from 'node:timers/promises'

const RESOLUTION_MS = 1
const SETTLE_MS = 5

export interface LoopDelay {
  readonly p50: number
  readonly p99: number
  readonly worst: number
}

/** Milliseconds by which a timer that is due each millisecond was late. */
export async function loopDelayDuring(work: () => Promise<unknown>): Promise<LoopDelay> {
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  delays.enable()
  // A block that begins at once, or lasts to the end, shows only between two of its looks.
  await wait(SETTLE_MS)
  delays.reset()
  await wait(SETTLE_MS)
  await work()
  await wait(SETTLE_MS)
  delays.disable()
  const late = (nanoseconds: number): number => Math.max(0.001, nanoseconds / 1e6 - RESOLUTION_MS)
  return { p50: late(delays.percentile(50)), p99: late(delays.percentile(99)), worst: late(delays.max) }
}
