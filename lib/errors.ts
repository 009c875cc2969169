/**
 * Every error troupe throws: one class for each stable `code`, explained one by one in docs/errors.md.
 *
 * Constructors take named facts and write the message themselves, in one form: what was being done, with names; what
 * went wrong; what to do next. `name` stands on the prototype, so minified code and revived errors keep it.
 */
import { capital, causeOf, nameClass, shortError, shortValue } from './model/wording.ts'

/** A fact that the caller may not know. */
type Maybe<T> = T | undefined

/** The base of all errors with a code. */
export class TroupeError extends Error {
  static { nameClass(this, 'TroupeError') }
  /** Stable over versions: compare this, not the message. */
  readonly code: string

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

// ---- steps -----------------------------------------------------------------------------------------------------

/** A step failed as often as its maxAttempts allows. `cause` is the last error. */
export class StepRetriesExhaustedError extends TroupeError {
  static { nameClass(this, 'StepRetriesExhaustedError') }
  readonly stepName: string
  readonly attempts: number
  /** What each attempt threw, in order: an Error each, unless the step itself threw something else. */
  readonly errors: readonly Error[]

  constructor(facts: { readonly stepName: string, readonly attempts: number, readonly errors: readonly unknown[] }) {
    const last = facts.errors.at(-1)
    super('TROUPE_STEP_RETRIES_EXHAUSTED',
      `Step "${facts.stepName}" failed in all ${facts.attempts} of its attempts; the last error was: ${shortError(last)}. ` +
      'Look at `errors` for each of them, and raise maxAttempts or the interval if the trouble was passing.',
      facts.errors.length > 0 ? { cause: last } : undefined)
    this.stepName = facts.stepName
    this.attempts = facts.attempts
    this.errors = facts.errors as readonly Error[]
  }
}

/** One attempt of a step took longer than its timeoutSeconds. */
export class StepTimeoutError extends TroupeError {
  static { nameClass(this, 'StepTimeoutError') }
  readonly stepName: string
  readonly timeoutSeconds: number

  constructor(facts: { readonly stepName: string, readonly timeoutSeconds: number, readonly attempt?: Maybe<number> }) {
    const attempt = facts.attempt === undefined ? '' : `attempt ${facts.attempt} of `
    super('TROUPE_STEP_TIMEOUT',
      `Running ${attempt}step "${facts.stepName}" took longer than its timeoutSeconds of ${facts.timeoutSeconds}. ` +
      'Raise timeoutSeconds, split the step, or let it stop early by listening to its signal.')
    this.stepName = facts.stepName
    this.timeoutSeconds = facts.timeoutSeconds
  }
}

/** The thread ended under a step that was alone on it. */
export class StepCrashedError extends TroupeError {
  static { nameClass(this, 'StepCrashedError') }
  readonly stepName: string

  /** `problem` completes the sentence "its thread ...": 'ran out of memory', 'called process.exit(3)'. */
  constructor(facts: { readonly stepName: string, readonly problem: string, readonly cause?: unknown }) {
    super('TROUPE_STEP_CRASHED',
      `Step "${facts.stepName}" was ended by a crash: its thread ${facts.problem}. ` +
      'Fix what ends the thread, or allow retries of this step if the crash was passing.', causeOf(facts))
    this.stepName = facts.stepName
  }
}

// ---- runs ------------------------------------------------------------------------------------------------------

/** The run was ended by cancel(). */
export class RunCancelledError extends TroupeError {
  static { nameClass(this, 'RunCancelledError') }
  readonly runId: string

  constructor(facts: { readonly runId: string }) {
    super('TROUPE_RUN_CANCELLED', `Run "${facts.runId}" was cancelled. resume() puts it back to work from its last checkpoint.`)
    this.runId = facts.runId
  }
}

/** The run took longer than its timeoutSeconds, counted from its first spawn. */
export class RunTimeoutError extends TroupeError {
  static { nameClass(this, 'RunTimeoutError') }
  readonly runId: string
  readonly timeoutSeconds: number

  constructor(facts: { readonly runId: string, readonly timeoutSeconds: number }) {
    super('TROUPE_RUN_TIMEOUT',
      `Run "${facts.runId}" took longer than its timeoutSeconds of ${facts.timeoutSeconds}. ` +
      'Raise timeoutSeconds in the workflow or in start(); resume() puts the run back to work from its last checkpoint.')
    this.runId = facts.runId
    this.timeoutSeconds = facts.timeoutSeconds
  }
}

/** The run crashed more often than its workflow allows and waits for resume(). */
export class RunQuarantinedError extends TroupeError {
  static { nameClass(this, 'RunQuarantinedError') }
  readonly runId: string
  readonly crashes: number

  /** `problem` completes the sentence "the last time its thread ...". */
  constructor(facts: { readonly runId: string, readonly crashes: number, readonly problem?: Maybe<string>, readonly cause?: unknown }) {
    super('TROUPE_RUN_QUARANTINED',
      `Run "${facts.runId}" was set aside after ${facts.crashes} crashes without progress${facts.problem === undefined ? '' : `; the last time its thread ${facts.problem}`}. ` +
      'Find out what ends its thread, then call resume() to try again from its last checkpoint.', causeOf(facts))
    this.runId = facts.runId
    this.crashes = facts.crashes
  }
}

/** result() waited as long as it was told to. The run goes on. */
export class RunNotFinishedError extends TroupeError {
  static { nameClass(this, 'RunNotFinishedError') }
  readonly runId: string

  constructor(facts: { readonly runId: string, readonly timeoutSeconds: number }) {
    super('TROUPE_RUN_NOT_FINISHED',
      `Waiting for the result of run "${facts.runId}" ended after ${facts.timeoutSeconds} s: it has not finished. ` +
      'The run goes on; call result() again to wait longer.')
    this.runId = facts.runId
  }
}

/** A test turned its clock, and runs were at work longer than it had patience. */
export class StillAtWorkError extends TroupeError {
  static { nameClass(this, 'StillAtWorkError') }
  readonly runIds: readonly string[]

  constructor(facts: { readonly runIds: readonly string[], readonly patienceSeconds: number }) {
    const { runIds, patienceSeconds } = facts
    const named = runIds.length === 0 ? 'something that no run is blamed for was' : `${runIds.slice(0, 5).map(id => `run "${id}"`).join(', ')}${runIds.length > 5 ? ` and ${runIds.length - 5} more were` : ' was'}`
    super('TROUPE_STILL_AT_WORK',
      `Turning the clock was given up after ${patienceSeconds} s of real time: ${named} still at work. ` +
      'Let its steps end before the clock is turned, or give the clock more patienceSeconds.')
    this.runIds = runIds
  }
}

/** No run has this id. */
export class UnknownRunError extends TroupeError {
  static { nameClass(this, 'UnknownRunError') }
  readonly runId: string

  constructor(facts: { readonly runId: string }) {
    super('TROUPE_UNKNOWN_RUN', `There is no run "${facts.runId}" in this store. Check the id, and whether the run was pruned.`)
    this.runId = facts.runId
  }
}

/** The run's mailbox holds as many messages as it may; nothing was stored. */
export class MailboxFullError extends TroupeError {
  static { nameClass(this, 'MailboxFullError') }
  readonly runId: string

  constructor(facts: { readonly runId: string, readonly capacity: number }) {
    super('TROUPE_MAILBOX_FULL',
      `A message to run "${facts.runId}" was refused: ${facts.capacity} wait in its mailbox already. ` +
      'Send more slowly, or let the workflow receive them.')
    this.runId = facts.runId
  }
}

/** A stream was written to after it was closed. */
export class StreamClosedError extends TroupeError {
  static { nameClass(this, 'StreamClosedError') }
  readonly runId: string

  constructor(facts: { readonly runId: string, readonly stream: string }) {
    super('TROUPE_STREAM_CLOSED',
      `A value for stream "${facts.stream}" of run "${facts.runId}" was refused: the stream is closed. Close it after the last value, or use another key.`)
    this.runId = facts.runId
  }
}

/** No workflow of this name is defined in the modules given to open(). */
export class UnknownWorkflowError extends TroupeError {
  static { nameClass(this, 'UnknownWorkflowError') }
  readonly workflow: string

  constructor(facts: { readonly workflow: string, readonly known: readonly string[] }) {
    const known = facts.known.length === 0 ? 'none' : facts.known.map(name => `"${name}"`).join(', ')
    super('TROUPE_UNKNOWN_WORKFLOW',
      `No workflow "${facts.workflow}" is defined; known workflows: ${known}. ` +
      'Define it with workflow() in one of the modules given as the option "workflows", or start one of the known ones.')
    this.workflow = facts.workflow
  }
}

/** The id belongs to a run of another workflow. */
export class RunIdTakenError extends TroupeError {
  static { nameClass(this, 'RunIdTakenError') }
  readonly runId: string

  constructor(facts: { readonly runId: string, readonly workflow: string, readonly takenBy: string }) {
    super('TROUPE_RUN_ID_TAKEN',
      `Workflow "${facts.workflow}" could not be started as run "${facts.runId}": a run of workflow "${facts.takenBy}" has that id. ` +
      'Choose another id; putting the name of the workflow into it keeps them apart.')
    this.runId = facts.runId
  }
}

/** Replay met another operation than the recorded one. */
export class NondeterminismError extends TroupeError {
  static { nameClass(this, 'NondeterminismError') }
  readonly runId: string
  readonly index: number
  readonly recorded: string
  readonly called: string

  /** `recorded` and `called` name operations in words: 'step "resize"', 'sleep', 'nothing (the workflow had ended)'. */
  constructor(facts: { readonly runId: string, readonly index: number, readonly recorded: string, readonly called: string, readonly explanation?: Maybe<string> }) {
    super('TROUPE_NONDETERMINISTIC',
      `Replay of run "${facts.runId}" met another operation than the recorded one at index ${facts.index}: ` +
      `recorded was ${facts.recorded}, called was ${facts.called}. ${facts.explanation === undefined ? '' : `${facts.explanation} `}` +
      'Its record is unharmed: restore the code it was started with (or branch on patched()) and call resume().')
    this.runId = facts.runId
    this.index = facts.index
    this.recorded = facts.recorded
    this.called = facts.called
  }
}

// ---- values, options, use --------------------------------------------------------------------------------------

/** A value holds something that cannot be stored. */
export class UnserializableValueError extends TroupeError {
  static { nameClass(this, 'UnserializableValueError') }
  /** Where in the value it is: `result.items[3].when`. */
  readonly path: string

  /** `what` is the value in words ('The result of step "resize"'), `problem` completes "<path> ...": 'is a function'. */
  constructor(facts: { readonly what: string, readonly path: string, readonly problem: string, readonly advice?: Maybe<string>, readonly cause?: unknown }) {
    super('TROUPE_UNSERIALIZABLE_VALUE',
      `${capital(facts.what)} cannot be stored: ${facts.path} ${facts.problem}. ` +
      (facts.advice ?? 'Use plain data instead, or an id to look it up by where it is needed.'), causeOf(facts))
    this.path = facts.path
  }
}

/** An option or argument breaks its rule. Nothing was changed. */
export class InvalidOptionError extends TroupeError {
  static { nameClass(this, 'InvalidOptionError') }
  readonly option: string

  /** `rule` completes "it must ...": 'be a whole number >= 1'; `doing` says what was going on: 'Defining step "resize"'. */
  constructor(facts: { readonly option: string, readonly rule: string, readonly received: unknown, readonly doing?: Maybe<string>, readonly cause?: unknown }) {
    const doing = facts.doing === undefined ? '' : `${facts.doing}: `
    super('TROUPE_INVALID_OPTION',
      `${doing}${doing === '' ? 'Option' : 'option'} "${facts.option}" must ${facts.rule}; received ${shortValue(facts.received)}. Correct it and try again.`,
      causeOf(facts))
    this.option = facts.option
  }
}

/** A workflow module did not load, or two definitions share one name. */
export class WorkflowModuleError extends TroupeError {
  static { nameClass(this, 'WorkflowModuleError') }

  /** `problem` completes "Module ... ": 'could not be loaded: ...', 'defines workflow "a", which ... defines too'. */
  constructor(facts: { readonly module: string, readonly problem: string, readonly cause?: unknown }) {
    super('TROUPE_WORKFLOW_MODULE',
      `Workflow module "${facts.module}" ${facts.problem}. Correct the module, or the option "workflows", and open again.`, causeOf(facts))
  }
}

/** A durable operation was called outside a run. */
export class OutsideRunError extends TroupeError {
  static { nameClass(this, 'OutsideRunError') }
  readonly operation: string

  constructor(facts: { readonly operation: string }) {
    super('TROUPE_OUTSIDE_RUN',
      `${facts.operation} was called outside a run: what it does is recorded in a run's journal, and there is none here. ` +
      'Call it from the body of a workflow, or use the methods of Troupe and RunHandle.')
    this.operation = facts.operation
  }
}

/** The Troupe was closed, or is closing. */
export class TroupeClosedError extends TroupeError {
  static { nameClass(this, 'TroupeClosedError') }

  /** `operation` is what was asked for: 'start()', 'result() of run "a"'. */
  constructor(facts: { readonly operation: string }) {
    super('TROUPE_CLOSED', `${facts.operation} could not be done: this Troupe is closed. Runs go on at the next Troupe.open() of the same store.`)
  }
}

/** A broken invariant of troupe itself. */
export class InternalError extends TroupeError {
  static { nameClass(this, 'InternalError') }

  constructor(facts: { readonly problem: string, readonly cause?: unknown }) {
    super('TROUPE_INTERNAL', `${capital(facts.problem)}. This is a bug in troupe: please report it with this message and stack.`, causeOf(facts))
  }
}

// ---- the store -------------------------------------------------------------------------------------------------

/** Another live process, or an open Troupe of this one, supervises this store. */
export class StoreInUseError extends TroupeError {
  static { nameClass(this, 'StoreInUseError') }

  constructor(facts: { readonly store: string, readonly pid?: Maybe<number> }) {
    const holder = facts.pid === undefined ? 'another process' : facts.pid === process.pid ? `this process (pid ${facts.pid})` : `process ${facts.pid}`
    super('TROUPE_STORE_IN_USE',
      `Store "${facts.store}" could not be opened: ${holder} has it open. Close that Troupe first, or use another store.`)
  }
}

/** Written by a newer version, not a troupe store, or damaged. Nothing was changed. */
export class StoreFormatError extends TroupeError {
  static { nameClass(this, 'StoreFormatError') }

  /** `what` was being read ('a stored value', 'Store "/data"'); `problem` completes it: 'was written by a newer version'. */
  constructor(facts: { readonly what: string, readonly problem: string, readonly advice?: Maybe<string>, readonly cause?: unknown }) {
    super('TROUPE_STORE_FORMAT',
      `${capital(facts.what)} could not be read: it ${facts.problem}. ` +
      (facts.advice ?? 'Nothing was changed; use the version of troupe that wrote it, or restore a backup.'), causeOf(facts))
  }
}

/** Disk full, read-only, connection lost. Nothing is acknowledged meanwhile. */
export class StoreUnavailableError extends TroupeError {
  static { nameClass(this, 'StoreUnavailableError') }

  constructor(facts: { readonly store: string, readonly problem: string, readonly cause?: unknown }) {
    super('TROUPE_STORE_UNAVAILABLE',
      `Store "${facts.store}" cannot be written to: ${facts.problem}. ` +
      'Nothing was lost or acknowledged; free space or restore the connection, and unfinished commits go through by themselves.', causeOf(facts))
  }
}

// ---- what steps throw to steer retries: no codes, they are the user's own words ---------------------------------

/** Thrown by a step to say: do not retry, whatever the options. */
export class NonRetryableError extends Error {
  static { nameClass(this, 'NonRetryableError') }
}

/** Thrown by a step to say: retry (within maxAttempts), but after this many seconds instead of the policy's delay. */
export class RetryAfterError extends Error {
  static { nameClass(this, 'RetryAfterError') }
  readonly afterSeconds: number

  constructor(message: string, options: { readonly afterSeconds: number, readonly cause?: unknown }) {
    const afterSeconds: unknown = (options as { readonly afterSeconds?: unknown } | undefined)?.afterSeconds
    if (typeof afterSeconds !== 'number' || !Number.isFinite(afterSeconds) || afterSeconds < 0) {
      throw new InvalidOptionError({ doing: 'Creating a RetryAfterError', option: 'afterSeconds', rule: 'be a finite number of seconds >= 0', received: afterSeconds })
    }
    super(message, causeOf(options))
    this.afterSeconds = afterSeconds
  }
}

/** All codes with their classes, in the order of docs/errors.md. */
export const ERROR_CODES = [
  { code: 'TROUPE_STEP_RETRIES_EXHAUSTED', class: StepRetriesExhaustedError },
  { code: 'TROUPE_STEP_TIMEOUT', class: StepTimeoutError },
  { code: 'TROUPE_STEP_CRASHED', class: StepCrashedError },
  { code: 'TROUPE_RUN_CANCELLED', class: RunCancelledError },
  { code: 'TROUPE_RUN_TIMEOUT', class: RunTimeoutError },
  { code: 'TROUPE_RUN_QUARANTINED', class: RunQuarantinedError },
  { code: 'TROUPE_RUN_NOT_FINISHED', class: RunNotFinishedError },
  { code: 'TROUPE_STILL_AT_WORK', class: StillAtWorkError },
  { code: 'TROUPE_UNKNOWN_RUN', class: UnknownRunError },
  { code: 'TROUPE_MAILBOX_FULL', class: MailboxFullError },
  { code: 'TROUPE_STREAM_CLOSED', class: StreamClosedError },
  { code: 'TROUPE_UNKNOWN_WORKFLOW', class: UnknownWorkflowError },
  { code: 'TROUPE_RUN_ID_TAKEN', class: RunIdTakenError },
  { code: 'TROUPE_NONDETERMINISTIC', class: NondeterminismError },
  { code: 'TROUPE_UNSERIALIZABLE_VALUE', class: UnserializableValueError },
  { code: 'TROUPE_INVALID_OPTION', class: InvalidOptionError },
  { code: 'TROUPE_WORKFLOW_MODULE', class: WorkflowModuleError },
  { code: 'TROUPE_OUTSIDE_RUN', class: OutsideRunError },
  { code: 'TROUPE_CLOSED', class: TroupeClosedError },
  { code: 'TROUPE_INTERNAL', class: InternalError },
  { code: 'TROUPE_STORE_IN_USE', class: StoreInUseError },
  { code: 'TROUPE_STORE_FORMAT', class: StoreFormatError },
  { code: 'TROUPE_STORE_UNAVAILABLE', class: StoreUnavailableError },
] as const
