/** What was measured, as tables for the terminal and as the rows of every bench. */
import { median, quantile, Samples, summarize } from '../figures.ts'
import type { Row } from '../figures.ts'
import { formatNumber } from '../table.ts'
import { STEPS } from './contract.ts'
import { goalsAgainst } from './systems.ts'
import type { System } from './systems.ts'
import type { Case, Visited } from './visit.ts'

/** One case, of all systems over all rounds. */
export interface CaseResult {
  readonly label: string
  readonly inFlight?: number
  readonly unit: string
  /** Steps a second, one sample a round, by the system's name. */
  readonly rates: Samples
  readonly details: ReadonlyMap<string, Samples>
}

export class Results {
  readonly #cases: CaseResult[]
  readonly #systems: readonly System[]

  constructor(systems: readonly System[], inFlight: readonly number[], computing: string) {
    const create = (label: string, count?: number): CaseResult =>
      ({ label, unit: 'steps/s', rates: new Samples(), details: new Map(systems.map(({ name }) => [name, new Samples()])), ...(count !== undefined && { inFlight: count }) })
    this.#systems = systems
    this.#cases = [...inFlight.map(count => create(`C = ${count}`, count)), create(computing)]
  }

  add(name: string, { steps, compute }: Visited, computingSteps: number): void {
    for (const one of this.#cases) {
      const measured = one.inFlight === undefined ? compute : steps.get(one.inFlight)
      if (measured !== undefined) addCase(one, name, measured, one.inFlight === undefined ? computingSteps : STEPS)
    }
  }

  /** Those that were measured at all, with their figures for a case. */
  lines(one: CaseResult): readonly { readonly system: System, readonly rates: readonly number[], readonly details: Samples }[] {
    return this.#systems.flatMap(system => {
      const rates = one.rates.series(system.name)[0]!.samples
      return rates.length === 0 ? [] : [{ system, rates, details: one.details.get(system.name)! }]
    })
  }

  get cases(): readonly CaseResult[] {
    return this.#cases
  }

  /** As every bench writes them: a row for each system and case, beside troupe. */
  rows(): readonly Row[] {
    return this.#cases.flatMap(one => this.lines(one).map(({ system: { name, title }, details }): Row => {
      const goals = one.inFlight === undefined ? undefined : goalsAgainst(name, one.inFlight)
      const described = Object.fromEntries(DETAILS.flatMap(detail => Number.isFinite(details.median(detail)) ? [[detail, details.median(detail)]] : []))
      return {
        label: `${one.label}, ${title}`,
        unit: one.unit,
        series: one.rates.series(...name === 'troupe' ? ['troupe'] : ['troupe', name]),
        ...(name !== 'troupe' && { ratio: { of: 'troupe', to: name, ...(goals !== undefined && { goal: { atLeast: goals.goal } }) } }),
        details: described,
      }
    }))
  }
}

const DETAILS = ['step p50 ms', 'workflow p50 ms', 'workflow p99 ms', 'flushes/step', 'processes', 'errors']

function addCase(one: CaseResult, name: string, measured: Case, stepsPerWorkflow: number): void {
  one.rates.add(name, measured.workflows * stepsPerWorkflow / measured.seconds)
  const details = one.details.get(name)!
  details.add('workflow p50 ms', quantile(measured.workflowMs, 0.5))
  details.add('workflow p99 ms', quantile(measured.workflowMs, 0.99))
  details.add('processes', measured.processes)
  details.add('errors', measured.errors)
  if (measured.stepMs.length > 0) details.add('step p50 ms', quantile(measured.stepMs, 0.5))
  // With one workflow in flight nothing shares a flush.
  if (measured.flushes !== undefined && one.inFlight === 1) details.add('flushes/step', measured.flushes / Math.max(1, measured.finished * stepsPerWorkflow))
}

export function formatCase(results: Results, one: CaseResult, withGoals: boolean): string {
  const lines = results.lines(one)
  const ofTroupe = median(one.rates.series('troupe')[0]!.samples)
  const header = [one.label, one.unit, '(least-most)', 'troupe is', 'first stage', 'goal', ...DETAILS]
  return formatColumns(header, lines.map(({ system, rates, details }) => {
    const { median: rate, min, max } = summarize(rates)
    const goals = one.inFlight === undefined || !withGoals ? undefined : goalsAgainst(system.name, one.inFlight)
    const times = ofTroupe / rate
    const judged = (least: number | undefined): string => least === undefined ? '' : `>= ${least}${times >= least ? '' : ' (missed)'}`
    return [
      system.title, formatNumber(rate), `(${formatNumber(min)}-${formatNumber(max)})`, system.name === 'troupe' ? '' : `${formatNumber(times)}x`,
      judged(goals?.firstStage), judged(goals?.goal), ...DETAILS.map(detail => formatDetail(details.median(detail))),
    ]
  }), 1)
}

function formatDetail(value: number): string {
  return Number.isNaN(value) ? '' : formatNumber(value)
}

/** The first columns stand left, the rest right. Empty columns are left out. */
export function formatColumns(header: readonly string[], lines: readonly (readonly string[])[], left: number): string {
  const kept = header.map((_, column) => column).filter(column => lines.some(line => line[column] !== ''))
  const widths = kept.map(column => Math.max(...[header, ...lines].map(line => line[column]!.length)))
  return [header, kept.map((_, at) => '-'.repeat(widths[at]!)), ...lines]
    .map((line, row) => kept.map((column, at) => {
      const text = row === 1 ? line[at]! : line[column]!
      return column < left ? text.padEnd(widths[at]!) : text.padStart(widths[at]!)
    }).join('  ').trimEnd())
    .join('\n')
}
