/**
 * Listings: runs in order of creation, by the narrowest index that the query allows, filtered by what is left of it.
 *
 * - `ids`, a small `idPrefix` and a small `parentId` give a bounded set of runs, which is read and sorted for each page.
 * - `statuses` merges the ranges of the statuses, each in order of creation already.
 * - Anything else, and a prefix or a parent with more than MAX_ROWS_A_PAGE runs, walks through all runs in order of creation.
 *
 * A page ends after `limit` matches or after MAX_ROWS_A_PAGE rows, so that one query cannot hold up the store. A cursor is a
 * place in the order of creation, which no run ever changes: it stays right while runs come and go.
 */
import type { Encoded } from '../../codec/encoded.ts'
import type { RunKey, RunStatus } from '../../model/run.ts'
import type { ListedRun, RunPage, RunQuery } from '../contract.ts'
import { compareCreation, type CreationPlace, decodeCursor, encodeCursor, filterOf, MAX_ROWS_A_PAGE } from '../query.ts'
import { isStorable } from '../names.ts'
import { afterPrefix, type KeyBytes, KeyWriter, readF64, readU48, STATUS_BYTES } from './keys.ts'
import type { Rows } from './rows.ts'

const NO_ARGS = new Uint8Array(0) as Encoded
const SURROGATE_AND_REST = /\p{Surrogate}.*$/su

export function listRuns(rows: Rows, query: RunQuery, page: { readonly after?: string, readonly limit: number, readonly values: boolean }): RunPage {
  const from = page.after === undefined ? undefined : decodeCursor(page.after)
  const parent = query.parentId === undefined ? undefined : rows.findRun(query.parentId)
  if (query.parentId !== undefined && parent === undefined) return { runs: [] }
  const filter = filterOf(query, parent)
  const runs: ListedRun[] = []
  let last = from
  let looked = 0
  for (const place of places(rows, query, parent, from)) {
    if (looked === MAX_ROWS_A_PAGE) return { runs, next: encodeCursor(last!) }
    const meta = rows.meta(place.key, NO_ARGS)
    const progress = filter.matchesMeta(meta) ? rows.progress(place.key) : undefined
    if (progress !== undefined && filter.matchesProgress(progress)) {
      if (runs.length === page.limit) return { runs, next: encodeCursor(last!) }
      if (!page.values) runs.push({ meta, progress })
      else {
        const outcome = rows.outcome(place.key)
        runs.push({ meta: { ...meta, args: rows.args(place.key) }, progress, ...(outcome === undefined ? {} : { outcome }) })
      }
    }
    last = place
    looked++
  }
  return { runs }
}

export function countRuns(rows: Rows, query: RunQuery): number {
  const { order: _, ...conditions } = query
  const names = Object.entries(conditions).filter(([, value]) => value !== undefined).map(([name]) => name)
  if (names.length === 0) return rows.tables.metas.getKeysCount(wholeTable())
  if (names.length === 1 && query.statuses !== undefined) {
    let count = 0
    for (const status of new Set(query.statuses)) count += rows.tables.status.getKeysCount(range(statusBounds(status), undefined, 'oldest-first'))
    return count
  }
  const parent = query.parentId === undefined ? undefined : rows.findRun(query.parentId)
  if (query.parentId !== undefined && parent === undefined) return 0
  const filter = filterOf(query, parent)
  let count = 0
  for (const { key } of places(rows, query, parent, undefined)) {
    if (!filter.matchesMeta(rows.meta(key, NO_ARGS))) continue
    if (!filter.needsProgress || filter.matchesProgress(rows.progress(key))) count++
  }
  return count
}

/** Keys of the runs in a status, in order of creation. */
export function runsInStatus(rows: Rows, status: RunStatus, after: RunKey | undefined, limit: number): readonly RunKey[] {
  const from = after === undefined ? undefined : rows.meta(after, NO_ARGS)
  const keys: RunKey[] = []
  for (const { key } of statusPlaces(rows, status, {}, from, 'oldest-first', limit)) keys.push(key)
  return keys
}

/** All runs that can match, each once, in the query's order, after a place. */
function places(rows: Rows, query: RunQuery, parent: RunKey | undefined, from: CreationPlace | undefined): Iterable<CreationPlace> {
  if (query.ids !== undefined) return inOrder(rows, idKeys(rows, query.ids), query, from)
  const prefix = query.idPrefix?.replace(SURROGATE_AND_REST, '')
  if (prefix !== undefined && prefix !== '') {
    const keys = upToMost(prefixKeys(rows, prefix))
    if (keys !== undefined) return inOrder(rows, keys, query, from)
  }
  if (parent !== undefined) {
    const keys = upToMost(rows.children(parent, undefined, MAX_ROWS_A_PAGE + 1))
    if (keys !== undefined) return inOrder(rows, keys, query, from)
  }
  if (query.statuses !== undefined) {
    const statuses = [...new Set(query.statuses)]
    return merged(statuses.map(status => statusPlaces(rows, status, query, from, query.order)), query.order)
  }
  return createdPlaces(rows, query, from)
}

function idKeys(rows: Rows, ids: readonly string[]): RunKey[] {
  const keys: RunKey[] = []
  for (const id of new Set(ids)) {
    const key = isStorable(id) ? rows.findRun(id) : undefined
    if (key !== undefined) keys.push(key)
  }
  return keys
}

function prefixKeys(rows: Rows, prefix: string): RunKey[] {
  const start = new KeyWriter().utf8(prefix)
  const after = afterPrefix(start.bytes.subarray(0, start.end))
  const keys: RunKey[] = []
  // UTF-8 has no byte 0xff, so there always is an end.
  if (start.end > 1978 || after === undefined) return keys
  const end = new KeyWriter().raw(after)
  for (const { value } of rows.tables.ids.getRange({ start, end, limit: MAX_ROWS_A_PAGE + 1 })) keys.push(rows.runOf(value, 'ids'))
  return keys
}

function upToMost(keys: readonly RunKey[]): readonly RunKey[] | undefined {
  return keys.length > MAX_ROWS_A_PAGE ? undefined : keys
}

function inOrder(rows: Rows, keys: readonly RunKey[], query: RunQuery, from: CreationPlace | undefined): CreationPlace[] {
  const sign = query.order === 'oldest-first' ? 1 : -1
  return keys
    .map((key): CreationPlace => ({ key, createdAtMs: rows.meta(key, NO_ARGS).createdAtMs }))
    .filter(place => from === undefined || sign * compareCreation(place, from) > 0)
    .sort((a, b) => sign * compareCreation(a, b))
}

type Times = Pick<RunQuery, 'createdAfterMs' | 'createdBeforeMs'>

/** Where a table's range begins and ends; `at` writes the key of a place in it. */
interface Bounds {
  /** Below all rows of the range. */
  readonly low: KeyWriter
  /** Above all of them. */
  readonly high: KeyWriter
  at(place: CreationPlace): KeyWriter
}

function statusBounds(status: RunStatus, times: Times = {}): Bounds {
  const byte = STATUS_BYTES[status]
  return {
    low: new KeyWriter().u8(byte).f64(times.createdAfterMs ?? -Infinity),
    high: times.createdBeforeMs === undefined ? new KeyWriter().u8(byte + 1) : new KeyWriter().u8(byte).f64(times.createdBeforeMs),
    at: place => new KeyWriter().u8(byte).f64(place.createdAtMs).u48(place.key),
  }
}

function wholeTable(): { start: KeyBytes, end: KeyBytes } {
  return { start: new KeyWriter().u8(0), end: new KeyWriter().u48(0xffff_ffff_ffff).u8(0) }
}

/** A row equal to a bound of time has a longer key than the bound, so it lies inside: the filter takes it out again. */
function range(bounds: Bounds, from: CreationPlace | undefined, order: RunQuery['order'], limit?: number) {
  const at = from && bounds.at(from)
  return order === 'oldest-first'
    ? { start: at ?? bounds.low, end: bounds.high, exclusiveStart: at !== undefined, ...(limit === undefined ? {} : { limit }) }
    : { start: at ?? bounds.high, end: bounds.low, exclusiveStart: at !== undefined, reverse: true, ...(limit === undefined ? {} : { limit }) }
}

function * statusPlaces(
  rows: Rows, status: RunStatus, times: Times, from: CreationPlace | undefined, order: RunQuery['order'], limit?: number,
): Generator<CreationPlace> {
  for (const key of rows.keys('status', range(statusBounds(status, times), from, order, limit))) {
    yield { createdAtMs: readF64(key, 1), key: readU48(key, 9) as RunKey }
  }
}

function * createdPlaces(rows: Rows, query: RunQuery, from: CreationPlace | undefined): Generator<CreationPlace> {
  const bounds: Bounds = {
    low: new KeyWriter().f64(query.createdAfterMs ?? -Infinity),
    high: query.createdBeforeMs === undefined ? new KeyWriter().f64(Infinity).u48(0xffff_ffff_ffff).u8(0) : new KeyWriter().f64(query.createdBeforeMs),
    at: place => new KeyWriter().f64(place.createdAtMs).u48(place.key),
  }
  for (const key of rows.keys('created', range(bounds, from, query.order))) {
    yield { createdAtMs: readF64(key, 0), key: readU48(key, 8) as RunKey }
  }
}

/** Merges sorted sequences: few of them, so the smallest head is found by looking at each. */
function * merged(sources: readonly Generator<CreationPlace>[], order: RunQuery['order']): Generator<CreationPlace> {
  const sign = order === 'oldest-first' ? 1 : -1
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

