/** How long the event loop of a thread stood still: of its own doing, not because a loaded machine gave it no processor. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { Worker } from 'node:worker_threads'

const EVERY_MS = 5

/** Milliseconds for which this thread has been ready to run and had no processor; 0 where the system does not tell. */
function starvedMs(): number {
  try {
    return Number(readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ')[1]) / 1e6
  } catch {
    return 0
  }
}

/** Begins to measure this thread; the function it gives stops that and tells the longest time. */
export function loopDelay(): () => number {
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

/**
 * The same, less what a thread of the same process that does nothing lost meanwhile: what holds up both (a machine that stands still, memory that is
 * taken and given back by all) is not the doing of this thread.
 */
export async function ownLoopDelay(): Promise<() => Promise<number>> {
  const control = new Worker(new URL('../fixtures/ticking.js', import.meta.url), { execArgv: [] })
  await once(control, 'message')
  const longestMs = loopDelay()
  return async () => {
    const ownMs = longestMs()
    control.postMessage('how long?')
    const [controlMs] = await once(control, 'message') as [number]
    return ownMs - controlMs
  }
}
