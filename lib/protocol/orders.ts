/** The words from the supervisor to actors, and those that spawn them, as fields of a batch. */
import type { Encoded } from '../codec/encoded.ts'
import type { Reader } from '../codec/wire.ts'
import { InternalError } from '../errors.ts'
import { assertNever } from '../invariant.ts'
import type { RunKey } from '../model/run.ts'
import type { Envelope, ToActor } from './actor.ts'
import { readBatch } from './batch.ts'
import type { Batch, BatchFields, ReadValue } from './batch.ts'
import type { SpawnTask } from './thread.ts'

export type ToThread = ToActor | SpawnTask

const ORDERS = ['entry-recorded', 'entry-arrived', 'attempt-due', 'end-run', 'passivate', 'abandon', 'spawn-actor'] as const satisfies readonly ToThread['type'][]
const EMPTY_JOURNAL: SpawnTask['journal'] = { bytes: new Uint8Array(0), ends: new Float64Array(0) }
const ORDER_CODES = new Map<string, number>(ORDERS.map((type, code) => [type, code]))

export function writeOrder(to: BatchFields, body: ToThread): void {
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
      return
    case 'spawn-actor':
      writeSpawn(to, body)
      return
    case 'abandon':
  }
}

function writeSpawn(to: BatchFields, { id, workflow, args, journal, waits, isDry }: SpawnTask): void {
  const { writer } = to
  writer.string(id)
  writer.string(workflow)
  to.copyOf(args)
  const { bytes, ends } = journal
  writer.u8(ends.length > 0 ? 1 : 0)
  if (ends.length > 0) {
    to.value(bytes)
    to.value(new Uint8Array(ends.buffer, ends.byteOffset, ends.byteLength))
  }
  writer.varint(waits.length)
  for (const { index, wait } of waits) {
    writer.varint(index)
    to.copyOf(wait)
  }
  writer.u8(isDry === true ? 1 : 0)
}

/** The guard of the way down. */
export function readOrders(batch: Batch): Envelope<ToThread>[] {
  return readBatch(batch, readOrder)
}

function readOrder(from: Reader, value: ReadValue, key: RunKey, incarnation: number): ToThread {
  const type = ORDERS[from.u8()]
  if (type === undefined) throw new InternalError({ problem: 'the supervisor sent a word that does not exist' })
  switch (type) {
    case 'entry-recorded': return { type, index: from.varint(), position: from.varint() }
    case 'entry-arrived': return { type, index: from.varint(), position: from.varint(), entry: value('with-batch') }
    case 'attempt-due': return { type, index: from.varint(), attempt: from.varint() }
    case 'end-run': return { type, error: value() }
    case 'passivate': return { type, force: from.u8() === 1 }
    case 'abandon': return { type }
    case 'spawn-actor': return readSpawn(from, value, key, incarnation)
    default: return assertNever(type)
  }
}

function readSpawn(from: Reader, value: ReadValue, key: RunKey, incarnation: number): SpawnTask {
  const [id, workflow, args] = [from.string(), from.string(), value()]
  const journal = from.u8() === 0 ? EMPTY_JOURNAL : { bytes: value(), ends: floatsOf(value()) }
  const waits: { readonly index: number, readonly wait: Encoded }[] = []
  for (let left = from.varint(); left > 0; left--) waits.push({ index: from.varint(), wait: value() })
  return { type: 'spawn-actor', key, incarnation, id, workflow, args, journal, waits, isDry: from.u8() === 1 }
}

function floatsOf({ buffer, byteOffset, byteLength }: Uint8Array): Float64Array {
  return new Float64Array(buffer, byteOffset, byteLength / Float64Array.BYTES_PER_ELEMENT)
}
