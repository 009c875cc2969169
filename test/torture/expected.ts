/** What the workflows of the torture come to, by plain arithmetic; undefined: it depends on what was done to the run. */
import { digest } from '../fixtures/torture/digest.ts'

const upTo = (count: number): number => count * (count - 1) / 2
const childSum = (children: number): number => 1 + upTo(children) + children

const VALUES: Readonly<Record<string, (...args: never[]) => unknown>> = {
  ledger: (length: number, start: number) => start + upTo(length),
  fan: (branches: number) => 3 * (upTo(branches) + branches),
  sleeper: (naps: number) => [naps, true],
  family: childSum,
  clan: (families: number) => Array.from({ length: families }, (_, i) => childSum(i)).reduce((a, b) => a + b, 0),
  bulky: (bytes: number) => [digest(Buffer.alloc(bytes, 7).toString('latin1')), 2 * bytes],
  values: () => 2,
  pair: (count: number) => [Array.from({ length: count }, (_, i) => i * 10), upTo(count), 'no more'],
  echoes: (_: string, count: number) => upTo(count),
  publisher: (count: number) => count,
  watcher: (count: number) => [count - 1, count, 'never set'],
  queued: (n: number) => n,
  long: (rounds: number) => rounds,
  stubborn: () => 'passed',
  tick: () => 'tock',
}

/** What result() says of a value, and of an error. */
export const ofValue = (value: unknown): string => `value ${JSON.stringify(value)}`
export const ofError = (name: string): string => `error ${name}`

export function expectedOutcome(workflow: string, args: readonly unknown[]): string | undefined {
  if (workflow === 'doomed') return args[0] === true ? ofValue(1) : ofError('PlannedError')
  const value = VALUES[workflow]
  return value === undefined ? undefined : ofValue(value(...args as never[]))
}
