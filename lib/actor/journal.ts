/** The recorded past of a run, as its actor reads it: heads at once, values when they are delivered. */
import { decodeEntry, readEntryHead } from '../codec/entry.ts'
import type { EntryHead, JournalEntry } from '../codec/entry.ts'
import type { PackedEntries } from '../protocol/thread.ts'

export interface RecordedEntry {
  readonly head: EntryHead
  decode(): JournalEntry
}

export class RecordedJournal {
  readonly #entries: readonly RecordedEntry[]
  readonly #byIndex = new Map<number, EntryHead>()
  #highestIndex = -1

  constructor(packed: PackedEntries) {
    const entries: RecordedEntry[] = []
    let start = 0
    for (const end of packed.ends) {
      const bytes = packed.bytes.subarray(start, end)
      start = end
      const head = readEntryHead(bytes)
      entries.push({ head, decode: () => decodeEntry(bytes) })
      this.#byIndex.set(head.index, head)
      this.#highestIndex = Math.max(this.#highestIndex, head.index)
    }
    this.#entries = entries
  }

  get length(): number {
    return this.#entries.length
  }

  /** In the order in which they were committed, which is the order of delivery. */
  all(): readonly RecordedEntry[] {
    return this.#entries
  }

  headOf(index: number): EntryHead | undefined {
    return this.#byIndex.get(index)
  }

  /** The first recorded operation at or after an index: one the code never called, if it ended there. */
  firstFrom(index: number): EntryHead | undefined {
    if (index > this.#highestIndex) return undefined
    const later = this.#entries.map(entry => entry.head).filter(head => head.index >= index)
    return later.sort((a, b) => a.index - b.index)[0]
  }
}

/** An operation in words, for people. */
export function describeOperation(kind: string, name: string): string {
  return name === kind ? kind : `${kind} "${name}"`
}
