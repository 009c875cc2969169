/** Decisions on the durable operations of a run: steps, sleeps, values. */
import { encodeEntry } from '../codec/entry.ts'
import type { AttemptRecord } from '../codec/entry.ts'
import type { Encoded } from '../codec/encoded.ts'
import type { Wait } from '../codec/wait.ts'
import type { ToSupervisor } from '../protocol/actor.ts'
import { MOVED_FROM_BYTES } from '../protocol/batch.ts'
import type { Draft } from './decision.ts'
import { stirred } from './decide-waiting.ts'

type Fact<Type extends ToSupervisor['type']> = ToSupervisor & { readonly type: Type }
type RetryWait = Wait & { readonly type: 'retry' }

export const NOTHING = new Uint8Array(0) as Uint8Array as Encoded

export function stepStarted(draft: Draft, fact: Fact<'step-started'>): void {
  stirred(draft)
  draft.running.push([fact.index, { name: fact.name, attempt: fact.attempt, startedAtMs: fact.startedAtMs, timeoutMs: fact.timeoutMs }])
}

export function operationCompleted(draft: Draft, fact: Fact<'operation-completed'>): void {
  stirred(draft)
  // What failed while the run was being ended failed because of that, and is not its outcome.
  if (draft.progress.ending !== undefined && fact.outcome !== 'result') return
  if (fact.kind === 'step') draft.running.push([fact.index, undefined])
  draft.removeWait(fact.index)
  const position = draft.append(fact.entry)
  draft.tell(fact.entry.byteLength < MOVED_FROM_BYTES
    ? { type: 'entry-recorded', index: fact.index, position }
    : { type: 'entry-arrived', index: fact.index, position, entry: fact.entry })
}

/** The error, the times and the next due time are durable before the timer exists (G4). */
export function attemptFailed(draft: Draft, fact: Fact<'attempt-failed'>): void {
  stirred(draft)
  if (draft.progress.ending !== undefined) return
  draft.running.push([fact.index, undefined])
  const { attempt, startedAtMs, finishedAtMs, error } = fact
  const earlier = draft.state.waits.get(fact.index) as RetryWait | undefined
  backOff(draft, fact.index, {
    name: fact.name,
    startedAtMs: earlier?.startedAtMs ?? startedAtMs,
    attempts: [...earlier?.attempts ?? [], { attempt, startedAtMs, finishedAtMs, error }],
  }, fact.delayMs)
}

export function attemptJudged(draft: Draft, fact: Fact<'attempt-judged'>): void {
  stirred(draft)
  const wait = draft.state.waits.get(fact.index)
  if (wait?.type === 'retry' && wait.dueAtMs === undefined) backOff(draft, fact.index, wait, fact.delayMs)
}

/** A step between attempts. `delayMs` undefined: its policy has not been asked yet. */
export function backOff(
  draft: Draft, index: number, step: { readonly name: string, readonly startedAtMs: number, readonly attempts: readonly AttemptRecord[] }, delayMs: number | undefined): void {
  const { name, startedAtMs, attempts } = step
  draft.recordWait(index, { type: 'retry', name, startedAtMs, attempts, ...(delayMs !== undefined && { dueAtMs: draft.nowMs + delayMs }) })
}

export function sleepCalled(draft: Draft, fact: Fact<'sleep-called'>): void {
  stirred(draft)
  if (draft.state.waits.has(fact.index)) return
  draft.recordWait(fact.index, { type: 'sleep', name: 'sleep', startedAtMs: draft.nowMs, dueAtMs: draft.nowMs + fact.durationMs })
}

/** The due time of a sleep, of a wait's end, or of a step's next attempt, has come. */
export function operationDue(draft: Draft, index: number, dueAtMs: number): void {
  const wait = draft.state.waits.get(index)
  if (wait === undefined || wait.type === 'child' || wait.dueAtMs !== dueAtMs || draft.progress.ending !== undefined) return
  if (wait.type === 'retry') {
    // The record stays until the attempt's outcome replaces it: if the process dies now, the attempt is due at once.
    draft.tell({ type: 'attempt-due', index, attempt: wait.attempts.length + 1 })
    draft.wake()
    return
  }
  // A message or an event that did not come in time is undefined, as a sleep's result is.
  const { type, name, startedAtMs } = wait
  if (wait.type === 'event') draft.words.push({ type: 'to-run', key: wait.target, input: { type: 'awaiter-gone', parent: draft.key, index } })
  completeOperation(draft, index, encodeEntry({
    index, kind: type, name, startedAtMs, finishedAtMs: draft.nowMs, outcome: 'result', value: NOTHING, attempts: [],
  }))
}

/** Completes an operation from outside: its entry, the end of its wait and the wake-up move together (I6). */
export function completeOperation(draft: Draft, index: number, entry: Encoded): void {
  draft.removeWait(index)
  const position = draft.append(entry)
  draft.tell({ type: 'entry-arrived', index, position, entry })
  draft.wake()
}

/** Attempts due by now, for an actor that has just been spawned. Of the others a timer may have rung, by a clock that was set back since. */
export function tellDueAttempts(draft: Draft): void {
  for (const [index, wait] of draft.state.waits) {
    if (wait.type !== 'retry' || wait.dueAtMs === undefined) continue
    if (wait.dueAtMs <= draft.nowMs) draft.tell({ type: 'attempt-due', index, attempt: wait.attempts.length + 1 })
    else draft.effects.push({ type: 'arm-timer', slot: index, dueAtMs: wait.dueAtMs })
  }
}
