/** What a RunQuery means, for every store alike. Pure. */
import { InvalidOptionError } from '../errors.ts'
import type { RunKey } from '../model/run.ts'
import type { RunMeta, RunProgress, RunQuery } from './contract.ts'

/** A place in the order of creation: createdAt, then key. */
export interface CreationPlace {
  readonly createdAtMs: number
  readonly key: RunKey
}

export function compareCreation(a: CreationPlace, b: CreationPlace): number {
  return a.createdAtMs - b.createdAtMs || a.key - b.key
}

/** Rows a store looks at for one page at most: a page may be shorter than its limit and still have a next one. */
export const MAX_ROWS_A_PAGE = 10_000

export function encodeCursor(place: CreationPlace): string {
  return `${place.createdAtMs}_${place.key}`
}

/** @throws InvalidOptionError for what encodeCursor did not write */
export function decodeCursor(cursor: string): CreationPlace {
  const [createdAtMs, key, ...rest] = cursor.split('_').map(part => part === '' ? NaN : Number(part))
  if (createdAtMs === undefined || Number.isNaN(createdAtMs) || key === undefined || !Number.isSafeInteger(key) || key < 0 || rest.length > 0) {
    throw new InvalidOptionError({ option: 'cursor', rule: 'be what an earlier page gave as `next`', received: cursor, doing: 'Listing runs' })
  }
  return { createdAtMs, key: key as RunKey }
}

/** The conditions of a query, made ready to be asked of many runs. */
export interface Filter {
  /** Whether any condition needs the progress. */
  readonly needsProgress: boolean
  matchesMeta(meta: RunMeta): boolean
  matchesProgress(progress: RunProgress): boolean
}

/** `parent` is the run that has the query's parentId now, if the query has one. */
export function filterOf(query: RunQuery, parent: RunKey | undefined): Filter {
  const ids = query.ids && new Set(query.ids)
  const workflows = query.workflows && new Set(query.workflows)
  const queues = query.queues && new Set(query.queues)
  const statuses = query.statuses && new Set(query.statuses)
  const tags = Object.entries(query.tags ?? {})
  const after = query.createdAfterMs ?? -Infinity
  const before = query.createdBeforeMs ?? Infinity
  return {
    needsProgress: statuses !== undefined,
    matchesMeta: meta =>
      (ids === undefined || ids.has(meta.id)) &&
      (query.idPrefix === undefined || meta.id.startsWith(query.idPrefix)) &&
      (workflows === undefined || workflows.has(meta.workflow)) &&
      (queues === undefined || (meta.queue !== undefined && queues.has(meta.queue))) &&
      (query.parentId === undefined || (parent !== undefined && meta.parent?.key === parent)) &&
      tags.every(([name, value]) => Object.hasOwn(meta.tags, name) && meta.tags[name] === value) &&
      meta.createdAtMs > after && meta.createdAtMs < before,
    matchesProgress: progress => statuses === undefined || statuses.has(progress.status),
  }
}
