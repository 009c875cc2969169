/** How much work is a millisecond of it. */
import { busy } from './fixtures/busy.ts'

/** So much work takes a millisecond here, alone on a core: work is measured out in rounds, never by a clock. */
export function iterationsPerMs(quick: boolean): number {
  const iterations = quick ? 100_000 : 5_000_000
  const rates = Array.from({ length: 15 }, () => {
    const startedMs = performance.now()
    busy(iterations)
    return iterations / (performance.now() - startedMs)
  })
  return Math.max(...rates) // whatever else ran on the core, or was still being compiled, only made it slower
}
