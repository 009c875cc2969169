/** What many simulations came to, for people. */
import type { SimulationReport } from './simulation.ts'

export class Sums {
  #simulations = 0
  #steps = 0
  #runs = 0
  #executions = 0
  #commits = 0
  #simulatedMs = 0
  readonly #faults = new Map<string, number>()
  readonly #changes = new Set<string>()
  readonly failed: number[] = []

  add(report: SimulationReport): void {
    this.#simulations++
    this.#steps += report.steps
    this.#runs += report.runs
    this.#executions += report.executions
    this.#commits += report.commits
    this.#simulatedMs += report.simulatedMs
    for (const [fault, count] of Object.entries(report.faults)) this.#faults.set(fault, (this.#faults.get(fault) ?? 0) + count)
    for (const change of report.changes) this.#changes.add(change)
    if (report.problems.length > 0) this.failed.push(report.seed)
  }

  get faults(): ReadonlyMap<string, number> {
    return this.#faults
  }

  get changes(): ReadonlySet<string> {
    return this.#changes
  }

  text(first: number): string {
    const faults = [...this.#faults].sort(([a], [b]) => a < b ? -1 : 1).map(([fault, count]) => `  ${fault}: ${count}`)
    return [
      `${this.#simulations} simulations from seed ${first} on: ${this.#steps} steps, ${this.#runs} runs, ${this.#executions} attempts of steps, ${this.#commits} commits, ` +
        `${(this.#simulatedMs / 3_600_000).toFixed(0)} simulated hours`,
      'faults:', ...faults,
      this.failed.length === 0 ? 'no violation' : `${this.failed.length} with violations: ${this.failed.join(', ')}`,
    ].join('\n')
  }
}
