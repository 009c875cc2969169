/**
 * How long the event loop of this thread was not to be reached, in two measures, because tests run on loaded machines: for how long it computed without
 * a pause, in its own processor time, which others do not lengthen; and for how long it stood still in all, less the time in which it was ready and had
 * no processor, and less what a thread that does nothing lost meanwhile (a machine that stands still, memory that all threads take and give back).
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { Worker } from 'node:worker_threads'

const EVERY_MS = 5

export interface LoopDelay {
  readonly computedMs: number
  readonly stillMs: number
}

/** Milliseconds for which this thread has had a processor, and for which it has waited for one; 0 where the system does not tell. */
function processorTime(): readonly [number, number] {
  try {
    const [ran, waited] = readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ')
    return [Number(ran) / 1e6, Number(waited) / 1e6]
  } catch {
    return [0, 0]
  }
}

/** Begins to measure this thread; the function it gives stops that and tells the longest times. */
export function loopDelay(): () => LoopDelay {
  let [computedMs, stillMs] = [0, 0]
  let lastMs = performance.now()
  let [lastRan, lastWaited] = processorTime()
  const look = (): void => {
    const nowMs = performance.now()
    const [ran, waited] = processorTime()
    computedMs = Math.max(computedMs, ran - lastRan)
    stillMs = Math.max(stillMs, nowMs - lastMs - EVERY_MS - (waited - lastWaited))
    lastMs = nowMs
    lastRan = ran
    lastWaited = waited
  }
  const timer = setInterval(look, EVERY_MS)
  return () => {
    look()
    clearInterval(timer)
    return { computedMs, stillMs }
  }
}

/** The same, beside a thread that does nothing. */
export async function ownLoopDelay(): Promise<() => Promise<LoopDelay>> {
  const control = new Worker(new URL('../fixtures/ticking.js', import.meta.url), { execArgv: [] })
  await once(control, 'message')
  const delay = loopDelay()
  return async () => {
    const { computedMs, stillMs } = delay()
    control.postMessage('how long?')
    const [others] = await once(control, 'message') as [LoopDelay]
    return { computedMs, stillMs: stillMs - others.stillMs }
  }
}
