/**
 * Envelopes on their way through a thread's port: everything of one tick in one packed buffer, because a structured clone
 * of many small objects costs several times as much. Large values are moved beside it, not copied.
 */
import { InternalError } from '../errors.ts'
import { assertNever } from '../invariant.ts'
import type { Encoded } from '../codec/encoded.ts'
import { ENTRY_KINDS, ENTRY_OUTCOMES } from '../codec/entry.ts'
import { Reader, Writer } from '../codec/wire.ts'
import type { RunKey } from '../model/run.ts'
import type { Envelope, ToActor, ToSupervisor } from './actor.ts'

/** From this size on a value is moved (its buffer transferred) instead of packed. */
export const MOVED_FROM_BYTES = 16_384

/** What crosses the port. `moved` must be in the transfer list, as must `packed.buffer`. */
export interface Batch {
  readonly count: number
  readonly packed: Uint8Array<ArrayBuffer>
  readonly moved: readonly ArrayBuffer[]
}

const FACTS = [
  'actor-started', 'step-started', 'operation-completed', 'attempt-failed', 'attempt-judged', 'sleep-called', 'child-called', 'child-awaited',
  'run-completed', 'run-failed', 'run-diverged', 'actor-waiting', 'actor-passivated', 'passivation-refused', 'actor-stuck',
] as const satisfies readonly ToSupervisor['type'][]
const ORDERS = ['entry-recorded', 'entry-arrived', 'attempt-due', 'end-run', 'passivate'] as const satisfies readonly ToActor['type'][]

const FACT_CODES = new Map<string, number>(FACTS.map((type, code) => [type, code]))
const ORDER_CODES = new Map<string, number>(ORDERS.map((type, code) => [type, code]))
const KIND_CODES = new Map<string, number>(ENTRY_KINDS.map((kind, code) => [kind, code]))
const OUTCOME_CODES = new Map<string, number>(ENTRY_OUTCOMES.map((outcome, code) => [outcome, code]))

/** Gathers envelopes until take() empties it. */
export class BatchWriter<Body extends ToSupervisor | ToActor> {
  readonly #writer = new Writer(4096)
  readonly #write: (to: BatchFields, body: Body) => void
  #fields: BatchFields
  #count = 0

  constructor(write: (to: BatchFields, body: Body) => void) {
    this.#write = write
    this.#fields = new BatchFields(this.#writer)
  }

  get count(): number {
    return this.#count
  }

  add(key: RunKey, incarnation: number, body: Body): void {
    this.#writer.varint(key)
    this.#writer.varint(incarnation)
    this.#write(this.#fields, body)
    this.#count++
  }

  take(): Batch {
    const batch = { count: this.#count, packed: this.#writer.finish(), moved: this.#fields.moved }
    this.#writer.reset()
    this.#fields = new BatchFields(this.#writer)
    this.#count = 0
    return batch
  }
}

/** The writer of one batch, which knows how to set large values aside. */
export class BatchFields {
  readonly writer: Writer
  readonly moved: ArrayBuffer[] = []

  constructor(writer: Writer) {
    this.writer = writer
  }

  value(value: Encoded): void {
    if (value.byteLength < MOVED_FROM_BYTES) {
      this.writer.u8(0)
      this.writer.bytes(value)
      return
    }
    this.writer.u8(1)
    this.writer.varint(this.moved.length)
    // A buffer that holds more than the value is not ours to give away.
    const whole = value.byteLength === value.buffer.byteLength && value.buffer instanceof ArrayBuffer
    this.moved.push(whole ? value.buffer : value.slice().buffer)
  }

  optionalString(value: string | undefined): void {
    this.writer.u8(value === undefined ? 0 : 1)
    if (value !== undefined) this.writer.string(value)
  }
}

export function transferListOf(batch: Batch): ArrayBuffer[] {
  return [batch.packed.buffer, ...batch.moved]
}

export function writeFact(to: BatchFields, body: ToSupervisor): void {
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
      writer.varint(body.index)
      writer.u8(body.mode === 'start' ? 0 : 1)
      writer.string(body.workflow)
      to.value(body.args)
      to.optionalString(body.id)
      to.optionalString(body.queue)
      writer.f64(body.timeoutMs === null ? -2 : body.timeoutMs ?? -1)
      return
    case 'child-awaited':
      writer.varint(body.index)
      writer.string(body.childId)
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
      return
    case 'actor-stuck':
      writer.f64(body.seconds)
  }
}

export function writeOrder(to: BatchFields, body: ToActor): void {
  const { writer } = to
  writer.u8(ORDER_CODES.get(body.type)!)
  switch (body.type) {
    case 'entry-recorded':
      writer.varint(body.index)
      writer.varint(body.position)
      return
    case 'entry-arrived':
      writer.varint(body.index)
      writer.varint(body.position)
      to.value(body.entry)
      return
    case 'attempt-due':
      writer.varint(body.index)
      writer.varint(body.attempt)
      return
    case 'end-run':
      to.value(body.error)
      return
    case 'passivate':
      writer.u8(body.force ? 1 : 0)
  }
}

/** The guard of the way up: what a thread sent, as envelopes, in order. */
export function readFacts(batch: Batch): Envelope<ToSupervisor>[] {
  return readBatch(batch, readFact)
}

/** The guard of the way down. */
export function readOrders(batch: Batch): Envelope<ToActor>[] {
  return readBatch(batch, readOrder)
}

function readBatch<Body>(batch: Batch, read: (from: Reader, value: () => Encoded) => Body): Envelope<Body>[] {
  const reader = new Reader(batch.packed)
  const value = (): Encoded => {
    if (reader.u8() === 0) return reader.bytes() as Uint8Array as Encoded
    const moved = batch.moved[reader.varint()]
    if (moved === undefined) throw new InternalError({ problem: 'a batch lacks a value that it names' })
    return new Uint8Array(moved) as Uint8Array as Encoded
  }
  const envelopes: Envelope<Body>[] = []
  for (let i = 0; i < batch.count; i++) {
    envelopes.push({ key: reader.varint() as RunKey, incarnation: reader.varint(), body: read(reader, value) })
  }
  return envelopes
}

function readFact(from: Reader, value: () => Encoded): ToSupervisor {
  const type = FACTS[from.u8()]
  if (type === undefined) throw new InternalError({ problem: 'a thread sent a word that does not exist' })
  switch (type) {
    case 'step-started':
      return { type, index: from.varint(), name: from.string(), attempt: from.varint(), startedAtMs: from.f64(), timeoutMs: known(from.f64()) }
    case 'operation-completed':
      return { type, index: from.varint(), kind: ENTRY_KINDS[from.u8()]!, outcome: ENTRY_OUTCOMES[from.u8()]!, entry: value() }
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
    case 'run-completed': return { type, result: value() }
    case 'run-failed': return { type, error: value() }
    case 'run-diverged': return { type, index: from.varint(), recorded: from.string(), called: from.string() }
    case 'actor-waiting': return { type, heard: from.varint() }
    case 'actor-started': return { type }
    case 'actor-passivated': return { type }
    case 'passivation-refused': return { type }
    case 'actor-stuck': return { type, seconds: from.f64() }
    default: return assertNever(type)
  }
}

function readOrder(from: Reader, value: () => Encoded): ToActor {
  const type = ORDERS[from.u8()]
  if (type === undefined) throw new InternalError({ problem: 'the supervisor sent a word that does not exist' })
  switch (type) {
    case 'entry-recorded': return { type, index: from.varint(), position: from.varint() }
    case 'entry-arrived': return { type, index: from.varint(), position: from.varint(), entry: value() }
    case 'attempt-due': return { type, index: from.varint(), attempt: from.varint() }
    case 'end-run': return { type, error: value() }
    case 'passivate': return { type, force: from.u8() === 1 }
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
