/** Which changes of a commit are refused, for every store alike: runs whose id is taken, and what only a bug can ask for. */
import { InternalError } from '../errors.ts'
import type { RunKey } from '../model/run.ts'
import type { Change, ChangeResult, RunMeta } from './contract.ts'
import { assertStorable } from './names.ts'

const NONE: ReadonlyMap<RunKey, ChangeResult> = new Map()

/**
 * The refused runs, each with the answer that all changes bearing its key get. The first of two starts with one id in a
 * commit goes through, if the store has no run of that id, or deletes it by an earlier change of the commit.
 * @throws InternalError a name that cannot be a key, a run started twice, or a run deleted that is not there or changes as well
 */
export function refusedRuns(changes: readonly Change[], findRun: (id: string) => RunKey | undefined): ReadonlyMap<RunKey, ChangeResult> {
  let refused: Map<RunKey, ChangeResult> | undefined
  /** Who has an id after the changes so far, where they say anything of it. */
  let holders: Map<string, RunKey | undefined> | undefined
  let deleted: Set<RunKey> | undefined
  for (const change of changes) {
    if (change.type === 'run-started') {
      const { id, key } = change.meta
      assertStorableMeta(change.meta)
      holders ??= new Map()
      const holder = holders.get(id) ?? (change.idIsNew === true || holders.has(id) ? undefined : findRun(id))
      if (holder === key) throw new InternalError({ problem: `run ${key} ("${id}") was to be started twice` })
      if (holder === undefined) holders.set(id, key)
      else (refused ??= new Map()).set(key, { type: 'already-started', key: holder })
    } else if (change.type === 'run-deleted') {
      const { id, key } = change.meta
      holders ??= new Map()
      if (holders.has(id) || findRun(id) !== key) throw new InternalError({ problem: `run ${key} ("${id}") was to be deleted and is not there` })
      holders.set(id, undefined)
      ;(deleted ??= new Set()).add(key)
    } else if (change.type !== 'entry-appended') assertStorableNames(change)
  }
  if (deleted !== undefined) assertNothingElseOf(deleted, changes)
  return refused ?? NONE
}

/** The answer to a change that is left out because it bears a refused run's key. */
export function refusalOf(change: Change, refused: ReadonlyMap<RunKey, ChangeResult>): ChangeResult | undefined {
  const run = runOf(change)
  const refusal = run === undefined ? undefined : refused.get(run)
  if (refusal === undefined && (change.type === 'awaiter-added' || change.type === 'awaiter-removed')) return refused.get(change.parent)
  return refusal
}

export const APPLIED: ChangeResult = Object.freeze({ type: 'applied' })
export const STARTED: ChangeResult = Object.freeze({ type: 'started' })

/** The run whose rows a change writes. */
function runOf(change: Change): RunKey | undefined {
  switch (change.type) {
    case 'run-started':
    case 'run-changed':
    case 'run-deleted': return change.meta.key
    case 'awaiter-added':
    case 'awaiter-removed': return change.child
    case 'start-counted':
    case 'start-uncounted': return change.start.key
    case 'setting-put':
    case 'setting-removed': return undefined
    case 'outcome-recorded':
    case 'outcome-forgotten':
    case 'entry-appended':
    case 'entries-forgotten':
    case 'wait-recorded':
    case 'wait-removed':
    case 'timer-set':
    case 'timer-cleared':
    case 'message-stored':
    case 'message-removed':
    case 'event-set':
    case 'stream-appended':
    case 'stream-closed': return change.key
  }
}

/** The starts of a deleted run are its queue's, so they may change along. */
function assertNothingElseOf(deleted: ReadonlySet<RunKey>, changes: readonly Change[]): void {
  for (const change of changes) {
    const run = runOf(change)
    if (run === undefined || !deleted.has(run)) continue
    if (change.type === 'run-deleted' || change.type === 'start-counted' || change.type === 'start-uncounted') continue
    throw new InternalError({ problem: `"${change.type}" of run ${run} was to be in the commit that deletes it` })
  }
}

function assertStorableMeta({ id, workflow, queue, deduplicationId, tags }: RunMeta): void {
  assertStorable('run id', id)
  assertStorable('workflow', workflow)
  for (const name in tags) {
    assertStorable('tag', name)
    if (tags[name] !== '') assertStorable('value of a tag', tags[name]!)
  }
  if (queue !== undefined) assertStorable('queue', queue)
  if (deduplicationId !== undefined) assertStorable('deduplication id', deduplicationId)
}

/** Of what is part of a key, or as good as one. */
function assertStorableNames(change: Change): void {
  if (change.type === 'awaiter-added') {
    if (change.event !== undefined) assertStorable('event', change.event)
  } else if (change.type === 'message-stored') {
    if (change.idempotencyKey !== undefined) assertStorable('idempotency key', change.idempotencyKey)
    if (change.row.topic !== undefined) assertStorable('topic', change.row.topic)
  } else if ('stream' in change) assertStorable('stream', change.stream)
  else if ('start' in change) assertStorable('queue', change.start.queue)
  else if ('name' in change) assertStorable('name', change.name)
}
