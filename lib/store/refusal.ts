/** Which runs of a commit are refused because their id is taken, for every store alike. */
import { InternalError } from '../errors.ts'
import type { RunKey } from '../model/run.ts'
import type { Change, ChangeResult } from './contract.ts'
import { assertStorable } from './names.ts'

const NONE: ReadonlyMap<RunKey, ChangeResult> = new Map()

/**
 * The refused runs, each with the answer that all changes bearing its key get. The first of two starts with one id in a
 * commit goes through, if the store has no run of that id.
 */
export function refusedRuns(changes: readonly Change[], findRun: (id: string) => RunKey | undefined): ReadonlyMap<RunKey, ChangeResult> {
  let refused: Map<RunKey, ChangeResult> | undefined
  let started: Map<string, RunKey> | undefined
  for (const change of changes) {
    if (change.type !== 'run-started') continue
    const { id, key, queue, deduplicationId } = change.meta
    assertStorable('run id', id)
    if (queue !== undefined) assertStorable('queue', queue)
    if (deduplicationId !== undefined) assertStorable('deduplication id', deduplicationId)
    started ??= new Map()
    const holder = started.get(id) ?? findRun(id)
    if (holder === key) throw new InternalError({ problem: `run ${key} ("${id}") was to be started twice` })
    if (holder === undefined) started.set(id, key)
    else (refused ??= new Map()).set(key, { type: 'already-started', key: holder })
  }
  return refused ?? NONE
}

/** The answer to a change that is left out because it bears a refused run's key. */
export function refusalOf(change: Change, refused: ReadonlyMap<RunKey, ChangeResult>): ChangeResult | undefined {
  switch (change.type) {
    case 'run-started':
    case 'run-changed': return refused.get(change.meta.key)
    case 'awaiter-added':
    case 'awaiter-removed': return refused.get(change.child) ?? refused.get(change.parent)
    case 'outcome-recorded':
    case 'outcome-forgotten':
    case 'entry-appended':
    case 'entries-forgotten':
    case 'wait-recorded':
    case 'wait-removed':
    case 'timer-set':
    case 'timer-cleared': return refused.get(change.key)
  }
}

export const APPLIED: ChangeResult = Object.freeze({ type: 'applied' })
export const STARTED: ChangeResult = Object.freeze({ type: 'started' })
