/** Cron expressions, by croner: five or six fields, in any time zone, right over daylight saving. */
import { Cron } from 'croner'
import { refuse } from './options.ts'

/** @throws InvalidOptionError */
export function checkCron(expression: unknown, timezone: string | undefined): string {
  if (typeof expression !== 'string') refuse('cron', 'be a cron expression of five or six fields', expression)
  // The parser takes instants and nicknames, too.
  const fields = expression.trim().split(/\s+/).length
  if (fields !== 5 && fields !== 6) refuse('cron', 'be a cron expression of five or six fields', expression)
  try {
    cronOf(expression, timezone)
  } catch (error) {
    refuse('cron', `be a cron expression of five or six fields (${(error as Error).message})`, expression)
  }
  return expression
}

/** @throws InvalidOptionError */
export function checkTimezone(timezone: unknown): string {
  if (typeof timezone !== 'string') refuse('timezone', 'be the name of a time zone, as "Europe/Berlin"', timezone)
  try {
    Intl.DateTimeFormat('en', { timeZone: timezone })
  } catch {
    refuse('timezone', 'be the name of a time zone, as "Europe/Berlin"', timezone)
  }
  return timezone
}

/** The first occurrence after an instant; undefined when there is none any more. */
export function nextCronAtMs(expression: string, timezone: string | undefined, afterMs: number): number | undefined {
  return cronOf(expression, timezone).nextRun(new Date(afterMs))?.getTime()
}

/** The last occurrence at or before an instant. */
export function lastCronAtMs(expression: string, timezone: string | undefined, nowMs: number): number | undefined {
  // Occurrences are whole seconds, and the one asked about is to be among those before.
  const [before] = cronOf(expression, timezone).previousRuns(1, new Date(Math.floor(nowMs / 1000) * 1000 + 1000))
  return before?.getTime()
}

function cronOf(expression: string, timezone: string | undefined): Cron {
  return new Cron(expression, { paused: true, mode: '5-or-6-parts', ...(timezone !== undefined && { timezone }) })
}
