/** One call of a durable operation, from the moment it took its index until its promise is settled. */
import { decodeError } from '../codec/error.ts'
import { decodeValue } from '../codec/value.ts'
import type { Encoded } from '../codec/encoded.ts'
import type { AttemptRecord, EntryKind, EntryOutcome } from '../codec/entry.ts'
import { StepRetriesExhaustedError } from '../errors.ts'

/** What a completed operation settles with: as bytes, or decoded from them already. */
export type SettledWith = OperationOutcome | { readonly outcome: 'result', readonly decoded: unknown }

/** What came of an operation. */
export interface OperationOutcome {
  readonly outcome: EntryOutcome
  readonly value: Encoded
  readonly attempts: readonly AttemptRecord[]
}

export class Operation {
  readonly index: number
  readonly kind: EntryKind
  readonly name: string
  readonly promise: Promise<unknown>
  #resolve!: (value: unknown) => void
  #reject!: (error: unknown) => void
  /** What this thread reported as its outcome, kept until the supervisor says that it is recorded. */
  proposed: SettledWith | undefined
  /** An outcome was reported and is not recorded yet. */
  reported = false
  /** Goes on when the supervisor says that the next attempt is due. */
  onAttemptDue: ((attempt: number) => void) | undefined
  /** Stops what runs for it: the run is ending. */
  onEnd: ((error: unknown) => void) | undefined
  /** It waits on the supervisor alone: a timer, a child, a message, the next attempt. */
  waiting = false

  constructor(index: number, kind: EntryKind, name: string) {
    this.index = index
    this.kind = kind
    this.name = name
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  /** Settles the promise with decoded bytes, live as on replay (G7). */
  settle(outcome: SettledWith): void {
    if ('decoded' in outcome) {
      this.#resolve(outcome.decoded)
      return
    }
    switch (outcome.outcome) {
      case 'result':
        this.#resolve(outcome.value.length === 0 ? undefined : decodeValue(outcome.value))
        return
      case 'error':
        this.reject(decodeError(outcome.value))
        return
      case 'exhausted':
        this.reject(new StepRetriesExhaustedError({
          stepName: this.name,
          attempts: outcome.attempts.length,
          errors: outcome.attempts.map(attempt => attempt.error === undefined ? undefined : decodeError(attempt.error)),
        }))
    }
  }

  reject(error: unknown): void {
    // An operation that nobody awaits (the loser of a race) must not end the thread as an unhandled rejection.
    this.promise.catch(() => {})
    this.#reject(error)
  }
}
