/** What a bench measures, and the few sums that are made of it. */

/** Samples of one contestant, one a round, in the order in which they were taken. */
export interface Series {
  readonly name: string
  readonly samples: readonly number[]
}

/** What is to be reached by the ratio of the medians of two series. */
export type Goal = { readonly atLeast: number } | { readonly atMost: number }

export interface Ratio {
  readonly of: string
  readonly to: string
  readonly goal?: Goal
}

/** What is to be reached by the median of one series itself. */
export type FigureGoal = Goal & { readonly of: string }

/** Where a row stands on a curve. */
export interface Place {
  /** What changes from row to row, with its unit: `actors a thread`. */
  readonly axis: string
  readonly x: number
}

/** One case of a bench. */
export interface Row {
  readonly label: string
  readonly unit: string
  readonly series: readonly Series[]
  readonly ratio?: Ratio
  readonly goals?: readonly FigureGoal[]
  readonly places?: readonly Place[]
  /** What else is worth knowing about the case, such as steps per commit: medians over the rounds. */
  readonly details?: Readonly<Record<string, number>>
}

export interface Summary {
  readonly median: number
  readonly min: number
  readonly max: number
}

/** The value at `share` (0..1) of the sorted samples, between two neighbours where it falls between them. NaN for none. */
export function quantile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b)
  const at = (sorted.length - 1) * share
  const below = sorted[Math.floor(at)]
  const above = sorted[Math.ceil(at)]
  if (below === undefined || above === undefined) return Number.NaN
  return below + (above - below) * (at - Math.floor(at))
}

export function median(samples: readonly number[]): number {
  return quantile(samples, 0.5)
}

export function summarize(samples: readonly number[]): Summary {
  return { median: median(samples), min: Math.min(...samples), max: Math.max(...samples) }
}

export function medianOf(series: readonly Series[], name: string): number {
  return median(series.find(candidate => candidate.name === name)?.samples ?? [])
}

/** The ratio of the medians; undefined where the row compares nothing. */
export function ratioOf({ series, ratio }: Pick<Row, 'series' | 'ratio'>): number | undefined {
  if (ratio === undefined) return undefined
  return medianOf(series, ratio.of) / medianOf(series, ratio.to)
}

export function isReached(ratio: number, goal: Goal): boolean {
  return 'atLeast' in goal ? ratio >= goal.atLeast : ratio <= goal.atMost
}

/** Collects samples by name, and keeps the order in which the names first came. */
export class Samples {
  readonly #byName = new Map<string, number[]>()

  add(name: string, sample: number): void {
    const samples = this.#byName.get(name)
    if (samples === undefined) this.#byName.set(name, [sample])
    else samples.push(sample)
  }

  series(...names: readonly string[]): Series[] {
    return names.map(name => ({ name, samples: this.#byName.get(name) ?? [] }))
  }

  get names(): readonly string[] {
    return [...this.#byName.keys()]
  }

  median(name: string): number {
    return median(this.#byName.get(name) ?? [])
  }
}
