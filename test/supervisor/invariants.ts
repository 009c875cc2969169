/** What must hold of all runs after every step: memory and store say the same (I6), and every unfinished run has a cause to wake (I7). */
import { decodeWait } from '../../lib/codec/wait.ts'
import type { ToActor } from '../../lib/protocol/actor.ts'
import { isFinished } from '../../lib/model/run.ts'
import type { RunKey } from '../../lib/model/run.ts'
import type { Store, TimerRow } from '../../lib/store/contract.ts'
import { dueAtOf, runTimers } from '../../lib/supervisor/decision.ts'
import type { RunState } from '../../lib/supervisor/state.ts'
import { plain } from '../store/runs.ts'

export interface Observed {
  readonly store: Store
  readonly states: ReadonlyMap<RunKey, RunState>
  readonly actors: ReadonlyMap<RunKey, { readonly incarnation: number, readonly inbox: readonly ToActor[] }>
  readonly armed: readonly TimerRow[]
}

export function violations(observed: Observed): readonly string[] {
  const stored = new Map<RunKey, TimerRow[]>()
  for (const row of observed.store.scanTimers(undefined, 1e6)) stored.set(row.key, [...stored.get(row.key) ?? [], row])
  const queued = new Set(observed.store.scanQueue(undefined, 1e6).map(place => place.key))
  return [...observed.states.values()].flatMap(state => {
    const timers = stored.get(state.meta.key) ?? []
    return [...unlikeStore(state, observed.store, timers), ...isFinished(state.progress.status) ? [] : withoutCause(state, observed, queued)]
      .map(problem => `run ${state.meta.key} (${state.progress.status}): ${problem}`)
  })
}

function unlikeStore(state: RunState, store: Store, timers: readonly TimerRow[]): string[] {
  const { key } = state.meta
  const stored = store.loadRun(key)
  if (stored === undefined) return ['it is not in the store']
  const differs = (what: string, memory: unknown, inStore: unknown): string[] => {
    const [a, b] = [JSON.stringify(plain(memory)), JSON.stringify(plain(inStore))]
    return a === b ? [] : [`${what}: in memory ${a}, in the store ${b}`]
  }
  const byIndex = (a: readonly [number, unknown], b: readonly [number, unknown]): number => a[0] - b[0]
  const isOver = isFinished(state.progress.status)
  const expected = isOver ? [] : [
    ...runTimers(state.progress).map(({ slot, dueAtMs }) => `${slot} at ${dueAtMs}`),
    ...[...state.waits].flatMap(([index, wait]) => dueAtOf(wait) === undefined ? [] : [`${index} at ${dueAtOf(wait)}`]),
  ]
  return [
    ...differs('progress', state.progress, stored.progress),
    ...differs('journal', state.journalLength, stored.journalLength),
    ...differs('waits', [...state.waits].sort(byIndex), stored.waits.map(({ index, wait }) => [index, decodeWait(wait)])),
    ...differs('awaiters', [...state.awaiters].sort((a, b) => a.parent - b.parent || a.index - b.index), stored.awaiters),
    ...differs('timers', expected.sort(), timers.map(({ slot, dueAtMs }) => `${slot} at ${dueAtMs}`).sort()),
    ...(store.readOutcome(key) !== undefined) === isOver ? [] : [isOver ? 'it has no outcome' : 'it has an outcome'],
  ]
}

function withoutCause(state: RunState, { states, actors, armed }: Observed, queued: ReadonlySet<RunKey>): string[] {
  const { life, progress, meta: { key } } = state
  if ((life.type === 'queued') !== queued.has(key)) return [`it is ${life.type} in memory and ${queued.has(key) ? '' : 'not '}in the store's queue`]
  if (life.type === 'queued') return []
  const isArmed = (slot: number, dueAtMs: number): boolean => armed.some(row => row.key === key && row.slot === slot && row.dueAtMs === dueAtMs)
  // Of a run that is being ended the deadline may have rung: its actor is told, and ends.
  const unarmed = progress.ending !== undefined && life.type === 'live' ? [] : runTimers(progress).filter(({ slot, dueAtMs }) => !isArmed(slot, dueAtMs)).map(({ slot }) => `timer ${slot} is not armed`)
  // A process that dies now must find it among those that were at work.
  if (state.running.size > 0 && progress.status !== 'running') return ['attempts of it are under way']
  if (life.type === 'live') {
    const actor = actors.get(key)
    if (actor?.incarnation !== progress.incarnation) return [...unarmed, 'its actor does not exist']
    const isWatched = life.mode === 'waiting' && actor.inbox.length === 0
    return isWatched && !causes(state, states, isArmed) ? [...unarmed, 'its actor waits for nothing'] : unarmed
  }
  const hasTimer = progress.startAtMs !== undefined || progress.respawnAtMs !== undefined
  return hasTimer || causes(state, states, isArmed) ? unarmed : [...unarmed, 'nothing will wake it']
}

/** A wait that a timer or an unfinished child will end. */
function causes(state: RunState, states: ReadonlyMap<RunKey, RunState>, isArmed: (slot: number, dueAtMs: number) => boolean): boolean {
  return [...state.waits].some(([index, wait]) => {
    if (wait.type !== 'child') return wait.dueAtMs !== undefined && isArmed(index, wait.dueAtMs)
    const child = states.get(wait.childKey)
    return child !== undefined && !isFinished(child.progress.status) && child.awaiters.some(row => row.parent === state.meta.key && row.index === index)
  })
}
