/** How long the event loop of a test's own thread stood still: of its own doing, not because a loaded machine gave it no processor. */
import { readFileSync } from 'node:fs'

const EVERY_MS = 5

/** Milliseconds for which this thread has been ready to run and had no processor; 0 where the system does not tell. */
function starvedMs(): number {
  try {
    return Number(readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ')[1]) / 1e6
  } catch {
    return 0
  }
}

/** Begins to measure; the function it gives stops that and tells the longest time. */
export function hostDelay(): () => number {
  let longestMs = 0
  let lastMs = performance.now()
  let lastStarvedMs = starvedMs()
  const look = (): void => {
    const nowMs = performance.now()
    const nowStarvedMs = starvedMs()
    longestMs = Math.max(longestMs, nowMs - lastMs - EVERY_MS - (nowStarvedMs - lastStarvedMs))
    lastMs = nowMs
    lastStarvedMs = nowStarvedMs
  }
  const timer = setInterval(look, EVERY_MS)
  return () => {
    look()
    clearInterval(timer)
    return longestMs
  }
}
