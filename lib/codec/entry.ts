/**
 * A journal's entry as bytes: what an operation was, when, and what came of it. The thread that ran the operation writes it,
 * the store keeps it, a thread that replays or a host that lists the steps reads it; the supervisor passes it on (I4).
 *
 * Layout: format byte 1 - flags - kind - outcome - index - name - startedAt - finishedAt - [child id] - [attempts] - value.
 */
import { InternalError, StoreFormatError } from '../errors.ts'
import type { Encoded } from './encoded.ts'
import { Reader, Writer } from './wire.ts'

export const ENTRY_KINDS = ['step', 'sleep', 'receive', 'send', 'event', 'stream', 'child', 'value', 'patch'] as const
export type EntryKind = typeof ENTRY_KINDS[number]

/** 'exhausted': the attempts are spent, and their errors stand in `attempts`. */
export const ENTRY_OUTCOMES = ['result', 'error', 'exhausted'] as const
export type EntryOutcome = typeof ENTRY_OUTCOMES[number]

export interface AttemptRecord {
  /** From 1. */
  readonly attempt: number
  readonly startedAtMs: number
  readonly finishedAtMs: number
  /** Absent: it succeeded. */
  readonly error?: Encoded
}

export interface JournalEntry {
  readonly index: number
  readonly kind: EntryKind
  readonly name: string
  readonly startedAtMs: number
  readonly finishedAtMs: number
  readonly outcome: EntryOutcome
  /** The result or the error; empty when exhausted. */
  readonly value: Encoded
  /** Every attempt made, where there was more than one or the only one failed in a step. Empty: one attempt, the entry's own times. */
  readonly attempts: readonly AttemptRecord[]
  readonly childId?: string
}

export interface EntryHead {
  readonly index: number
  readonly kind: EntryKind
  readonly name: string
  readonly outcome: EntryOutcome
}

const FORMAT = 1
const SMALL_BYTES = 4096
const HAS_CHILD = 1
const HAS_ATTEMPTS = 2

const KIND_CODES = new Map(ENTRY_KINDS.map((kind, code) => [kind, code]))
const OUTCOME_CODES = new Map(ENTRY_OUTCOMES.map((outcome, code) => [outcome, code]))

// One writer for all: an entry is written in one go.
const writer = new Writer()

export function encodeEntry(entry: JournalEntry): Encoded {
  const bytes = viewOfEntry(entry)
  return (bytes.length < SMALL_BYTES ? bytes.slice() : bytes) as Encoded
}

/** The same; a small one is not copied, and good until the next entry is encoded. */
export function viewOfEntry(entry: JournalEntry): Encoded {
  writer.reset()
  writer.u8(FORMAT)
  writer.u8((entry.childId === undefined ? 0 : HAS_CHILD) | (entry.attempts.length === 0 ? 0 : HAS_ATTEMPTS))
  writer.u8(KIND_CODES.get(entry.kind)!)
  writer.u8(OUTCOME_CODES.get(entry.outcome)!)
  writer.varint(entry.index)
  writer.string(entry.name)
  writer.f64(entry.startedAtMs)
  writer.f64(entry.finishedAtMs)
  if (entry.childId !== undefined) writer.string(entry.childId)
  if (entry.attempts.length > 0) writeAttempts(writer, entry.attempts)
  writer.bytes(entry.value)
  // A large one is given away.
  return (writer.length < SMALL_BYTES ? writer.view() : writer.finish()) as Encoded
}

export function decodeEntry(bytes: Uint8Array): JournalEntry {
  const reader = new Reader(bytes)
  const flags = readFormat(reader)
  const { kind, outcome, index, name } = readHead(reader)
  const startedAtMs = reader.f64()
  const finishedAtMs = reader.f64()
  const childId = (flags & HAS_CHILD) === 0 ? undefined : reader.string()
  const attempts = (flags & HAS_ATTEMPTS) === 0 ? [] : readAttempts(reader)
  const value = reader.bytes() as Encoded
  // No spread: a replay decodes every entry of a run, and that would be half of it.
  return childId === undefined
    ? { kind, outcome, index, name, startedAtMs, finishedAtMs, attempts, value }
    : { kind, outcome, index, name, startedAtMs, finishedAtMs, attempts, value, childId }
}

/** What can be told of an entry without looking at the values in it. */
export function readEntryHead(bytes: Uint8Array): EntryHead {
  const reader = new Reader(bytes)
  readFormat(reader)
  return readHead(reader)
}

function readFormat(reader: Reader): number {
  const format = reader.u8()
  if (format !== FORMAT) {
    throw new StoreFormatError({ what: 'a journal entry', problem: `has format ${format}, and this version of troupe knows ${FORMAT}` })
  }
  return reader.u8()
}

function readHead(reader: Reader): EntryHead {
  const kind = ENTRY_KINDS[reader.u8()]
  const outcome = ENTRY_OUTCOMES[reader.u8()]
  if (kind === undefined || outcome === undefined) throw new InternalError({ problem: 'a journal entry has a kind or outcome that does not exist' })
  return { kind, outcome, index: reader.varint(), name: reader.string() }
}

export function writeAttempts(to: Writer, attempts: readonly AttemptRecord[]): void {
  to.varint(attempts.length)
  for (const attempt of attempts) {
    to.varint(attempt.attempt)
    to.f64(attempt.startedAtMs)
    to.f64(attempt.finishedAtMs)
    to.u8(attempt.error === undefined ? 0 : 1)
    if (attempt.error !== undefined) to.bytes(attempt.error)
  }
}

export function readAttempts(reader: Reader): AttemptRecord[] {
  const count = reader.varint()
  const attempts: AttemptRecord[] = []
  for (let i = 0; i < count; i++) {
    const attempt = reader.varint()
    const startedAtMs = reader.f64()
    const finishedAtMs = reader.f64()
    attempts.push(reader.u8() === 0
      ? { attempt, startedAtMs, finishedAtMs }
      : { attempt, startedAtMs, finishedAtMs, error: reader.bytes() as Encoded })
  }
  return attempts
}
