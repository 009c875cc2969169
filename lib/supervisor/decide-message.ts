/** Decisions on what runs tell each other: messages, events, streams. */
import { encodeEntry } from '../codec/entry.ts'
import type { EntryKind, EntryOutcome } from '../codec/entry.ts'
import type { Encoded } from '../codec/encoded.ts'
import { encodeError } from '../codec/error.ts'
import { StreamClosedError } from '../errors.ts'
import { isFinished } from '../model/run.ts'
import type { ToSupervisor } from '../protocol/actor.ts'
import { completeOperation, NOTHING } from './decide-operation.ts'
import { asked, answered, stirred } from './decide-waiting.ts'
import type { Draft, RunInput } from './decision.ts'

type Fact<Type extends ToSupervisor['type']> = ToSupervisor & { readonly type: Type }
type Input<Type extends RunInput['type']> = RunInput & { readonly type: Type }

// ---- messages --------------------------------------------------------------------------------------------------------

export function messageSent(draft: Draft, fact: Fact<'message-sent'>): void {
  asked(draft)
  if (draft.progress.ending === undefined) draft.words.push({ type: 'send-message', from: draft.key, fact })
}

/** Taken by whoever waits for it longest, or kept until somebody asks; the receiver's entry moves with it (I6). */
export function messageArrived(draft: Draft, input: Input<'message-arrived'>): void {
  const { topic, message, idempotencyKey } = input
  const { key, state } = draft
  const sequence = (draft.messages.at(-1)?.sequence ?? -1) + 1
  const row = { sequence, message, ...(topic !== undefined && { topic }) }
  const receiver = isFinished(draft.progress.status) || draft.progress.ending !== undefined ? undefined
    : [...state.waits].find(([, wait]) => wait.type === 'receive' && wait.topic === topic)
  if (receiver === undefined || idempotencyKey !== undefined) {
    draft.changes.push({ type: 'message-stored', key, row, ...(idempotencyKey !== undefined && { idempotencyKey }) })
  }
  if (idempotencyKey !== undefined) draft.messageKeys.push(idempotencyKey)
  if (receiver === undefined) {
    draft.messages = [...draft.messages, row]
    return
  }
  if (idempotencyKey !== undefined) draft.changes.push({ type: 'message-removed', key, sequence })
  const [index, wait] = receiver
  complete(draft, index, { kind: 'receive', name: wait.name, value: message, startedAtMs: wait.startedAtMs })
}

export function receiveCalled(draft: Draft, fact: Fact<'receive-called'>): void {
  stirred(draft)
  const { index, topic, timeoutMs } = fact
  if (draft.progress.ending !== undefined || draft.state.waits.has(index)) return
  const name = topic ?? 'receive'
  const row = draft.messages.find(waiting => waiting.topic === topic)
  if (row === undefined) {
    draft.recordWait(index, {
      type: 'receive', name, startedAtMs: draft.nowMs,
      ...(topic !== undefined && { topic }),
      ...(timeoutMs !== undefined && { dueAtMs: draft.nowMs + timeoutMs }),
    })
    return
  }
  draft.messages = draft.messages.filter(waiting => waiting !== row)
  draft.changes.push({ type: 'message-removed', key: draft.key, sequence: row.sequence })
  complete(draft, index, { kind: 'receive', name, value: row.message })
}

// ---- events ----------------------------------------------------------------------------------------------------------

export function eventPublished(draft: Draft, fact: Fact<'event-published'>): void {
  stirred(draft)
  if (draft.progress.ending !== undefined) return
  const { index, name, value } = fact
  draft.changes.push({ type: 'event-set', key: draft.key, name, value })
  draft.events.push([name, value])
  tellAwaiters(draft, name, value)
  draft.effects.push({ type: 'followers-told' })
  complete(draft, index, { kind: 'event', name, value: NOTHING })
}

export function eventAwaited(draft: Draft, fact: Fact<'event-awaited'>): void {
  asked(draft)
  if (draft.progress.ending === undefined) draft.words.push({ type: 'find-event', from: draft.key, fact })
}

/** The event is not there yet: it is waited for at the run that may set it. */
export function eventWaitBegan(draft: Draft, input: Input<'event-wait-began'>): void {
  const { index, name, target, event, timeoutMs } = input
  draft.recordWait(index, {
    type: 'event', name, startedAtMs: draft.nowMs, target, event,
    ...(timeoutMs !== undefined && { dueAtMs: draft.nowMs + timeoutMs }),
  })
  draft.words.push({ type: 'to-run', key: target, input: { type: 'awaiter-added', awaiter: { parent: draft.key, index, event } } })
  answered(draft)
}

/** Without a value: the run finished and did not set it. */
export function eventArrived(draft: Draft, input: Input<'event-arrived'>): void {
  const wait = draft.state.waits.get(input.index)
  if (wait?.type !== 'event' || draft.progress.ending !== undefined) return
  complete(draft, input.index, { kind: 'event', name: wait.name, value: input.value ?? NOTHING, startedAtMs: wait.startedAtMs })
}

/** Those who wait for an event of this run, or (`name` undefined) for any: it has finished. */
export function tellAwaiters(draft: Draft, name: string | undefined, value: Encoded | undefined): void {
  const told = draft.awaiters.filter(({ event }) => event !== undefined && (name === undefined || event === name))
  for (const { parent, index } of told) {
    draft.changes.push({ type: 'awaiter-removed', child: draft.key, parent, index })
    draft.words.push({ type: 'to-run', key: parent, input: { type: 'event-arrived', index, value } })
  }
  if (told.length > 0) draft.awaiters = draft.awaiters.filter(awaiter => !told.includes(awaiter))
}

// ---- streams ---------------------------------------------------------------------------------------------------------

export function streamWritten(draft: Draft, fact: Fact<'stream-written'>): void {
  stirred(draft)
  if (draft.progress.ending !== undefined) return
  const { index, stream, value } = fact
  const { length, closed } = draft.state.streams.get(stream) ?? { length: 0, closed: false }
  if (closed) {
    const error = encodeError(new StreamClosedError({ runId: draft.state.meta.id, stream }))
    complete(draft, index, { kind: 'stream', name: stream, outcome: 'error', value: error })
    return
  }
  draft.changes.push({ type: 'stream-appended', key: draft.key, stream, position: length, value })
  draft.streams.push([stream, { length: length + 1, closed: false }])
  draft.effects.push({ type: 'followers-told' })
  complete(draft, index, { kind: 'stream', name: stream, value: NOTHING })
}

export function streamEnded(draft: Draft, fact: Fact<'stream-ended'>): void {
  stirred(draft)
  if (draft.progress.ending !== undefined) return
  const { index, stream } = fact
  const { length, closed } = draft.state.streams.get(stream) ?? { length: 0, closed: false }
  if (!closed) {
    draft.changes.push({ type: 'stream-closed', key: draft.key, stream })
    draft.streams.push([stream, { length, closed: true }])
    draft.effects.push({ type: 'followers-told' })
  }
  complete(draft, index, { kind: 'stream', name: `end of ${stream}`, value: NOTHING })
}

// ---- what others answered ----------------------------------------------------------------------------------------------

/** An operation that another run's state decided: done, or refused; recorded, so that replay meets the same. */
export function operationSettled(draft: Draft, input: Input<'operation-settled'>): void {
  complete(draft, input.index, input)
  answered(draft)
}

function complete(draft: Draft, index: number, facts: {
  readonly kind: EntryKind, readonly name: string, readonly value: Encoded, readonly outcome?: EntryOutcome, readonly startedAtMs?: number
}): void {
  const { kind, name, value, outcome = 'result', startedAtMs = draft.nowMs } = facts
  completeOperation(draft, index, encodeEntry({ index, kind, name, startedAtMs, finishedAtMs: draft.nowMs, outcome, value, attempts: [] }))
}
