/** The states of a run and the moves between them, and the names that must not be mixed. */

declare const brand: unique symbol

/** A run's number in its store: numbered in order of start. Ids are strings and live at the doors; inside, a run is its key. */
export type RunKey = number & { readonly [brand]: 'RunKey' }

export type RunStatus =
  | 'enqueued' | 'delayed' | 'running' | 'waiting'
  | 'succeeded' | 'failed' | 'cancelled' | 'quarantined'

export type FinishedStatus = 'succeeded' | 'failed' | 'cancelled' | 'quarantined'

/**
 * Every move a run may make. The three outcomes that can be taken back by resume() lead to 'enqueued'; 'succeeded' is
 * final. 'running' leads to 'enqueued' when its thread or its process ended and it must be spawned again.
 */
export const RUN_TRANSITIONS = {
  delayed: ['enqueued', 'cancelled', 'failed'],
  enqueued: ['running', 'cancelled', 'failed', 'quarantined'],
  running: ['waiting', 'enqueued', 'succeeded', 'failed', 'cancelled', 'quarantined'],
  waiting: ['running', 'enqueued', 'cancelled', 'failed', 'quarantined', 'succeeded'],
  succeeded: [],
  failed: ['enqueued'],
  cancelled: ['enqueued'],
  quarantined: ['enqueued'],
} as const satisfies Record<RunStatus, readonly RunStatus[]>

export const RUN_STATUSES = Object.keys(RUN_TRANSITIONS) as readonly RunStatus[]

export function isFinished(status: RunStatus): status is FinishedStatus {
  return status === 'succeeded' || status === 'failed' || status === 'cancelled' || status === 'quarantined'
}

export function mayMove(from: RunStatus, to: RunStatus): boolean {
  return (RUN_TRANSITIONS[from] as readonly RunStatus[]).includes(to)
}
