/** Messages and events between runs, and from the host: what needs another run's state, or the store. */
import type { Encoded } from '../codec/encoded.ts'
import { encodeError } from '../codec/error.ts'
import type { EntryKind } from '../codec/entry.ts'
import { MailboxFullError, UnknownRunError } from '../errors.ts'
import { isFinished } from '../model/run.ts'
import type { RunKey } from '../model/run.ts'
import { eventName } from '../protocol/actor.ts'
import type { ToSupervisor } from '../protocol/actor.ts'
import { NOTHING } from './decide-operation.ts'
import type { Shell, ShellParts } from './shell.ts'
import type { RunState } from './state.ts'

/** Messages that may wait in one mailbox. */
export const MAILBOX_CAPACITY = 10_000

export class Mail {
  readonly #shell: Shell
  readonly #parts: ShellParts

  constructor(shell: Shell, parts: ShellParts) {
    this.#shell = shell
    this.#parts = parts
  }

  /** From a workflow: the message and the sender's entry are one commit, so it is delivered exactly once. */
  send(from: RunKey, fact: ToSupervisor & { readonly type: 'message-sent' }): void {
    const sender = this.#parts.runs.get(from)
    if (sender === undefined) return
    const { index, runId, topic, message } = fact
    const name = topic ?? 'send'
    const target = this.#parts.runs.find(runId)
    if (target === undefined) return this.#refuse(sender, index, 'send', name, new UnknownRunError({ runId }))
    if (isFull(target)) return this.#refuse(sender, index, 'send', name, new MailboxFullError({ runId, capacity: MAILBOX_CAPACITY }))
    this.#shell.hear(target, { type: 'message-arrived', topic, message, idempotencyKey: undefined })
    this.#shell.hear(sender, { type: 'operation-settled', index, kind: 'send', name, outcome: 'result', value: NOTHING })
  }

  /**
   * From the host; a second one under the same idempotency key changes nothing.
   * @throws MailboxFullError
   */
  post(target: RunState, message: Encoded, topic: string | undefined, idempotencyKey: string | undefined): void {
    const { key, id } = target.meta
    if (idempotencyKey !== undefined && (target.messageKeys.has(idempotencyKey) || this.#parts.store.hasMessageKey(key, idempotencyKey))) return
    if (isFull(target)) throw new MailboxFullError({ runId: id, capacity: MAILBOX_CAPACITY })
    this.#shell.hear(target, { type: 'message-arrived', topic, message, idempotencyKey })
  }

  findEvent(from: RunKey, fact: ToSupervisor & { readonly type: 'event-awaited' }): void {
    const asker = this.#parts.runs.get(from)
    if (asker === undefined) return
    const { index, runId, name: event, timeoutMs } = fact
    const name = eventName(runId, event)
    const target = this.#parts.runs.find(runId)
    if (target === undefined) return this.#refuse(asker, index, 'event', name, new UnknownRunError({ runId }))
    const value = this.eventOf(target, event)
    if (value !== undefined || isFinished(target.progress.status)) {
      this.#shell.hear(asker, { type: 'operation-settled', index, kind: 'event', name, outcome: 'result', value: value ?? NOTHING })
    } else this.#shell.hear(asker, { type: 'event-wait-began', index, name, target: target.meta.key, event, timeoutMs })
  }

  eventOf(target: RunState, name: string): Encoded | undefined {
    return target.events.get(name) ?? this.#parts.store.readEvent(target.meta.key, name)
  }

  /** Before something is decided about a stream, its length must be known. */
  lookAtStream(state: RunState, stream: string): void {
    if (state.streams.has(stream)) return
    const { length, closed } = this.#parts.store.readStream(state.meta.key, stream, 0, 0)
    state.streams.set(stream, { length, closed })
  }

  #refuse(state: RunState, index: number, kind: EntryKind, name: string, error: Error): void {
    this.#shell.hear(state, { type: 'operation-settled', index, kind, name, outcome: 'error', value: encodeError(error) })
  }
}

function isFull(target: RunState): boolean {
  return target.messages.length >= MAILBOX_CAPACITY
}
