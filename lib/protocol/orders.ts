/** The words from the supervisor to actors, as fields of a batch. */
import type { Reader } from '../codec/wire.ts'
import { InternalError } from '../errors.ts'
import { assertNever } from '../invariant.ts'
import type { Envelope, ToActor } from './actor.ts'
import { readBatch } from './batch.ts'
import type { Batch, BatchFields, ReadValue } from './batch.ts'

const ORDERS = ['entry-recorded', 'entry-arrived', 'attempt-due', 'end-run', 'passivate', 'abandon'] as const satisfies readonly ToActor['type'][]
const ORDER_CODES = new Map<string, number>(ORDERS.map((type, code) => [type, code]))

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
      return
    case 'abandon':
  }
}

/** The guard of the way down. */
export function readOrders(batch: Batch): Envelope<ToActor>[] {
  return readBatch(batch, readOrder)
}

function readOrder(from: Reader, value: ReadValue): ToActor {
  const type = ORDERS[from.u8()]
  if (type === undefined) throw new InternalError({ problem: 'the supervisor sent a word that does not exist' })
  switch (type) {
    case 'entry-recorded': return { type, index: from.varint(), position: from.varint() }
    case 'entry-arrived': return { type, index: from.varint(), position: from.varint(), entry: value('with-batch') }
    case 'attempt-due': return { type, index: from.varint(), attempt: from.varint() }
    case 'end-run': return { type, error: value() }
    case 'passivate': return { type, force: from.u8() === 1 }
    case 'abandon': return { type }
    default: return assertNever(type)
  }
}
