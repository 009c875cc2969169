/** What an incomplete operation needs to go on, as bytes: durable from the moment the operation begins to wait. */
import { StoreFormatError } from '../errors.ts'
import { assertNever } from '../invariant.ts'
import type { RunKey } from '../model/run.ts'
import type { Encoded } from './encoded.ts'
import { readAttempts, writeAttempts } from './entry.ts'
import type { AttemptRecord } from './entry.ts'
import { Reader, Writer } from './wire.ts'

export type Wait =
  | { readonly type: 'sleep', readonly name: string, readonly startedAtMs: number, readonly dueAtMs: number }
  /**
   * A step between attempts. Without `dueAtMs` the last attempt has not been judged yet: its thread died under it, and the
   * step's policy, which is code, is asked when the actor lives again.
   */
  | { readonly type: 'retry', readonly name: string, readonly startedAtMs: number, readonly attempts: readonly AttemptRecord[], readonly dueAtMs?: number }
  | { readonly type: 'child', readonly name: string, readonly startedAtMs: number, readonly childId: string, readonly childKey: RunKey }

const FORMAT = 1
const TYPES = ['sleep', 'retry', 'child'] as const

export function encodeWait(wait: Wait): Encoded {
  const writer = new Writer()
  writer.u8(FORMAT)
  writer.u8(TYPES.indexOf(wait.type))
  writer.string(wait.name)
  writer.f64(wait.startedAtMs)
  switch (wait.type) {
    case 'sleep':
      writer.f64(wait.dueAtMs)
      break
    case 'retry':
      writer.u8(wait.dueAtMs === undefined ? 0 : 1)
      if (wait.dueAtMs !== undefined) writer.f64(wait.dueAtMs)
      writeAttempts(writer, wait.attempts)
      break
    case 'child':
      writer.string(wait.childId)
      writer.varint(wait.childKey)
      break
  }
  return writer.finish() as Encoded
}

export function decodeWait(bytes: Uint8Array): Wait {
  const reader = new Reader(bytes)
  const format = reader.u8()
  if (format !== FORMAT) {
    throw new StoreFormatError({ what: 'the record of what a run waits for', problem: `has format ${format}, and this version of troupe knows ${FORMAT}` })
  }
  const type = TYPES[reader.u8()]
  if (type === undefined) throw new StoreFormatError({ what: 'the record of what a run waits for', problem: 'is of a type that does not exist' })
  const name = reader.string()
  const startedAtMs = reader.f64()
  switch (type) {
    case 'sleep': return { type, name, startedAtMs, dueAtMs: reader.f64() }
    case 'retry': {
      const dueAtMs = reader.u8() === 0 ? undefined : reader.f64()
      const attempts = readAttempts(reader)
      return { type, name, startedAtMs, attempts, ...(dueAtMs !== undefined && { dueAtMs }) }
    }
    case 'child': return { type, name, startedAtMs, childId: reader.string(), childKey: reader.varint() as RunKey }
    default: return assertNever(type)
  }
}
