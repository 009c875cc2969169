/** The words from actors to their supervisor, and those about them, as fields of a batch. */
import type { Encoded } from '../codec/encoded.ts'
import { ENTRY_KINDS, ENTRY_OUTCOMES } from '../codec/entry.ts'
import type { Reader } from '../codec/wire.ts'
import { InternalError } from '../errors.ts'
import { assertNever } from '../invariant.ts'
import type { Envelope, ToSupervisor } from './actor.ts'
import { readBatch } from './batch.ts'
import type { Batch, BatchFields, ReadValue } from './batch.ts'
import type { ActorReleased } from './thread.ts'

export type FromThread = ToSupervisor | ActorReleased

const FACTS = [
  'actor-started', 'step-started', 'operation-completed', 'attempt-failed', 'attempt-judged', 'sleep-called', 'child-called', 'child-awaited',
  'message-sent', 'receive-called', 'event-published', 'event-awaited', 'stream-written', 'stream-ended',
  'run-completed', 'run-failed', 'run-diverged', 'actor-waiting', 'actor-passivated', 'passivation-refused', 'actor-stuck', 'actor-released',
] as const satisfies readonly FromThread['type'][]
const FACT_CODES = new Map<string, number>(FACTS.map((type, code) => [type, code]))
const KIND_CODES = new Map<string, number>(ENTRY_KINDS.map((kind, code) => [kind, code]))
const OUTCOME_CODES = new Map<string, number>(ENTRY_OUTCOMES.map((outcome, code) => [outcome, code]))

export function writeFact(to: BatchFields, body: FromThread): void {
  const { writer } = to
  writer.u8(FACT_CODES.get(body.type)!)
  switch (body.type) {
    case 'step-started':
      writer.varint(body.index)
      writer.string(body.name)
      writer.varint(body.attempt)
      writer.f64(body.startedAtMs)
      writer.f64(body.timeoutMs ?? -1)
      return
    case 'operation-completed':
      writer.varint(body.index)
      writer.u8(KIND_CODES.get(body.kind)!)
      writer.u8(OUTCOME_CODES.get(body.outcome)!)
      to.value(body.entry)
      return
    case 'attempt-failed':
      writer.varint(body.index)
      writer.string(body.name)
      writer.varint(body.attempt)
      writer.f64(body.startedAtMs)
      writer.f64(body.finishedAtMs)
      writer.bytes(body.error) // never moved: the attempt's record keeps it
      writer.f64(body.delayMs)
      return
    case 'attempt-judged':
      writer.varint(body.index)
      writer.f64(body.delayMs)
      return
    case 'sleep-called':
      writer.varint(body.index)
      writer.f64(body.durationMs)
      return
    case 'child-called':
      writeChildCall(to, body)
      return
    case 'child-awaited':
      writer.varint(body.index)
      writer.string(body.childId)
      return
    case 'message-sent': case 'receive-called': case 'event-published': case 'event-awaited': case 'stream-written': case 'stream-ended':
      writeMailFact(to, body)
      return
    case 'run-completed':
      to.value(body.result)
      return
    case 'run-failed':
      to.value(body.error)
      return
    case 'run-diverged':
      writer.varint(body.index)
      writer.string(body.recorded)
      writer.string(body.called)
      return
    case 'actor-waiting':
      writer.varint(body.heard)
      return
    case 'actor-started':
    case 'actor-passivated':
    case 'passivation-refused':
    case 'actor-released':
      return
    case 'actor-stuck':
      writer.f64(body.seconds)
  }
}

function writeChildCall(to: BatchFields, body: Extract<ToSupervisor, { readonly type: 'child-called' }>): void {
  const { writer } = to
  writer.varint(body.index)
  writer.u8(body.mode === 'start' ? 0 : 1)
  writer.string(body.workflow)
  to.value(body.args)
  to.optionalString(body.id)
  to.optionalString(body.queue)
  writer.f64(body.timeoutMs === null ? -2 : body.timeoutMs ?? -1)
}

type MailFact = Extract<ToSupervisor, { readonly type: 'message-sent' | 'receive-called' | 'event-published' | 'event-awaited' | 'stream-written' | 'stream-ended' }>

function writeMailFact(to: BatchFields, body: MailFact): void {
  const { writer } = to
  switch (body.type) {
    case 'message-sent':
      writer.varint(body.index)
      writer.string(body.runId)
      to.optionalString(body.topic)
      to.value(body.message)
      return
    case 'receive-called':
      writer.varint(body.index)
      to.optionalString(body.topic)
      writer.f64(body.timeoutMs ?? -1)
      return
    case 'event-published':
      writer.varint(body.index)
      writer.string(body.name)
      to.value(body.value)
      return
    case 'event-awaited':
      writer.varint(body.index)
      writer.string(body.runId)
      writer.string(body.name)
      writer.f64(body.timeoutMs ?? -1)
      return
    case 'stream-written':
      writer.varint(body.index)
      writer.string(body.stream)
      to.value(body.value)
      return
    case 'stream-ended':
      writer.varint(body.index)
      writer.string(body.stream)
  }
}

/** What actors say, and apart from it whose life is over: a life's last word is in the same batch or an earlier one. */
export function releasesApart(words: readonly Envelope<FromThread>[]): { readonly facts: readonly Envelope<ToSupervisor>[], readonly released: readonly Envelope<ActorReleased>[] } {
  const facts: Envelope<ToSupervisor>[] = []
  const released: Envelope<ActorReleased>[] = []
  for (const word of words) {
    if (word.body.type === 'actor-released') released.push(word as Envelope<ActorReleased>)
    else facts.push(word as Envelope<ToSupervisor>)
  }
  return { facts, released }
}

/** The guard of the way up: what a thread sent, as envelopes, in order. */
export function readFacts(batch: Batch): Envelope<FromThread>[] {
  return readBatch(batch, readFact)
}

function readFact(from: Reader, value: ReadValue): FromThread {
  const type = FACTS[from.u8()]
  if (type === undefined) throw new InternalError({ problem: 'a thread sent a word that does not exist' })
  switch (type) {
    case 'step-started':
      return { type, index: from.varint(), name: from.string(), attempt: from.varint(), startedAtMs: from.f64(), timeoutMs: known(from.f64()) }
    case 'operation-completed':
      return { type, index: from.varint(), kind: ENTRY_KINDS[from.u8()]!, outcome: ENTRY_OUTCOMES[from.u8()]!, entry: value('with-batch') }
    case 'attempt-failed':
      return {
        type, index: from.varint(), name: from.string(), attempt: from.varint(), startedAtMs: from.f64(), finishedAtMs: from.f64(),
        error: from.bytes() as Uint8Array as Encoded, delayMs: from.f64(),
      }
    case 'attempt-judged': return { type, index: from.varint(), delayMs: from.f64() }
    case 'sleep-called': return { type, index: from.varint(), durationMs: from.f64() }
    case 'child-called':
      return {
        type, index: from.varint(), mode: from.u8() === 0 ? 'start' : 'call', workflow: from.string(), args: value(),
        id: optionalString(from), queue: optionalString(from), timeoutMs: childTimeout(from.f64()),
      }
    case 'child-awaited': return { type, index: from.varint(), childId: from.string() }
    case 'message-sent': return { type, index: from.varint(), runId: from.string(), topic: optionalString(from), message: value() }
    case 'receive-called': return { type, index: from.varint(), topic: optionalString(from), timeoutMs: known(from.f64()) }
    case 'event-published': return { type, index: from.varint(), name: from.string(), value: value() }
    case 'event-awaited': return { type, index: from.varint(), runId: from.string(), name: from.string(), timeoutMs: known(from.f64()) }
    case 'stream-written': return { type, index: from.varint(), stream: from.string(), value: value() }
    case 'stream-ended': return { type, index: from.varint(), stream: from.string() }
    case 'run-completed': return { type, result: value() }
    case 'run-failed': return { type, error: value() }
    case 'run-diverged': return { type, index: from.varint(), recorded: from.string(), called: from.string() }
    case 'actor-waiting': return { type, heard: from.varint() }
    case 'actor-started': return { type }
    case 'actor-passivated': return { type }
    case 'passivation-refused': return { type }
    case 'actor-stuck': return { type, seconds: from.f64() }
    case 'actor-released': return { type }
    default: return assertNever(type)
  }
}

function optionalString(from: Reader): string | undefined {
  return from.u8() === 0 ? undefined : from.string()
}

function known(timeoutMs: number): number | undefined {
  return timeoutMs === -1 ? undefined : timeoutMs
}

function childTimeout(timeoutMs: number): number | null | undefined {
  return timeoutMs === -2 ? null : known(timeoutMs)
}
