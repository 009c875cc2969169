/** What tests of crashing threads share. */
import type { Test } from 'tap'
import { join } from 'node:path'
import type { Fact } from '../fixtures/crash/crashes.ts'
import { readTrace } from '../fixtures/trace.ts'

export const CRASHES = new URL('../fixtures/crash/crashes.js', import.meta.url)

export interface Places {
  readonly store: string
  /** What the workflows did. */
  readonly trace: string
  /** A file that some of them wait for. */
  readonly gate: string
}

export function placesOf(t: Test): Places {
  const folder = t.testdir({})
  return { store: join(folder, 'store'), trace: join(folder, 'trace'), gate: join(folder, 'gate') }
}

export function factsOf(trace: string): readonly Fact[] {
  return readTrace(trace) as readonly Fact[]
}

export function countOf(trace: string, what: string, run?: string): number {
  return factsOf(trace).filter(fact => fact.what === what && (run === undefined || fact.run === run)).length
}
