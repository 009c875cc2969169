/**
 * Listings: runs in order of creation, by the narrowest index that the query allows, filtered by what is left of it.
 *
 * - `ids`, a small `idPrefix` and a small `parentId` give a bounded set of runs, which is read and sorted for each page.
 * - `tags`, `statuses`, `queues` and `workflows` have sections that are in order of creation already: those of the rarest of these
 *   conditions are walked through.
 * - Anything else, and a prefix or a parent with more than MAX_ROWS_A_PAGE runs, walks through all runs in order of creation.
 *
 * A page ends after `limit` matches or after MAX_ROWS_A_PAGE rows, so that one query cannot hold up the store. A cursor is a
 * place in the order of creation, which no run ever changes: it stays right while runs come and go.
 */
import type { Encoded } from '../../codec/encoded.ts'
import type { RunKey, RunStatus } from '../../model/run.ts'
import type { ListedRun, RunPage, RunQuery } from '../contract.ts'
import { compareCreation, type CreationPlace, decodeCursor, encodeCursor, filterOf, MAX_ROWS_A_PAGE } from '../query.ts'
import { isStorable, isStorableTag } from '../names.ts'
import { afterPrefix, KeyWriter } from './keys.ts'
import type { Rows } from './rows.ts'
import { ALL_RUNS, countOf, labelSection, merged, placesOf, type Section, type Span, statusSection } from './sections.ts'

const NO_ARGS = new Uint8Array(0) as Encoded
/** Rows looked at to find out which of two conditions is rarer. */
const MAX_PROBED = 1_000
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
  if (names.length === 0) return countOf(rows, ALL_RUNS)
  const sections = sectionsOf(query)
  if (names.length === 1 && sections.length === 1) {
    return sections[0]!.reduce((count, section) => count + countOf(rows, section), 0)
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
  return [...placesOf(rows, statusSection(status), { order: 'oldest-first', from }, limit)].map(({ key }) => key)
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
  const span = { ...query, from }
  return merged(rows, rarest(rows, sectionsOf(query), span), span)
}

/** The sections that each condition allows. Those that are likely to be rare come first. */
function sectionsOf({ tags, statuses, queues, workflows }: RunQuery): Section[][] {
  const each = Object.entries(tags ?? {}).map(([name, value]) => isStorableTag(name, value) ? [labelSection({ type: 'tag', name, value })] : [])
  if (statuses !== undefined) each.push([...new Set(statuses)].map(statusSection))
  if (queues !== undefined) each.push(storable(queues).map(name => labelSection({ type: 'queue', name })))
  if (workflows !== undefined) each.push(storable(workflows).map(name => labelSection({ type: 'workflow', name })))
  return each
}

/** Of the others there are no runs. */
function storable(names: readonly string[]): string[] {
  return [...new Set(names)].filter(isStorable)
}

/** The sections of the condition that the fewest runs meet; where all have many, the first. */
function rarest(rows: Rows, each: readonly Section[][], span: Span): readonly Section[] {
  let best = each[0]
  if (best === undefined) return [ALL_RUNS]
  if (each.length === 1) return best
  let fewest = MAX_PROBED
  for (const sections of each) {
    let count = 0
    for (const section of sections) {
      for (const _ of placesOf(rows, section, span, fewest - count)) count++
    }
    if (count < fewest) [best, fewest] = [sections, count]
  }
  return best
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
