/**
 * How long the event loop of this thread was not to be reached, in two measures, because tests run on loaded machines: for how long it computed without
 * a pause, in its own processor time, which others do not lengthen; and for how long it stood still in all, less the time in which it was ready and had
 * no processor, and less what a thread that does nothing lost at that very moment (a machine that stands still, memory that all threads take and give back).
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { Worker } from 'node:worker_threads'

const EVERY_MS = 5
/** What is shorter is not kept. */
const LEAST_MS = 20

/** Between two turns, by the clock that all threads share: `stillMs` of it the thread neither waited for a processor nor slept as it was to. */
interface Gap {
  readonly fromMs: number
  readonly toMs: number
  readonly stillMs: number
}

export interface LoopDelay {
  readonly computedMs: number
  readonly stillMs: number
  readonly gaps: readonly Gap[]
}

function nowOfAllMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
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
  const gaps: Gap[] = []
  let lastMs = nowOfAllMs()
  let [lastRan, lastWaited] = processorTime()
  const look = (): void => {
    const nowMs = nowOfAllMs()
    const [ran, waited] = processorTime()
    computedMs = Math.max(computedMs, ran - lastRan)
    const still = nowMs - lastMs - EVERY_MS - (waited - lastWaited)
    stillMs = Math.max(stillMs, still)
    if (still > LEAST_MS) gaps.push({ fromMs: lastMs, toMs: nowMs, stillMs: still })
    lastMs = nowMs
    lastRan = ran
    lastWaited = waited
  }
  const timer = setInterval(look, EVERY_MS).unref()
  return () => {
    look()
    clearInterval(timer)
    return { computedMs, stillMs, gaps }
  }
}

/** The same, beside a thread that does nothing. */
export async function ownLoopDelay(): Promise<() => Promise<LoopDelay>> {
  const control = new Worker(new URL('../fixtures/ticking.js', import.meta.url), { execArgv: [] })
  await once(control, 'message')
  control.unref() // where nobody asks any more, a test has failed, and is to end
  const delay = loopDelay()
  return async () => {
    control.ref()
    const { computedMs, gaps } = delay()
    control.postMessage('how long?')
    const [others] = await once(control, 'message') as [LoopDelay]
    return { computedMs, gaps, stillMs: Math.max(0, ...gaps.map(gap => gap.stillMs - lostMeanwhile(gap, others.gaps))) }
  }
}

/** How much of a gap others stood still as well. */
function lostMeanwhile({ fromMs, toMs }: Gap, others: readonly Gap[]): number {
  let lostMs = 0
  for (const other of others) {
    const share = (Math.min(toMs, other.toMs) - Math.max(fromMs, other.fromMs)) / (other.toMs - other.fromMs)
    if (share > 0) lostMs += share * other.stillMs
  }
  return lostMs
}
