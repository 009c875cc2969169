/** The load: so many workflows in flight, each started when one before it has finished. */
import { STEPS } from './contract.ts'
import type { Contestant, Measured } from './contract.ts'
import { sumOf } from './work.ts'

/** One workflow in so many says how long its steps took; the others are spared it. */
const TIMED_EVERY = 8

export interface Finished {
  readonly startedMs: number
  readonly endedMs: number
  readonly stepMs: readonly number[]
}

/**
 * Keeps `inFlight` workflows in flight for the warm-up and the window without a break between, and lets the last ones finish.
 * A workflow counts with the share of its time that lies in the window, so that it does not matter whether a window holds a hundred of them or one and a half.
 */
export async function keepInFlight(
  contestant: Pick<Contestant, 'tenSteps'>, { inFlight, warmUpMs, windowMs }: { readonly inFlight: number, readonly warmUpMs: number, readonly windowMs: number },
): Promise<Measured> {
  const finished: Finished[] = []
  const failures: string[] = []
  const fromMs = performance.now() + warmUpMs
  const untilMs = fromMs + windowMs
  let seed = Math.floor(Math.random() * 1e9)
  await Promise.all(Array.from({ length: inFlight }, async () => {
    while (performance.now() < untilMs) {
      const task = { seed: ++seed, timed: seed % TIMED_EVERY === 0 }
      const startedMs = performance.now()
      try {
        const { sum, tookMs = [] } = await contestant.tenSteps(task)
        if (sum !== sumOf(task.seed)) failures.push(`the result was ${sum}, not ${sumOf(task.seed)}`)
        else if (task.timed && tookMs.length !== STEPS) failures.push(`${tookMs.length} steps were timed, not ${STEPS}`)
        else finished.push({ startedMs, endedMs: performance.now(), stepMs: tookMs })
      } catch (error) {
        failures.push(error instanceof Error ? `${error.name}: ${error.message}` : String(error))
        if (failures.length > 1000) throw error
      }
    }
  }))
  return { ...countInWindow(finished, fromMs, untilMs), errors: failures.length, ...(failures[0] !== undefined && { firstError: failures[0] }) }
}

export function countInWindow(finished: readonly Finished[], fromMs: number, untilMs: number): Omit<Measured, 'errors' | 'firstError'> {
  let workflows = 0
  const within: Finished[] = []
  for (const one of finished) {
    const sharedMs = Math.min(one.endedMs, untilMs) - Math.max(one.startedMs, fromMs)
    if (sharedMs <= 0) continue
    workflows += sharedMs / (one.endedMs - one.startedMs)
    within.push(one)
  }
  return {
    workflows,
    seconds: (untilMs - fromMs) / 1000,
    finished: finished.length,
    workflowMs: within.map(({ startedMs, endedMs }) => endedMs - startedMs),
    stepMs: within.flatMap(({ stepMs }) => stepMs),
  }
}

/** All runs at once, from the first start to the last end; counted in steps. */
export async function computeAll(
  contestant: Pick<Contestant, 'computing'>, { runs, steps, iterations }: { readonly runs: number, readonly steps: number, readonly iterations: number }, busy: (iterations: number) => number,
): Promise<Measured> {
  const expected = steps * busy(iterations)
  await contestant.computing({ steps: 2, iterations })
  const failures: string[] = []
  const startedMs = performance.now()
  const workflowMs = await Promise.all(Array.from({ length: runs }, async () => {
    try {
      const sum = await contestant.computing({ steps, iterations })
      if (sum !== expected) failures.push(`the result was ${sum}, not ${expected}`)
    } catch (error) {
      failures.push(error instanceof Error ? `${error.name}: ${error.message}` : String(error))
    }
    return performance.now() - startedMs
  }))
  return {
    workflows: runs - failures.length,
    seconds: (performance.now() - startedMs) / 1000,
    finished: runs - failures.length,
    workflowMs,
    stepMs: [],
    errors: failures.length,
    ...(failures[0] !== undefined && { firstError: failures[0] }),
  }
}
