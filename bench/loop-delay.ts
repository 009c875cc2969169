/** How late the host's event loop is while something goes on. */
import { monitorEventLoopDelay } from 'node:perf_hooks'

const RESOLUTION_MS = 1

export interface LoopDelay {
  readonly p50: number
  readonly p99: number
  readonly worst: number
}

/** Milliseconds by which a timer that is due each millisecond was late. */
export async function loopDelayDuring(work: () => Promise<unknown>): Promise<LoopDelay> {
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  delays.enable()
  await work()
  delays.disable()
  const late = (nanoseconds: number): number => Math.max(0.001, nanoseconds / 1e6 - RESOLUTION_MS)
  return { p50: late(delays.percentile(50)), p99: late(delays.percentile(99)), worst: late(delays.max) }
}
