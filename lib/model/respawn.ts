/** When a crashed actor is spawned again, and when it is given up. Pure. After Erlang's restart intensity. */

export interface ResolvedRespawnPolicy {
  readonly maxRespawns: number
  readonly windowMs: number
}

export const DEFAULT_RESPAWN_POLICY: ResolvedRespawnPolicy = { maxRespawns: 5, windowMs: 600_000 }

/** Deaths of the whole process in a row, without a checkpoint between them, after which a run is quarantined. */
export const MAX_PROCESS_DEATHS = 100

/**
 * After so many a run is careful: it goes on while no other careful run is at work, those with the fewest deaths first. So whoever ends the
 * process ends it without company, and the innocent are past the place before it has another go.
 */
export const CAREFUL_AFTER_DEATHS = 5

const FIRST_BACKOFF_MS = 100
const LONGEST_BACKOFF_MS = 30_000

export type RespawnVerdict =
  | { readonly type: 'respawn', readonly delayMs: number, readonly crashesAtMs: readonly number[] }
  | { readonly type: 'quarantine', readonly crashesAtMs: readonly number[] }

/**
 * What to do after a crash at `nowMs` that is the run's own. `crashesAtMs` are the earlier ones since its last checkpoint.
 * The first respawn of a window is immediate, the following ones wait 100 ms, 200 ms, 400 ms, ... up to 30 s.
 */
export function judgeCrash(policy: ResolvedRespawnPolicy, crashesAtMs: readonly number[], nowMs: number): RespawnVerdict {
  const recent = [...crashesAtMs.filter(at => nowMs - at < policy.windowMs), nowMs]
  if (recent.length > policy.maxRespawns) return { type: 'quarantine', crashesAtMs: recent }
  const delayMs = recent.length === 1 ? 0 : Math.min(FIRST_BACKOFF_MS * 2 ** (recent.length - 2), LONGEST_BACKOFF_MS)
  return { type: 'respawn', delayMs, crashesAtMs: recent }
}
