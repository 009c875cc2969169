/**
 * Parts of tables whose rows are runs in order of creation: all runs (table `created`), those in one status, those with one
 * label. Their keys are some fixed bytes, then created f64, then run u48.
 */
import type { RunKey, RunStatus } from '../../model/run.ts'
import type { RunQuery } from '../contract.ts'
import { compareCreation, type CreationPlace } from '../query.ts'
import type { KeyRange } from './engine.ts'
import { type KeyBytes, KeyWriter, type Label, labelKey, readF64, readU48, STATUS_BYTES, type TableName } from './keys.ts'
import type { Rows } from './rows.ts'

export interface Section {
  readonly table: Extract<TableName, 'created' | 'status' | 'labels'>
  /** What its keys begin with. */
  readonly prefix: KeyBytes
}

export const ALL_RUNS: Section = { table: 'created', prefix: new KeyWriter(1) }

export function statusSection(status: RunStatus): Section {
  return { table: 'status', prefix: new KeyWriter().u8(STATUS_BYTES[status]) }
}

export function labelSection(label: Label): Section {
  return { table: 'labels', prefix: labelKey(new KeyWriter(), label) }
}

/** What of a section is asked for. */
export type Span = Pick<RunQuery, 'order' | 'createdAfterMs' | 'createdBeforeMs'> & {
  /** After this place, which need not be there. */
  readonly from?: CreationPlace | undefined
}

export function * placesOf(rows: Rows, section: Section, span: Span, limit?: number): Generator<CreationPlace> {
  for (const key of rows.keys(section.table, { ...rangeOf(section, span), ...(limit === undefined ? {} : { limit }) })) {
    yield { createdAtMs: readF64(key, key.length - 14), key: readU48(key, key.length - 6) as RunKey }
  }
}

export function countOf(rows: Rows, section: Section): number {
  return rows.tables[section.table].getKeysCount(rangeOf(section, { order: 'oldest-first' }))
}

/** A row equal to a bound of time has a longer key than the bound, so it lies inside: the filter takes it out again. */
function rangeOf({ prefix }: Section, { order, createdAfterMs, createdBeforeMs, from }: Span): KeyRange {
  const at = (createdAtMs: number): KeyWriter => new KeyWriter().raw(prefix.bytes.subarray(prefix.start, prefix.end)).f64(createdAtMs)
  const place = from && at(from.createdAtMs).u48(from.key)
  const low = at(createdAfterMs ?? -Infinity)
  const high = createdBeforeMs === undefined ? at(Infinity).u48(0xffff_ffff_ffff).u8(0) : at(createdBeforeMs)
  return order === 'oldest-first'
    ? { start: place ?? low, end: high, exclusiveStart: place !== undefined }
    : { start: place ?? high, end: low, exclusiveStart: place !== undefined, reverse: true }
}

/** The places of all sections, each once if no two sections share one. Few sections, so the next place is found by looking at each. */
export function * merged(rows: Rows, sections: readonly Section[], span: Span): Generator<CreationPlace> {
  const sign = span.order === 'oldest-first' ? 1 : -1
  const sources = sections.map(section => placesOf(rows, section, span))
  const heads = sources.map(source => source.next())
  try {
    for (;;) {
      let first = -1
      for (let i = 0; i < heads.length; i++) {
        if (heads[i]!.done === true) continue
        if (first < 0 || sign * compareCreation(heads[i]!.value as CreationPlace, heads[first]!.value as CreationPlace) < 0) first = i
      }
      if (first < 0) return
      yield heads[first]!.value as CreationPlace
      heads[first] = sources[first]!.next()
    }
  } finally {
    // Their cursors hold a read transaction of lmdb until they are told that nobody reads on.
    for (const source of sources) source.return(undefined)
  }
}
