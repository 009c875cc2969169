/** What must be true of a supervisor's memory, held against the store and the threads (I6, I7, I8, G5). */
import { decodeWait } from '../../lib/codec/wait.ts'
import { isFinished } from '../../lib/model/run.ts'
import type { RunKey } from '../../lib/model/run.ts'
import type { Store, StoredRun, TimerRow } from '../../lib/store/contract.ts'
import type { ShellParts } from '../../lib/supervisor/shell.ts'
import type { RunState } from '../../lib/supervisor/state.ts'
import { plain } from '../store/runs.ts'
import type { Ledger } from './ledger.ts'
import type { SimulatedPool } from './pool.ts'
import type { Schedule } from './schedule.ts'
import { unwoken } from './store-checks.ts'
import type { Image } from './store-checks.ts'

export interface Memory {
  readonly parts: ShellParts
  readonly pool: SimulatedPool
  readonly store: Store
  readonly schedule: Schedule
  readonly ledger: Ledger
  /** When the store last refused a commit, or took commits again. */
  readonly refusedAtMs: number
  /** Timers that this supervisor has ever armed. */
  readonly armed: ReadonlySet<string>
}

export function timerName({ key, slot, dueAtMs }: TimerRow): string {
  return `${key} ${slot} ${dueAtMs}`
}

/** What is decided is decided about the state that is in memory, never about one that was let go, or that another has taken the place of. */
export function watchStates({ runs }: ShellParts, wrong: (problem: string) => void): void {
  const touch = runs.touch.bind(runs)
  runs.touch = state => {
    if (runs.loaded(state.meta.key) !== state) wrong(`something was decided about run ${state.meta.id} (${state.meta.key}, ${state.progress.status}) by a state of it that is not in memory any more (I6)`)
    touch(state)
  }
}

/** After every step: a run has one actor at most, and its threads no more than they may. */
export function livingProblems({ parts, pool }: Memory): string[] {
  const problems: string[] = []
  const lives = new Map<RunKey, number>()
  for (const thread of pool.living) {
    if (thread.actors.size > parts.actorsPerThread) problems.push(`thread ${thread.id} has ${thread.actors.size} actors, and ${parts.actorsPerThread} may be (I8)`)
    for (const [key, actor] of thread.actors) if (!actor.isEnded) lives.set(key, (lives.get(key) ?? 0) + 1)
  }
  for (const [key, count] of lives) if (count > 1) problems.push(`run ${key} has ${count} actors (G5)`)
  return problems
}

/** All that was decided is durable: memory and store are one (I6), and each unfinished run has its cause in memory, too (I7). */
export function settledProblems(memory: Memory, image: Image): string[] {
  const { parts, store, armed } = memory
  return [...image.runs.values()].flatMap(run => {
    const { key, id } = run.meta
    const state = parts.runs.loaded(key)
    const problems = state === undefined ? [] : differences(state, run, store)
    if (!isFinished(run.progress.status)) {
      if (state === undefined && run.progress.status === 'running') problems.push('it is at work, and not in memory (I7)')
      if (state?.life.type === 'live' && memory.pool.threadOf(key, run.progress.incarnation) === undefined) problems.push('its actor does not exist (I7)')
      if (state !== undefined && state.life.type !== 'queued' && run.progress.status === 'enqueued') problems.push(`it is enqueued, and ${state.life.type} in memory (I7)`)
      if (state?.life.type === 'absent' && run.progress.status === 'running') problems.push('it is at work without an actor (I7)')
      for (const row of image.timers.get(key) ?? []) if (!armed.has(timerName(row))) problems.push(`timer ${row.slot} at ${row.dueAtMs} is not armed (I7)`)
    }
    return problems.map(problem => `run ${id} (${key}, ${run.progress.status}): ${problem}`)
  })
}

function differences(state: RunState, stored: StoredRun, store: Store): string[] {
  const differs = (what: string, memory: unknown, inStore: unknown): string[] => {
    const [a, b] = [JSON.stringify(plain(memory)), JSON.stringify(plain(inStore))]
    return a === b ? [] : [`${what}: in memory ${a}, in the store ${b} (I6)`]
  }
  return [
    ...differs('progress', state.progress, stored.progress),
    ...differs('journal', state.journalLength, stored.journalLength),
    ...differs('waits', [...state.waits].sort(([a], [b]) => a - b), stored.waits.map(({ index, wait }) => [index, decodeWait(wait)])),
    ...differs('awaiters', [...state.awaiters].sort((a, b) => a.parent - b.parent || a.index - b.index), stored.awaiters),
    ...differs('messages', state.messages, stored.messages),
    ...[...state.streams].flatMap(([name, { length, closed }]) => {
      const page = store.readStream(state.meta.key, name, 0, 0)
      return differs(`stream ${name}`, { length, closed }, { length: page.length, closed: page.closed })
    }),
  ]
}

/** Nothing is on its way and nothing is due: whoever does not move now moves only when time passes or somebody asks (I7). */
export function stillProblems(memory: Memory, image: Image): string[] {
  const { parts, pool, schedule } = memory
  const problems: string[] = []
  const actors = new Map(pool.living.flatMap(thread => [...thread.actors]))
  // Code of runs that are finished, or deleted, keeps threads busy, too.
  const isBusy = memory.ledger.isExecutingAny
    // Who was kept because its thread has something open is asked again after a second.
    || schedule.passedMs - pool.keptAtMs < 1500
  for (const run of image.runs.values()) {
    const { meta: { key, id }, progress } = run
    if (isFinished(progress.status)) continue
    const state = parts.runs.loaded(key)
    const wrong = (problem: string): void => { problems.push(`all is still, and run ${id} (${key}, ${progress.status}): ${problem}`) }
    if (state?.life.type === 'live') {
      const actor = actors.get(key)
      if (actor === undefined) wrong('its actor is gone, and nobody knows (I7)')
      else if (!memory.ledger.isExecuting(id)) {
        const waits = run.waits.map(({ index, wait }) => ({ index, wait: decodeWait(wait) }))
        if (progress.ending !== undefined) wrong('it is being ended, and does not end (I7)')
        for (const problem of unwoken(run, waits, memory.store, image)) wrong(problem)
        if (state.life.mode !== 'waiting') wrong(`it merely waits, and counts as ${state.life.mode}`)
      }
    } else if (progress.status === 'enqueued') {
      const { queue, queueKey } = run.meta
      // Whose rate the clock has set free just now is looked at within a minute.
      const isHeld = queue !== undefined && progress.holdsPlace !== true && (parts.queues.bound(queue, queueKey) !== 'free' || schedule.wasJustSet)
      if (!isBusy && !isHeld && pool.threadOf(key) === undefined && parts.starts.isKnown(run.meta.workflow)) wrong('it is in the queue, there is room, and it is not admitted (I7)')
    }
    if (state?.life.type === 'live') continue
    for (const { slot, dueAtMs } of image.timers.get(key) ?? []) {
      const isPast = dueAtMs <= schedule.nowMs && !schedule.wasJustSet
      // Timers that ring while the store refuses are held back, and looked at again a little later.
      if (isPast && schedule.nextRingMs - memory.refusedAtMs > 1000 && progress.status !== 'enqueued' && progress.respawnAtMs === undefined) wrong(`timer ${slot} was due at ${dueAtMs}, and nothing came of it (I7)`)
    }
  }
  return problems
}
