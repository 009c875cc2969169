/** Decisions on the lives of a run's actor: admission, passivation, crashes, recovery, ending, resuming. */
import { encodeError } from '../codec/error.ts'
import { RunQuarantinedError, StepCrashedError, StepTimeoutError } from '../errors.ts'
import { CAREFUL_AFTER_DEATHS, judgeCrash, MAX_PROCESS_DEATHS } from '../model/respawn.ts'
import { isFinished } from '../model/run.ts'
import { TIMER_SLOT } from '../store/contract.ts'
import { backOff, tellDueAttempts } from './decide-operation.ts'
import { endingError, finish, finishEnded } from './decide-outcome.ts'
import { dueAtOf } from './decision.ts'
import type { Draft, RunPolicy, ThreadEnded } from './decision.ts'
import { ABSENT } from './state.ts'
import type { RunningStep } from './state.ts'

/** A thread was found for it: a new life begins. */
export function admit(draft: Draft, threadId: number): void {
  const { progress, state: { meta } } = draft
  const startedAtMs = progress.startedAtMs ?? draft.nowMs
  const deadlineAtMs = meta.timeoutMs === undefined ? undefined : progress.deadlineAtMs ?? draft.nowMs + meta.timeoutMs
  draft.set({
    status: 'running', incarnation: progress.incarnation + 1, startedAtMs, ...(meta.queue !== undefined && { holdsPlace: true }), ...(deadlineAtMs !== undefined && { deadlineAtMs }) ,
  })
  if (deadlineAtMs !== undefined && progress.deadlineAtMs === undefined) draft.setTimer(TIMER_SLOT.deadline, deadlineAtMs)
  // The incarnation is counted before the spawn: if spawning dies half-way, the half-born actor must be stale (I2).
  draft.effects.push({ type: 'spawn-actor', threadId, incarnation: draft.progress.incarnation })
  draft.life = { type: 'live', threadId, mode: 'spawning', told: 0, held: [], asking: 0, waitsAfter: undefined }
  tellDueAttempts(draft)
}

export function passivate(draft: Draft, force: boolean): void {
  const { life } = draft
  if (life.type !== 'live' || life.mode !== 'waiting') return
  draft.send(life, { type: 'passivate', force })
  if (draft.life.type === 'live') draft.life = { ...draft.life, mode: 'passivating' }
}

export function passivated(draft: Draft): void {
  const { life } = draft
  if (life.type !== 'live') return
  draft.life = ABSENT
  if (draft.progress.ending !== undefined) finishEnded(draft)
  // Something came while it was being let go: it must live again for that (I7).
  else if (life.held.length > 0 || draft.progress.status === 'running') draft.enqueue()
}

export function passivationRefused(draft: Draft): void {
  const { life } = draft
  if (life.type !== 'live' || life.mode !== 'passivating') return
  draft.life = { ...life, mode: 'active', held: [] }
  if (draft.progress.status === 'waiting') draft.set({ status: 'running' })
  for (const order of life.held) draft.tell(order)
}

/** A delay is over: that of a start, or of a respawn. */
export function respawnOrStart(draft: Draft, slot: number): void {
  const { startAtMs, respawnAtMs } = draft.progress
  const dueAtMs = slot === TIMER_SLOT.start ? startAtMs : respawnAtMs
  if (dueAtMs === undefined) return
  draft.clearTimer(slot, dueAtMs)
  draft.set(slot === TIMER_SLOT.start ? { startAtMs: undefined } : { respawnAtMs: undefined })
  draft.enqueue()
}

/** Something was recorded, and is to be seen by a new life alone; not while a step is under way, which would have to run again. */
export function replay(draft: Draft): void {
  const { life, progress, state } = draft
  if (life.type !== 'live' || (life.mode !== 'active' && life.mode !== 'waiting') || progress.ending !== undefined) return
  const running = new Map<number, unknown>([...state.running, ...draft.running])
  for (const step of running.values()) if (step !== undefined) return
  draft.send(life, { type: 'abandon' })
  draft.life = { ...draft.life as typeof life, mode: 'passivating' }
  if (progress.status === 'waiting') draft.set({ status: 'running' })
}

// ---- crashes ---------------------------------------------------------------------------------------------------------

/** The thread ended under its actor. Alone means guilty; among neighbours nobody is blamed. */
export function threadEnded(draft: Draft, input: ThreadEnded, policy: RunPolicy): void {
  const { state } = draft
  if (draft.life.type !== 'live') return
  draft.life = ABSENT
  const interrupted = [...state.running.keys()]
  for (const index of interrupted) draft.running.push([index, undefined])
  if (draft.progress.ending !== undefined) return finishEnded(draft)
  if (!input.deliberate) draft.set({ crashes: draft.progress.crashes + 1 })
  // It merely waited, and goes on waiting without a thread: it is spawned again when something comes for it.
  const merelyWaited = draft.progress.status === 'waiting'
  if (input.timedOut !== undefined && state.running.has(input.timedOut)) return timedOutInStep(draft, input.timedOut)
  if (input.deliberate && input.isSuspect === true && !merelyWaited) {
    draft.set({ suspect: true })
    draft.trouble('warn', 'run-suspected', { problem: input.problem },
      'its thread did not answer and was ended, because of its code or because of another run\'s there. Nobody is blamed: it goes on from its last checkpoint, alone on a thread.')
  }
  if (input.deliberate || (!input.alone && merelyWaited)) return merelyWaited ? undefined : draft.enqueue()
  if (!input.alone) {
    draft.set({ suspect: true })
    draft.trouble('warn', 'run-respawned', { problem: input.problem },
      `its thread ${input.problem}, while other runs were on it, too. Nobody is blamed: it goes on from its last checkpoint, alone on a thread.`)
    return draft.enqueue()
  }
  // Of several attempts under way the one that is named, else the one begun last, had the thread.
  const culprit = input.culprit !== undefined && state.running.has(input.culprit) ? input.culprit : interrupted.at(-1)
  if (culprit === undefined) crashedOutsideSteps(draft, input.problem, policy)
  else crashedInStep(draft, culprit, input.problem)
}

/** A failed attempt, to which the step's own policy applies: it is asked when the actor lives again. */
function crashedInStep(draft: Draft, index: number, problem: string): void {
  const step = draft.state.running.get(index)!
  const { attempt } = step
  failAttempt(draft, index, step, new StepCrashedError({ stepName: step.name, problem }))
  draft.trouble('warn', 'step-crashed', { step: step.name, index, attempt, problem },
    `attempt ${attempt} of step "${step.name}" crashed: its thread ${problem}. It counts as a failed attempt, to which the step's retry policy applies.`)
  draft.enqueue()
}

/** Its code did not yield, so that its thread was ended: what its thread could not say is said here. The next attempt has a thread of its own. */
function timedOutInStep(draft: Draft, index: number): void {
  const step = draft.state.running.get(index)!
  failAttempt(draft, index, step, new StepTimeoutError({ stepName: step.name, timeoutSeconds: (step.timeoutMs ?? 0) / 1000, attempt: step.attempt }))
  draft.set({ suspect: true })
  draft.trouble('warn', 'step-timed-out', { step: step.name, index, attempt: step.attempt },
    `attempt ${step.attempt} of step "${step.name}" took longer than its timeoutSeconds of ${(step.timeoutMs ?? 0) / 1000} and did not yield: its thread was ended. ` +
    'It counts as a failed attempt, to which the step\'s retry policy applies; the next one is made alone on a thread.')
  draft.enqueue()
}

function failAttempt(draft: Draft, index: number, { name, attempt, startedAtMs }: RunningStep, error: Error): void {
  const earlier = draft.state.waits.get(index)
  backOff(draft, index, {
    name,
    startedAtMs: earlier?.startedAtMs ?? startedAtMs,
    attempts: [...earlier?.type === 'retry' ? earlier.attempts : [], { attempt, startedAtMs, finishedAtMs: draft.nowMs, error: encodeError(error) }],
  }, undefined)
}

function crashedOutsideSteps(draft: Draft, problem: string, policy: RunPolicy): void {
  const verdict = judgeCrash(policy.respawn, draft.progress.crashesAtMs, draft.nowMs)
  draft.set({ crashesAtMs: verdict.crashesAtMs })
  if (verdict.type === 'quarantine') {
    quarantine(draft, verdict.crashesAtMs.length, problem)
    return
  }
  draft.trouble('warn', 'run-respawned', { problem, delayMs: verdict.delayMs },
    `its thread ${problem}, outside its steps: crash ${verdict.crashesAtMs.length} since its last checkpoint, of which it may have ${policy.respawn.maxRespawns}. ` +
    `It goes on from there ${verdict.delayMs === 0 ? 'at once' : `in ${verdict.delayMs} ms`}.`)
  if (verdict.delayMs === 0) return draft.enqueue()
  const respawnAtMs = draft.nowMs + verdict.delayMs
  draft.set({ status: 'waiting', respawnAtMs })
  draft.setTimer(TIMER_SLOT.respawn, respawnAtMs)
}

function quarantine(draft: Draft, crashes: number, problem: string): void {
  const error = new RunQuarantinedError({ runId: draft.state.meta.id, crashes, problem })
  draft.trouble('error', 'run-quarantined', { crashes, problem }, `its thread ${problem}: crash ${crashes} without progress. It is set aside until resume().`)
  finish(draft, 'quarantined', { type: 'error', value: encodeError(error) })
}

/** It ran when the process died. That blames nobody, unless it recurs without progress. */
export function processDied(draft: Draft): void {
  if (draft.progress.status !== 'running') return
  const processDeaths = draft.progress.processDeaths + 1
  draft.set({ crashes: draft.progress.crashes + 1, processDeaths })
  if (draft.progress.ending !== undefined) finishEnded(draft)
  else if (processDeaths >= MAX_PROCESS_DEATHS) quarantine(draft, processDeaths, 'died with its process')
  else {
    if (processDeaths >= CAREFUL_AFTER_DEATHS) {
      draft.trouble('warn', 'process-died', { processDeaths },
        `its process died ${processDeaths} times in a row while it was at work, without a checkpoint between. It goes on when no other such run is at work; ` +
        `after ${MAX_PROCESS_DEATHS} times it is set aside.`)
    }
    draft.enqueue()
  }
}

// ---- ending and resuming ---------------------------------------------------------------------------------------------

/** A cancel, or the run's deadline. Waits end at once; an actor is told, and its thread is ended if it does not stop. */
export function requestEnd(draft: Draft, request: { readonly reason: 'cancelled' | 'timed-out', readonly graceMs: number }): void {
  if (draft.progress.ending !== undefined) return
  const { reason, graceMs } = request
  draft.set({ ending: { reason, atMs: draft.nowMs, graceMs } })
  if (draft.life.type !== 'live') return finishEnded(draft)
  draft.tell({ type: 'end-run', error: encodeError(endingError(draft)) })
  draft.wake()
  draft.effects.push({ type: 'arm-grace', incarnation: draft.progress.incarnation, graceMs })
}

/** Back to work from the last checkpoint, with fresh attempts and respawns. */
export function resume(draft: Draft, forget: { readonly fromPosition: number, readonly index: number } | undefined): void {
  const { progress, state } = draft
  if (!isFinished(progress.status) || progress.status === 'succeeded') return
  draft.outcome = undefined
  draft.changes.push({ type: 'outcome-forgotten', key: draft.key })
  if (forget !== undefined) {
    const { fromPosition } = forget
    draft.changes.push({ type: 'entries-forgotten', key: draft.key, fromPosition })
    draft.journalLength = fromPosition
  }
  for (const [index, wait] of state.waits) {
    const dueAtMs = dueAtOf(wait)
    // A sleep keeps its wake time, unless it may have begun after what is forgotten (times do not tell: clocks are set), because then its end would
    // come before the actor has asked for it; attempts are fresh, and the actor asks anew for all else.
    const isKept = wait.type === 'sleep' && (forget === undefined || index < forget.index)
    if (isKept && dueAtMs !== undefined) draft.setTimer(index, dueAtMs)
    else {
      draft.waits.push([index, undefined])
      draft.changes.push({ type: 'wait-removed', key: draft.key, index })
    }
  }
  draft.set({ crashesAtMs: [], processDeaths: 0, suspect: false, finishedAtMs: undefined })
  draft.enqueue()
}
