/** Axes: where a value stands, and which round values are written beside it. */

export interface Scale {
  readonly isLogarithmic: boolean
  readonly ticks: readonly number[]
  /** From 0 to 1. */
  at(value: number): number
}

/** Values this far apart share an axis only by their orders of magnitude. */
const LOG_FROM = 40

export function scaleFor(values: readonly number[], { zero = true }: { readonly zero?: boolean } = {}): Scale {
  const shown = values.filter(value => Number.isFinite(value))
  const most = Math.max(...shown, 0)
  const least = Math.min(...shown, most)
  if (least > 0 && most / least > LOG_FROM) return logarithmic(least, most)
  const ticks = linearTicks(zero ? Math.min(0, least) : least, most > least || zero ? most : most + 1)
  const from = Math.min(ticks[0]!, zero ? 0 : least)
  const to = Math.max(ticks.at(-1)!, most)
  return { isLogarithmic: false, ticks, at: value => (value - from) / (to - from || 1) }
}

function logarithmic(least: number, most: number): Scale {
  const from = Math.floor(Math.log10(least))
  const to = Math.ceil(Math.log10(most))
  const decades = Array.from({ length: to - from + 1 }, (_, index) => 10 ** (from + index))
  // The ends of the axis are near the values; decades outside are left out.
  const low = Math.max(Math.log10(least) - 0.1, from)
  const high = Math.min(Math.log10(most) + 0.1, to)
  const ticks = decades.filter(tick => Math.log10(tick) >= low - 1e-9 && Math.log10(tick) <= high + 1e-9)
  return { isLogarithmic: true, ticks, at: value => (Math.log10(value) - low) / (high - low || 1) }
}

/** Some five round values. */
function linearTicks(from: number, to: number): readonly number[] {
  const rough = (to - from) / 4 || 1
  const unit = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 2.5, 5, 10].map(factor => factor * unit).find(candidate => candidate >= rough) ?? rough
  const ticks: number[] = []
  for (let tick = Math.ceil(from / step) * step; tick <= to + step * 0.999; tick += step) ticks.push(Math.round(tick / step) * step)
  return ticks
}

/** Short: 1.2k, 3M. */
export function formatTick(value: number): string {
  const size = Math.abs(value)
  if (size >= 1e9) return `${trim(value / 1e9)}G`
  if (size >= 1e6) return `${trim(value / 1e6)}M`
  if (size >= 1000) return `${trim(value / 1000)}k`
  return trim(value)
}

function trim(value: number): string {
  return String(Number(value.toPrecision(3)))
}
