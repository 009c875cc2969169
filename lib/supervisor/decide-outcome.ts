/** Decisions that end a run. */
import { encodeError } from '../codec/error.ts'
import { NondeterminismError, RunCancelledError, RunTimeoutError } from '../errors.ts'
import type { FinishedStatus } from '../model/run.ts'
import type { ToSupervisor } from '../protocol/actor.ts'
import type { Outcome } from '../store/contract.ts'
import { dueAtOf, runTimers } from './decision.ts'
import type { Draft } from './decision.ts'
import { tellAwaiters } from './decide-message.ts'
import { ABSENT } from './state.ts'

/** The workflow's own word on how it ended; a run that was being ended does not succeed any more. */
export function finishReported(draft: Draft, status: FinishedStatus, outcome: Outcome): void {
  if (draft.progress.ending !== undefined) finishEnded(draft)
  else finish(draft, status, outcome)
}

export function finishDiverged(draft: Draft, fact: ToSupervisor & { type: 'run-diverged' }, version: string | undefined): void {
  const { index, recorded, called } = fact
  const { id, version: startedWith } = draft.state.meta
  const explanation = startedWith === undefined || version === undefined || startedWith === version ? undefined
    : `It was started by version ${startedWith} of its workflow's module, and that is now version ${version}.`
  const error = new NondeterminismError({ runId: id, index, recorded, called, explanation })
  draft.log('error', 'run-diverged', { index, recorded, called }, error.message)
  finish(draft, 'quarantined', { type: 'error', value: encodeError(error) })
}

/** As its cancel or its deadline wanted. */
export function finishEnded(draft: Draft): void {
  const isCancel = draft.progress.ending?.reason === 'cancelled'
  finish(draft, isCancel ? 'cancelled' : 'failed', { type: 'error', value: encodeError(endingError(draft)) })
}

export function endingError(draft: Draft): RunCancelledError | RunTimeoutError {
  const { id, timeoutMs } = draft.state.meta
  return draft.progress.ending?.reason === 'timed-out'
    ? new RunTimeoutError({ runId: id, timeoutSeconds: (timeoutMs ?? 0) / 1000 })
    : new RunCancelledError({ runId: id })
}

/** The outcome, the timers, the queue place and the word to those who wait for it move together (I6). */
export function finish(draft: Draft, status: FinishedStatus, outcome: Outcome): void {
  for (const { slot, dueAtMs } of runTimers(draft.progress)) draft.clearTimer(slot, dueAtMs)
  const waits = new Map(draft.state.waits)
  for (const [index, wait] of draft.waits) {
    if (wait === undefined) waits.delete(index)
    else waits.set(index, wait)
  }
  for (const [index, wait] of waits) {
    const dueAtMs = dueAtOf(wait)
    if (dueAtMs !== undefined) draft.clearTimer(index, dueAtMs)
    // What a succeeded run left behind (the losers of its races) is nobody's any more; others may be resumed.
    if (status !== 'succeeded') continue
    draft.waits.push([index, undefined])
    draft.changes.push({ type: 'wait-removed', key: draft.key, index })
  }
  draft.outcome = outcome
  draft.changes.push({ type: 'outcome-recorded', key: draft.key, outcome })
  tellAwaiters(draft, undefined, undefined)
  for (const { parent, index } of draft.awaiters) {
    draft.changes.push({ type: 'awaiter-removed', child: draft.key, parent, index })
    draft.words.push({ type: 'to-run', key: parent, input: { type: 'child-finished', index, outcome } })
  }
  draft.awaiters = []
  draft.set({ status, finishedAtMs: draft.nowMs, deadlineAtMs: undefined, startAtMs: undefined, respawnAtMs: undefined, ending: undefined, holdsPlace: undefined })
  draft.life = ABSENT
  draft.effects.push({ type: 'settle-waiters' })
}
