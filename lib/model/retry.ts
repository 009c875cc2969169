/** When a failed step is tried again. Pure: time and chance are arguments. */

/** A step's retry options with every default filled in and every unit in milliseconds. */
export interface ResolvedRetryPolicy {
  readonly retriesAllowed: boolean
  /** Attempts in all, the first included. */
  readonly maxAttempts: number
  readonly intervalMs: number
  readonly backoffRate: number
  readonly maxIntervalMs: number
  /** Share of each delay taken off at random, 0..1. */
  readonly jitter: number
}

/**
 * Milliseconds to wait after failed attempt `attempt` (from 1), or undefined when no further attempt is allowed.
 * `min(interval * backoffRate^(attempt - 1), maxInterval)`, shortened by `jitter * random` of itself; the cap comes before
 * the jitter, which only ever shortens, so the cap is a true bound. An overflow of the power is the cap.
 * @param random a number in [0, 1)
 */
export function retryDelayMs(policy: ResolvedRetryPolicy, attempt: number, random: number): number | undefined {
  if (!policy.retriesAllowed || attempt >= policy.maxAttempts) return undefined
  // 0 * Infinity is NaN: an interval of nothing stays nothing whatever the power.
  const grown = policy.intervalMs === 0 ? 0 : policy.intervalMs * policy.backoffRate ** (attempt - 1)
  const capped = Math.min(grown, policy.maxIntervalMs)
  return capped - capped * policy.jitter * random
}
