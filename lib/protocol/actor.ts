/** What an actor and its supervisor say to each other. Facts are past participles, orders imperatives. */
import type { Encoded } from '../codec/encoded.ts'
import type { EntryKind, EntryOutcome } from '../codec/entry.ts'
import type { RunKey } from '../model/run.ts'

/** Every word carries its run and the incarnation of the actor it is from or for; only the current one is heard (I2). */
export interface Envelope<Body> {
  readonly key: RunKey
  readonly incarnation: number
  readonly body: Body
}

/** Facts that only the thread can know, and what the workflow asked for. */
export type ToSupervisor =
  /** It lives: what was held back for it can be sent. */
  | { readonly type: 'actor-started' }
  | { readonly type: 'step-started', readonly index: number, readonly name: string, readonly attempt: number, readonly startedAtMs: number, readonly timeoutMs: number | undefined }
  /** An operation whose outcome the thread knows. `entry` is its journal entry, complete. */
  | { readonly type: 'operation-completed', readonly index: number, readonly kind: EntryKind, readonly outcome: EntryOutcome, readonly entry: Encoded }
  /** An attempt failed and the step's policy wants another one `delayMs` from now. */
  | {
    readonly type: 'attempt-failed', readonly index: number, readonly name: string, readonly attempt: number
    readonly startedAtMs: number, readonly finishedAtMs: number, readonly error: Encoded, readonly delayMs: number
  }
  /** The policy's word on an attempt whose thread died under it. */
  | { readonly type: 'attempt-judged', readonly index: number, readonly delayMs: number }
  | { readonly type: 'sleep-called', readonly index: number, readonly durationMs: number }
  /** `mode` 'start': the operation ends when the child's start is recorded; 'call': when the child has finished. */
  | {
    readonly type: 'child-called', readonly index: number, readonly mode: 'start' | 'call', readonly workflow: string, readonly args: Encoded
    readonly id: string | undefined, readonly queue: string | undefined
    /** undefined: the workflow's own default; null: no bound. */
    readonly timeoutMs: number | null | undefined
  }
  | { readonly type: 'child-awaited', readonly index: number, readonly childId: string }
  | { readonly type: 'message-sent', readonly index: number, readonly runId: string, readonly topic: string | undefined, readonly message: Encoded }
  | { readonly type: 'receive-called', readonly index: number, readonly topic: string | undefined, readonly timeoutMs: number | undefined }
  | { readonly type: 'event-published', readonly index: number, readonly name: string, readonly value: Encoded }
  | { readonly type: 'event-awaited', readonly index: number, readonly runId: string, readonly name: string, readonly timeoutMs: number | undefined }
  | { readonly type: 'stream-written', readonly index: number, readonly stream: string, readonly value: Encoded }
  | { readonly type: 'stream-ended', readonly index: number, readonly stream: string }
  | { readonly type: 'run-completed', readonly result: Encoded }
  | { readonly type: 'run-failed', readonly error: Encoded }
  /** The code called another operation than the journal has. The actor has stopped. */
  | { readonly type: 'run-diverged', readonly index: number, readonly recorded: string, readonly called: string }
  /** Nothing of it runs: it waits on durable operations alone. `heard`: how many words it had from its supervisor by then. */
  | { readonly type: 'actor-waiting', readonly heard: number }
  | { readonly type: 'actor-passivated' }
  | { readonly type: 'passivation-refused' }
  /** It waits on something that is neither a step nor a durable operation, for `seconds` so far. */
  | { readonly type: 'actor-stuck', readonly seconds: number }

export type ToActor =
  /** What the actor reported as completed is in the journal at this position, and durable. */
  | { readonly type: 'entry-recorded', readonly index: number, readonly position: number }
  /** An operation was completed from outside, or its entry was too large to keep a copy of: here it is. */
  | { readonly type: 'entry-arrived', readonly index: number, readonly position: number, readonly entry: Encoded }
  | { readonly type: 'attempt-due', readonly index: number, readonly attempt: number }
  /** The run is to end: `error` is what its operations now reject with. */
  | { readonly type: 'end-run', readonly error: Encoded }
  /** Let go if nothing but durable operations is waited for; `force`: also when the thread may have something else open. */
  | { readonly type: 'passivate', readonly force: boolean }
  /** Let go at once, whatever is under way: the run is to be replayed by a new life. */
  | { readonly type: 'abandon' }

/** The operation's name of a wait for an event: it tells whose. */
export function eventName(runId: string, name: string): string {
  return `${name} of ${runId}`
}
