import { checkBoolean, checkName, checkNumber, checkOptions, optionalFunction, optionalTimeoutMs, secondsToMs } from '../options.ts'
import type { StepDefinition } from './context.ts'

export interface StepOptions {
  /** Name recorded with each checkpoint. Default: the function's own name; an anonymous function without it is refused. */
  readonly name?: string
  /** Retry a failed attempt. Default false: the first error is the step's outcome. */
  readonly retriesAllowed?: boolean
  /** Attempts in all, the first included. Whole number >= 1. Default 3. */
  readonly maxAttempts?: number
  /** Delay before the second attempt, in seconds. >= 0. Default 1. */
  readonly intervalSeconds?: number
  /** Factor by which the delay grows after each further failure. >= 1. Default 2. */
  readonly backoffRate?: number
  /** Upper bound of any one delay, in seconds. Default 3600. */
  readonly maxIntervalSeconds?: number
  /** Share of each delay taken off at random, 0..1. It only ever shortens, so maxIntervalSeconds stays a true bound. Default 0. */
  readonly jitter?: number
  /** Asked after each failed attempt; false ends the retries and the original error is the outcome. Default: always true. */
  readonly shouldRetry?: (error: unknown, attempt: number) => boolean | Promise<boolean>
  /** Bound on one attempt, in seconds. The step's `signal` aborts; code that does not yield has its thread ended. Default: none. */
  readonly timeoutSeconds?: number
}

/** The one place where a step's defaults stand. */
export const STEP_DEFAULTS = {
  retriesAllowed: false,
  maxAttempts: 3,
  intervalSeconds: 1,
  backoffRate: 2,
  maxIntervalSeconds: 3600,
  jitter: 0,
} as const satisfies StepOptions

const KNOWN = [
  'name', 'retriesAllowed', 'maxAttempts', 'intervalSeconds', 'backoffRate', 'maxIntervalSeconds', 'jitter', 'shouldRetry', 'timeoutSeconds',
]

/** @throws InvalidOptionError at definition, naming the option */
export function resolveStepOptions(functionName: string, options: unknown): StepDefinition {
  const given = checkOptions('step()', options, KNOWN)
  const value = { ...STEP_DEFAULTS, ...withoutUndefined(given) }
  const shouldRetry = optionalFunction('shouldRetry', given['shouldRetry'])
  const timeoutMs = optionalTimeoutMs('timeoutSeconds', given['timeoutSeconds'])
  return {
    name: checkName('name', given['name'] === undefined ? functionName : given['name']),
    retry: {
      retriesAllowed: checkBoolean('retriesAllowed', value.retriesAllowed),
      maxAttempts: checkNumber('maxAttempts', value.maxAttempts, { min: 1, whole: true }),
      intervalMs: secondsToMs('intervalSeconds', value.intervalSeconds),
      backoffRate: checkNumber('backoffRate', value.backoffRate, { min: 1 }),
      maxIntervalMs: secondsToMs('maxIntervalSeconds', value.maxIntervalSeconds),
      jitter: checkNumber('jitter', value.jitter, { min: 0, max: 1 }),
    },
    ...(shouldRetry !== undefined && { shouldRetry: shouldRetry as NonNullable<StepDefinition['shouldRetry']> }),
    ...(timeoutMs !== undefined && { timeoutMs }),
  }
}

function withoutUndefined(options: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}
