/** What a test may watch of a supervisor, and break in it; nothing of this is set otherwise. */
import type { ToSupervisor } from '../protocol/actor.ts'
import type { RunPolicy } from './decision.ts'
import type { Shell, ShellParts } from './shell.ts'

export interface Probe {
  /** The time of the test's clock, shared with the threads. */
  readonly time?: SharedArrayBuffer
  /** Runs are spawned anew after each operation that is recorded. */
  readonly replaysEveryStep?: boolean
  /** Given the parts of a supervisor before it does anything. */
  watch?(parts: ShellParts): void
  /** Asked of all that actors say; true: this is lost, and the thread crashes. */
  crashesAt?(runId: string, fact: ToSupervisor): boolean
}

export function policyFor(probe: Probe | undefined, policy: RunPolicy): RunPolicy {
  return probe?.replaysEveryStep === true ? { ...policy, replaysEveryStep: true } : policy
}

/** Nothing happens any more unless time passes or somebody asks for something. */
export function isStill({ commits, pool, runs }: ShellParts, { children }: Shell): boolean {
  if (!commits.isStill || !children.isStill) return false
  let actors = 0
  for (const { life } of runs.live()) {
    if (life.type !== 'live' || life.mode !== 'waiting') return false
    actors++
  }
  return pool.isStill(actors)
}

/** Ids of runs whose actors do not merely wait. */
export function runsAtWork({ runs }: ShellParts): readonly string[] {
  return [...runs.live()].filter(({ life }) => life.type === 'live' && life.mode !== 'waiting').map(({ meta }) => meta.id)
}
