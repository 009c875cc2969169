/** Options of queues and schedules, and what a host reads of them. */
import { checkCron, checkTimezone } from '../cron.ts'
import { checkNumber, checkOneOf, checkOptions, optionalName, optionalNumber, refuse, secondsToMs } from '../options.ts'
import type { QueueBounds, QueueReport, ScheduleReport, ScheduleRequest } from '../protocol/host.ts'

/** A run takes up a place of its queue from its first spawn to its outcome. */
export interface QueueOptions {
  /** Runs of this queue at work at once, over all hosts. Whole number >= 1. Default: no bound. */
  readonly concurrency?: number
  /** The same for each host. */
  readonly hostConcurrency?: number
  /** The same for the runs that share a queueKey. */
  readonly keyConcurrency?: number
  /** Starts in any window of periodSeconds. */
  readonly rateLimit?: { readonly limit: number, readonly periodSeconds: number }
}

export interface QueueInfo {
  readonly name: string
  readonly options: QueueOptions
  /** Runs that take up a place now. */
  readonly atWork: number
}

export interface ScheduleOptions {
  /** Five- or six-field cron expression. Exactly one of cron and everySeconds. */
  readonly cron?: string
  /** An interval, from when it was first set. At least 1. */
  readonly everySeconds?: number
  /** Of the cron expression. Default: the host's. */
  readonly timezone?: string
  /** What happens to occurrences missed while no host ran: 'skip' all, run the 'last' one, or 'all'. Default 'skip'. */
  readonly missed?: 'skip' | 'last' | 'all'
  readonly queue?: string
}

export interface ScheduleInfo extends ScheduleOptions {
  readonly name: string
  readonly workflow: string
  /** Absent when there is no further occurrence. */
  readonly nextAt?: Date
}

/** @throws InvalidOptionError */
export function resolveQueueOptions(options: unknown): QueueBounds {
  const given = checkOptions('setQueue()', options, ['concurrency', 'hostConcurrency', 'keyConcurrency', 'rateLimit'])
  const bound = (name: string): number | undefined => optionalNumber(name, given[name], { min: 1, whole: true })
  const concurrency = bound('concurrency')
  const hostConcurrency = bound('hostConcurrency')
  const keyConcurrency = bound('keyConcurrency')
  const rate = given['rateLimit'] === undefined ? undefined : resolveRate(given['rateLimit'])
  return {
    ...(concurrency !== undefined && { concurrency }),
    ...(hostConcurrency !== undefined && { hostConcurrency }),
    ...(keyConcurrency !== undefined && { keyConcurrency }),
    ...(rate !== undefined && { rate }),
  }
}

function resolveRate(rateLimit: unknown): { readonly limit: number, readonly periodMs: number } {
  const given = checkOptions('rateLimit', rateLimit, ['limit', 'periodSeconds'])
  const periodMs = secondsToMs('rateLimit.periodSeconds', given['periodSeconds'])
  if (periodMs === 0) refuse('rateLimit.periodSeconds', 'be more than 0', given['periodSeconds'])
  return { limit: checkNumber('rateLimit.limit', given['limit'], { min: 1, max: 1_000_000, whole: true }), periodMs }
}

/** @throws InvalidOptionError */
export function resolveScheduleOptions(options: unknown): Omit<ScheduleRequest, 'name' | 'workflow' | 'args'> {
  const given = checkOptions('setSchedule()', options, ['cron', 'everySeconds', 'timezone', 'missed', 'queue'])
  const { cron, everySeconds } = given
  if ((cron === undefined) === (everySeconds === undefined)) refuse('cron', 'be given, or everySeconds, and not both', cron)
  if (given['timezone'] !== undefined && cron === undefined) refuse('timezone', 'go with cron', given['timezone'])
  const timezone = given['timezone'] === undefined ? undefined : checkTimezone(given['timezone'])
  const queue = optionalName('queue', given['queue'])
  return {
    missed: given['missed'] === undefined ? 'skip' : checkOneOf('missed', given['missed'], ['skip', 'last', 'all']),
    ...(cron !== undefined && { cron: checkCron(cron, timezone) }),
    ...(everySeconds !== undefined && { everyMs: secondsToMs('everySeconds', everySeconds, 1) }),
    ...(timezone !== undefined && { timezone }),
    ...(queue !== undefined && { queue }),
  }
}

export function queueInfo({ name, bounds, atWork }: QueueReport): QueueInfo {
  const { rate, ...options } = bounds
  return { name, atWork, options: { ...options, ...(rate !== undefined && { rateLimit: { limit: rate.limit, periodSeconds: rate.periodMs / 1000 } }) } }
}

export function scheduleInfo({ name, workflow, cron, everyMs, timezone, missed, queue, nextAtMs }: ScheduleReport): ScheduleInfo {
  return {
    name, workflow, missed,
    ...(cron !== undefined && { cron }),
    ...(everyMs !== undefined && { everySeconds: everyMs / 1000 }),
    ...(timezone !== undefined && { timezone }),
    ...(queue !== undefined && { queue }),
    ...(nextAtMs !== undefined && { nextAt: new Date(nextAtMs) }),
  }
}
