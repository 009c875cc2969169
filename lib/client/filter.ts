import type { RunStatus } from '../model/run.ts'
import { RUN_STATUSES } from '../model/run.ts'
import { checkBoolean, checkName, checkNumber, checkOneOf, checkOptions, refuse } from '../options.ts'
import type { RunQuery } from '../protocol/records.ts'
import { checkTags } from './options.ts'

/** All given conditions must hold. */
export interface RunFilter {
  readonly ids?: readonly string[]
  readonly idPrefix?: string
  readonly workflow?: string | readonly string[]
  readonly status?: RunStatus | readonly RunStatus[]
  readonly queue?: string | readonly string[]
  readonly parentId?: string
  /** Runs that have all of these. */
  readonly tags?: Readonly<Record<string, string>>
  /** Strictly after. */
  readonly createdAfter?: Date
  /** Strictly before. */
  readonly createdBefore?: Date
  /** By creation. Default 'newest-first'. */
  readonly order?: 'newest-first' | 'oldest-first'
  /** Runs in all. Whole number >= 0. Default: no bound. */
  readonly limit?: number
  /** Load args, results and errors. Default false: a listing stays small. */
  readonly values?: boolean
}

export interface ResolvedFilter {
  readonly query: RunQuery
  readonly limit: number
  readonly values: boolean
}

const KNOWN = ['ids', 'idPrefix', 'workflow', 'status', 'queue', 'parentId', 'tags', 'createdAfter', 'createdBefore', 'order', 'limit', 'values']

/** @throws InvalidOptionError */
export function resolveFilter(filter: unknown): ResolvedFilter {
  const given = checkOptions('list()', filter, KNOWN)
  const { ids, idPrefix, workflow, status, queue, parentId, tags, createdAfter, createdBefore, order, limit, values } = given
  return {
    query: {
      order: order === undefined ? 'newest-first' : checkOneOf('order', order, ['newest-first', 'oldest-first']),
      ...(ids !== undefined && { ids: checkList('ids', ids, checkName) }),
      ...(idPrefix !== undefined && { idPrefix: checkName('idPrefix', idPrefix) }),
      ...(workflow !== undefined && { workflows: oneOrMore('workflow', workflow, checkName) }),
      ...(status !== undefined && { statuses: oneOrMore('status', status, (option, word) => checkOneOf(option, word, RUN_STATUSES)) }),
      ...(queue !== undefined && { queues: oneOrMore('queue', queue, checkName) }),
      ...(parentId !== undefined && { parentId: checkName('parentId', parentId) }),
      ...(tags !== undefined && { tags: checkTags('tags', tags) }),
      ...(createdAfter !== undefined && { createdAfterMs: checkDate('createdAfter', createdAfter) }),
      ...(createdBefore !== undefined && { createdBeforeMs: checkDate('createdBefore', createdBefore) }),
    },
    limit: limit === undefined ? Infinity : checkNumber('limit', limit, { min: 0, whole: true }),
    values: values === undefined ? false : checkBoolean('values', values),
  }
}

function checkList<T>(option: string, list: unknown, check: (option: string, item: unknown) => T): readonly T[] {
  if (!Array.isArray(list)) refuse(option, 'be an array', list)
  return list.map(item => check(option, item))
}

function oneOrMore<T>(option: string, value: unknown, check: (option: string, item: unknown) => T): readonly T[] {
  return Array.isArray(value) ? checkList(option, value, check) : [check(option, value)]
}

function checkDate(option: string, date: unknown): number {
  if (!(date instanceof Date) || Number.isNaN(date.getTime())) refuse(option, 'be a valid Date', date)
  return date.getTime()
}
