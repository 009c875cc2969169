/**
 * The journals of all runs: table `journal`, [run, position]. Behind these four functions, so that an append-ordered hot
 * journal (a commit's entries in one record, folded into each run's order later) can take their place.
 */
import type { Encoded } from '../../codec/encoded.ts'
import type { RunKey } from '../../model/run.ts'
import type { WriteBatch } from './batch.ts'
import type { Table } from './engine.ts'
import { KeyWriter, readU32 } from './keys.ts'
import { payloadOf, seedOf } from './records.ts'

const LAST_POSITION = 0xffff_ffff

export function appendEntry(batch: WriteBatch, run: RunKey, position: number, entry: Encoded): void {
  batch.key.u48(run).u32(position)
  batch.put('journal', entry, seedOf('journal', run, position))
}

/** Forgets the entries of positions from..length - 1. */
export function forgetEntries(batch: WriteBatch, run: RunKey, fromPosition: number, length: number): void {
  for (let position = fromPosition; position < length; position++) {
    batch.key.u48(run).u32(position)
    batch.remove('journal')
  }
}

export function readEntries(journal: Table, run: RunKey, fromPosition: number, limit: number): Encoded[] {
  const entries: Encoded[] = []
  if (limit <= 0) return entries
  const start = new KeyWriter().u48(run).u32(fromPosition)
  const end = new KeyWriter().u48(run + 1).u32(0)
  let position = fromPosition
  for (const { value } of journal.getRange({ start, end, limit })) {
    entries.push(payloadOf(value, 'journal', run, position++) as Encoded)
  }
  return entries
}

/** The position the next entry gets. */
export function journalLength(journal: Table, run: RunKey): number {
  const start = new KeyWriter().u48(run).u32(LAST_POSITION)
  const end = new KeyWriter().u48(run).u32(0)
  // In reverse the start is included and the end is not: position 0 is asked for by a key before it.
  end.end -= 1
  for (const key of journal.getKeys({ start, end, reverse: true, limit: 1 })) return readU32(key, 6) + 1
  return 0
}
