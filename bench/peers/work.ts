/** The two workflows that every system runs. Pure: what makes them durable is the system's own way to do a step. */
import { STEPS } from './contract.ts'
import type { TaskResult, Work } from './contract.ts'

export function createWork(busy: (iterations: number) => number): Work {
  return {
    trivial,
    busy,
    async tenSteps({ seed, timed }, doStep): Promise<TaskResult> {
      const tookMs: number[] = []
      let sum = 0
      for (let index = 0; index < STEPS; index++) {
        const startedMs = timed ? performance.now() : 0
        sum += await doStep(index, () => Promise.resolve(trivial(seed, index)))
        if (timed) tookMs.push(performance.now() - startedMs)
      }
      return timed ? { sum, tookMs } : { sum }
    },
    async computing({ steps, iterations }, doStep) {
      let sum = 0
      for (let index = 0; index < steps; index++) sum += await doStep(index, () => Promise.resolve(busy(iterations)))
      return sum
    },
  }
}

export function trivial(seed: number, index: number): number {
  return seed + index
}

/** What the workflow of ten trivial steps must give. */
export function sumOf(seed: number): number {
  return STEPS * seed + STEPS * (STEPS - 1) / 2
}
