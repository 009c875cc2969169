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
  /** For a message; without a topic, for one sent without. */
  | { readonly type: 'receive', readonly name: string, readonly startedAtMs: number, readonly topic?: string, readonly dueAtMs?: number }
  /** For an event of another run. */
  | { readonly type: 'event', readonly name: string, readonly startedAtMs: number, readonly target: RunKey, readonly event: string, readonly dueAtMs?: number }

const FORMAT = 1
const TYPES = ['sleep', 'retry', 'child', 'receive', 'event'] as const

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
      writeDue(writer, wait.dueAtMs)
      writeAttempts(writer, wait.attempts)
      break
    case 'child':
      writer.string(wait.childId)
      writer.varint(wait.childKey)
      break
    case 'receive':
      writeDue(writer, wait.dueAtMs)
      writer.u8(wait.topic === undefined ? 0 : 1)
      if (wait.topic !== undefined) writer.string(wait.topic)
      break
    case 'event':
      writeDue(writer, wait.dueAtMs)
      writer.varint(wait.target)
      writer.string(wait.event)
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
      const due = readDue(reader)
      return { type, name, startedAtMs, attempts: readAttempts(reader), ...due }
    }
    case 'child': return { type, name, startedAtMs, childId: reader.string(), childKey: reader.varint() as RunKey }
    case 'receive': {
      const due = readDue(reader)
      return { type, name, startedAtMs, ...(reader.u8() === 1 && { topic: reader.string() }), ...due }
    }
    case 'event': {
      const due = readDue(reader)
      return { type, name, startedAtMs, target: reader.varint() as RunKey, event: reader.string(), ...due }
    }
    default: return assertNever(type)
  }
}

function writeDue(writer: Writer, dueAtMs: number | undefined): void {
  writer.u8(dueAtMs === undefined ? 0 : 1)
  if (dueAtMs !== undefined) writer.f64(dueAtMs)
}

function readDue(reader: Reader): { readonly dueAtMs?: number } {
  return reader.u8() === 0 ? {} : { dueAtMs: reader.f64() }
}

/** What is waited for, in words for people. */
export function describeWait(wait: Wait): string {
  const until = 'dueAtMs' in wait && wait.dueAtMs !== undefined ? new Date(wait.dueAtMs).toISOString() : undefined
  switch (wait.type) {
    case 'sleep': return `a sleep until ${until ?? '?'}`
    case 'retry': return `attempt ${wait.attempts.length + 1} of step "${wait.name}"${until === undefined ? '' : ` at ${until}`}`
    case 'child': return `run "${wait.childId}"`
    case 'receive': return `a message${wait.topic === undefined ? '' : ` on topic "${wait.topic}"`}${until === undefined ? '' : `, until ${until}`}`
    case 'event': return `event "${wait.name}"${until === undefined ? '' : `, until ${until}`}`
    default: return assertNever(wait)
  }
}
