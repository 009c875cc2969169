/**
 * The pure core: what happens next to one run (I3). It reads no clock, no chance and no store; the shell persists what it
 * decides before anybody is told (I1), all in one commit (I6).
 */
import { assertNever } from '../invariant.ts'
import { isFinished } from '../model/run.ts'
import { childFinished, childStarted } from './decide-child.ts'
import { admit, passivate, passivated, passivationRefused, processDied, replay, requestEnd, respawnOrStart, resume, threadEnded } from './decide-life.ts'
import { eventArrived, eventAwaited, eventPublished, eventWaitBegan, messageArrived, messageSent, operationSettled, receiveCalled, streamEnded, streamWritten } from './decide-message.ts'
import { attemptFailed, attemptJudged, operationCompleted, operationDue, sleepCalled, stepStarted } from './decide-operation.ts'
import { finishDiverged, finishReported } from './decide-outcome.ts'
import { asked, release, waiting } from './decide-waiting.ts'
import { Draft } from './decision.ts'
import type { Decision, RunInput, RunPolicy } from './decision.ts'
import type { RunState } from './state.ts'
import { TIMER_SLOT } from '../store/contract.ts'

/** What is heard of a run that is finished, too. */
const FOR_FINISHED: ReadonlySet<RunInput['type']> = new Set(['resume-requested', 'awaiter-added', 'message-arrived'])

export function decide(state: RunState, input: RunInput, nowMs: number, policy: RunPolicy): Decision {
  const draft = new Draft(state, nowMs)
  if (!isFinished(state.progress.status) || FOR_FINISHED.has(input.type)) apply(draft, input, policy)
  if (policy.replaysEveryStep === true && draft.journalLength > state.journalLength) replay(draft)
  return draft.done()
}

function apply(draft: Draft, input: RunInput, policy: RunPolicy): void {
  switch (input.type) {
    // ---- the actor's facts ----
    case 'actor-started': return release(draft)
    case 'step-started': return stepStarted(draft, input)
    case 'operation-completed': return operationCompleted(draft, input)
    case 'attempt-failed': return attemptFailed(draft, input)
    case 'attempt-judged': return attemptJudged(draft, input)
    case 'sleep-called': return sleepCalled(draft, input)
    case 'child-called':
      asked(draft)
      if (draft.progress.ending === undefined) draft.words.push({ type: 'start-child', parent: draft.key, request: input })
      return
    case 'child-awaited':
      asked(draft)
      if (draft.progress.ending === undefined) draft.words.push({ type: 'find-child', parent: draft.key, index: input.index, childId: input.childId })
      return
    case 'message-sent': return messageSent(draft, input)
    case 'receive-called': return receiveCalled(draft, input)
    case 'event-published': return eventPublished(draft, input)
    case 'event-awaited': return eventAwaited(draft, input)
    case 'stream-written': return streamWritten(draft, input)
    case 'stream-ended': return streamEnded(draft, input)
    case 'run-completed': return finishReported(draft, 'succeeded', { type: 'result', value: input.result })
    case 'run-failed': return finishReported(draft, 'failed', { type: 'error', value: input.error })
    case 'run-diverged': return finishDiverged(draft, input, policy.version)
    case 'actor-waiting': return waiting(draft, input.heard)
    case 'actor-passivated': return passivated(draft)
    case 'passivation-refused': return passivationRefused(draft)
    case 'actor-stuck':
      draft.log('warn', 'actor-stuck', { seconds: input.seconds },
        `Run "${draft.state.meta.id}" has waited ${input.seconds} s on something that is neither a step nor a durable operation, and holds its ` +
        'place on a thread meanwhile. Await such things inside a step.')
      return
    // ---- what the supervisor learned otherwise ----
    case 'run-admitted': return admit(draft, input.threadId)
    case 'timer-due': return timerDue(draft, input.slot, input.dueAtMs)
    case 'child-started': return childStarted(draft, input)
    case 'operation-settled': return operationSettled(draft, input)
    case 'message-arrived': return messageArrived(draft, input)
    case 'event-wait-began': return eventWaitBegan(draft, input)
    case 'event-arrived': return eventArrived(draft, input)
    case 'child-finished': return childFinished(draft, input)
    case 'awaiter-added': return awaiterAdded(draft, input)
    case 'awaiter-gone': return awaiterGone(draft, input)
    case 'end-requested': return requestEnd(draft, input)
    case 'resume-requested': return resume(draft, input.forget)
    case 'thread-ended': return threadEnded(draft, input, policy)
    case 'actor-vanished':
      return threadEnded(draft, { type: 'thread-ended', alone: true, culprit: undefined, problem: 'let its actor go without a last word', deliberate: false }, policy)
    case 'process-died': return processDied(draft)
    case 'passivation-wanted': return passivate(draft, input.force)
    default: assertNever(input)
  }
}

function timerDue(draft: Draft, slot: number, dueAtMs: number): void {
  const { progress } = draft
  if (slot >= 0) return operationDue(draft, slot, dueAtMs)
  switch (slot) {
    case TIMER_SLOT.start:
      if (progress.startAtMs === dueAtMs) respawnOrStart(draft, slot)
      return
    case TIMER_SLOT.respawn:
      if (progress.respawnAtMs === dueAtMs) respawnOrStart(draft, slot)
      return
    case TIMER_SLOT.deadline:
      if (progress.deadlineAtMs === dueAtMs) requestEnd(draft, { reason: 'timed-out', graceMs: DEADLINE_GRACE_MS })
  }
}

/** How long the actor of a run whose time is up may take to stop by itself. */
const DEADLINE_GRACE_MS = 5000

function awaiterGone(draft: Draft, { parent, index }: RunInput & { type: 'awaiter-gone' }): void {
  const left = draft.awaiters.filter(awaiter => awaiter.parent !== parent || awaiter.index !== index)
  if (left.length === draft.awaiters.length) return
  draft.awaiters = left
  draft.changes.push({ type: 'awaiter-removed', child: draft.key, parent, index })
}

function awaiterAdded(draft: Draft, input: RunInput & { type: 'awaiter-added' }): void {
  const { awaiter } = input
  if (isFinished(draft.progress.status)) {
    // The shell reads the outcome where the state does not hold it.
    if (awaiter.event !== undefined) draft.words.push({ type: 'to-run', key: awaiter.parent, input: { type: 'event-arrived', index: awaiter.index, value: undefined } })
    else if (draft.outcome !== undefined) draft.words.push({ type: 'to-run', key: awaiter.parent, input: { type: 'child-finished', index: awaiter.index, outcome: draft.outcome } })
    return
  }
  if (draft.awaiters.some(known => known.parent === awaiter.parent && known.index === awaiter.index)) return
  draft.awaiters = [...draft.awaiters, awaiter]
  draft.changes.push({ type: 'awaiter-added', child: draft.key, ...awaiter })
}
