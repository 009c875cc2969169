/**
 * The live instance of a run: it runs the workflow's code, takes an index for each durable operation as it is called, and
 * settles the operations in the order of the journal, one at a time, letting all continuations run before the next one. So
 * the code takes the same path live and on replay (G7). All it has to say goes to its supervisor through `host.send` (I5).
 */
import { decodeError, encodeError } from '../codec/error.ts'
import { decodeEntry } from '../codec/entry.ts'
import type { EntryKind } from '../codec/entry.ts'
import { decodeValue, encodeValue } from '../codec/value.ts'
import { decodeWait } from '../codec/wait.ts'
import type { Wait } from '../codec/wait.ts'
import { UnknownWorkflowError } from '../errors.ts'
import { assertNever } from '../invariant.ts'
import type { Clock } from '../model/clock.ts'
import type { RunKey } from '../model/run.ts'
import type { ToActor, ToSupervisor } from '../protocol/actor.ts'
import { MOVED_FROM_BYTES } from '../protocol/batch.ts'
import type { Presence } from '../protocol/presence.ts'
import type { SpawnTask } from '../protocol/thread.ts'
import { currentScope } from '../workflow/context.ts'
import type { Scope } from '../workflow/context.ts'
import type { WorkflowRegistry } from '../workflow/registry.ts'
import type { QueuedAttempt } from './attempt-queue.ts'
import { Calls } from './calls.ts'
import type { CallHost, OpenedCall } from './calls.ts'
import { Deliveries } from './deliveries.ts'
import type { Delivery } from './deliveries.ts'
import { describeOperation, RecordedJournal } from './journal.ts'
import { Operation } from './operation.ts'
import type { SettledWith } from './operation.ts'

/** What most runs begin with. */
const NOTHING_RECORDED = new RecordedJournal({ bytes: new Uint8Array(0), ends: new Float64Array(0) })
const NO_WAITS: ReadonlyMap<number, Wait> = new Map()

/** What an actor needs of the thread it lives in. */
export interface ActorHost {
  readonly clock: Clock
  readonly registry: WorkflowRegistry
  readonly presence: Presence
  send(actor: Actor, body: ToSupervisor): void
  /** Runs it in a turn of its own, when its beginning is known outside. */
  runSoon(attempt: QueuedAttempt): void
  attemptOver(attempt: QueuedAttempt): void
  /** Something happened in it: at the end of the turn it is asked whether it waits. */
  touch(actor: Actor): void
  /** Its last word was sent. */
  ended(actor: Actor): void
  /** Whether the thread has something open (a socket, a timer) that is not known to be somebody else's. */
  hasForeignResources(): boolean
}

export class Actor implements CallHost {
  readonly key: RunKey
  readonly incarnation: number
  readonly #host: ActorHost
  readonly #task: SpawnTask
  readonly #scope: Scope
  readonly #recorded: RecordedJournal
  readonly #waits: ReadonlyMap<number, Wait>
  readonly #operations = new Map<number, Operation>()
  readonly #dueEarly = new Set<number>()
  readonly #deliveries: Deliveries
  #nextIndex = 0
  /** The position the next entry from the supervisor has: those before it came with the spawn. */
  #nextPosition: number
  #status: 'running' | 'ending' | 'ended' = 'running'
  #endError: unknown
  /** Attempts and policies under way in this thread. */
  #busy = 0
  /** Outcomes reported and not yet recorded. */
  #proposed = 0
  #heard = 0
  #onIdle: (() => void) | undefined
  #saidWaiting = false
  #idleSinceMs: number | undefined

  constructor(host: ActorHost, task: SpawnTask) {
    this.key = task.key
    this.incarnation = task.incarnation
    this.#host = host
    this.#task = task
    this.#recorded = task.journal.ends.length === 0 ? NOTHING_RECORDED : new RecordedJournal(task.journal)
    this.#nextPosition = this.#recorded.length
    this.#deliveries = new Deliveries(
      this.#recorded.all().map(entry => ({ index: entry.head.index, outcome: () => entry.decode() })),
      delivery => this.#settle(delivery))
    this.#waits = task.waits.length === 0 ? NO_WAITS : new Map(task.waits.map(({ index, wait }) => [index, decodeWait(wait)]))
    this.#scope = { run: { id: task.id, workflow: task.workflow, incarnation: task.incarnation }, operations: new Calls(this), owner: this }
  }

  get scope(): Scope {
    return this.#scope
  }

  /** Calls back when none of its steps' code runs any more: it may go on after the last word, and must not run twice at once. */
  whenIdle(callback: () => void): void {
    if (this.#busy === 0) callback()
    else this.#onIdle = callback
  }

  get isEnded(): boolean {
    return this.#status === 'ended'
  }

  start(): void {
    this.#host.touch(this)
    this.report({ type: 'actor-started' })
    const definition = this.#host.registry.get(this.#task.workflow)
    if (definition === undefined) {
      const known = this.#host.registry.all().map(({ name }) => name)
      this.#finish({ type: 'run-failed', error: encodeError(new UnknownWorkflowError({ workflow: this.#task.workflow, known })) })
      return
    }
    const body = async (): Promise<unknown> => definition.fn(...decodeValue(this.#task.args) as unknown[])
    this.#host.presence.enter(this.key, undefined)
    const returned = currentScope.run(this.#scope, body)
    this.#host.presence.leave()
    returned.then(result => { this.#returned(result) }, (error: unknown) => { this.#threw(error) })
  }

  // ---- the operations that the workflow calls ---------------------------------------------------------------------

  /** Takes the next index, before anything is awaited, and holds the call against the journal. */
  open(kind: EntryKind, name: string): OpenedCall {
    const operation = new Operation(this.#nextIndex++, kind, name)
    this.#stir()
    // What abandoned code still calls after the actor's last word is never settled; it holds nothing.
    if (this.#status === 'ended') return { state: 'recorded', operation }
    if (this.#status === 'ending') {
      operation.reject(this.#endError)
      return { state: 'recorded', operation }
    }
    const head = this.#recorded.headOf(operation.index)
    const wait = this.#waits.get(operation.index)
    const recorded = head ?? (wait === undefined ? undefined : { kind: kindOfWait(wait), name: wait.name })
    if (recorded !== undefined && (recorded.kind !== kind || recorded.name !== name)) {
      this.#diverge(operation.index, describeOperation(recorded.kind, recorded.name), describeOperation(kind, name))
      return { state: 'recorded', operation }
    }
    this.#operations.set(operation.index, operation)
    if (head === undefined) {
      if (this.#task.isDry !== true) return { state: 'called', operation, wait }
      operation.waiting = true
      return { state: 'recorded', operation }
    }
    this.#deliveries.drain()
    return { state: 'recorded', operation }
  }

  refuse(operation: Operation, error: unknown): void {
    this.#operations.delete(operation.index)
    operation.reject(error)
  }

  takeDue(index: number): boolean {
    return this.#dueEarly.delete(index)
  }

  recordedNext(): ReturnType<CallHost['recordedNext']> {
    const index = this.#nextIndex
    const head = this.#recorded.headOf(index)
    if (head !== undefined) return head
    const wait = this.#waits.get(index)
    if (wait !== undefined) return { kind: kindOfWait(wait), name: wait.name }
    const isLater = this.#recorded.firstFrom(index) !== undefined || [...this.#waits.keys()].some(waiting => waiting > index)
    return isLater ? 'later' : 'nothing'
  }

  // ---- what the attempts of its steps need: getters of the class, because an object with its own for each actor would be slow to read ----

  get clock(): Clock {
    return this.#host.clock
  }

  get recordsFailures(): boolean {
    return this.#status === 'running'
  }

  get alive(): boolean {
    return this.#status !== 'ended'
  }

  runSoon(attempt: QueuedAttempt): void {
    this.#host.runSoon(attempt)
  }

  attemptOver(attempt: QueuedAttempt): void {
    this.#host.attemptOver(attempt)
  }

  enter(index: number): void {
    this.#host.presence.enter(this.key, index)
  }

  leave(): void {
    this.#host.presence.leave()
  }

  busy(change: 1 | -1): void {
    this.#busy += change
    this.#stir()
    if (this.#busy === 0) this.#onIdle?.()
  }

  // ---- what the supervisor says ----------------------------------------------------------------------------------

  hear(order: ToActor): void {
    this.#heard++
    if (this.#status === 'ended') return
    this.#stir()
    switch (order.type) {
      case 'entry-recorded':
        this.#recordedOwn(order.index, order.position)
        return
      case 'entry-arrived':
        if (order.position < this.#nextPosition) return // it came with the spawn
        this.#nextPosition = order.position + 1
        this.#acknowledge(order.index)
        this.#deliveries.push({ index: order.index, outcome: () => decodeEntry(order.entry) })
        return
      case 'attempt-due': {
        const operation = this.#operations.get(order.index)
        if (operation?.onAttemptDue === undefined) this.#dueEarly.add(order.index)
        else if (operation.waiting) operation.onAttemptDue(order.attempt)
        return
      }
      case 'end-run':
        this.#end(decodeError(order.error))
        return
      case 'passivate':
        this.#passivate(order.force)
        return
      case 'abandon':
        if (this.#status === 'running') this.#finish({ type: 'actor-passivated' })
        return
      default:
        assertNever(order)
    }
  }

  #recordedOwn(index: number, position: number): void {
    this.#nextPosition = position + 1
    const outcome = this.#acknowledge(index)
    if (outcome !== undefined) this.#deliveries.push({ index, outcome: () => outcome })
  }

  /** What this thread reported of an operation is recorded. */
  #acknowledge(index: number): SettledWith | undefined {
    const operation = this.#operations.get(index)
    if (operation?.reported !== true) return undefined
    operation.reported = false
    this.#proposed--
    return operation.proposed
  }

  #settle(delivery: Delivery): boolean {
    const operation = this.#operations.get(delivery.index)
    if (this.#status === 'ended' || operation === undefined) return false
    this.#operations.delete(delivery.index)
    operation.settle(delivery.outcome())
    this.#stir()
    return true
  }

  #end(error: unknown): void {
    if (this.#status !== 'running') return
    this.#status = 'ending'
    this.#endError = error
    const operations = [...this.#operations.values()].sort((a, b) => a.index - b.index)
    for (const operation of operations) {
      operation.onEnd?.(error)
      operation.reject(error)
    }
    this.#deliveries.clear()
  }

  // ---- the end of a life -----------------------------------------------------------------------------------------

  #returned(result: unknown): void {
    if (this.#status === 'ended' || this.#neverCalled()) return
    let value
    try {
      value = encodeValue(result, () => ({ what: `the result of workflow "${this.#task.workflow}"`, root: 'result' }))
    } catch (error) {
      this.#finish({ type: 'run-failed', error: encodeError(error) })
      return
    }
    this.#finish({ type: 'run-completed', result: value })
  }

  #threw(error: unknown): void {
    if (this.#status === 'ended' || this.#neverCalled()) return
    this.#finish({ type: 'run-failed', error: encodeError(error) })
  }

  /** What was recorded, or begun, and never called: the code ended elsewhere than it did before. */
  #neverCalled(): boolean {
    if (this.#status === 'ending') return false
    const waiting = [...this.#waits].find(([index]) => index >= this.#nextIndex)
    const missed = this.#recorded.firstFrom(this.#nextIndex)
      ?? (waiting === undefined ? undefined : { index: waiting[0], kind: kindOfWait(waiting[1]), name: waiting[1].name })
    if (missed === undefined) return false
    this.#diverge(missed.index, describeOperation(missed.kind, missed.name), 'nothing (the workflow had ended)')
    return true
  }

  #diverge(index: number, recorded: string, called: string): void {
    this.#finish({ type: 'run-diverged', index, recorded, called })
  }

  #finish(lastWord: ToSupervisor): void {
    this.report(lastWord)
    this.#status = 'ended'
    for (const operation of this.#operations.values()) operation.onEnd?.(this.#endError)
    this.#operations.clear()
    this.#host.ended(this)
  }

  #passivate(force: boolean): void {
    if (this.#isWaiting() && (force || !this.#host.hasForeignResources())) this.#finish({ type: 'actor-passivated' })
    else {
      // It may say again that it waits, once that is so.
      this.#saidWaiting = false
      this.report({ type: 'passivation-refused' })
    }
  }

  // ---- waiting ---------------------------------------------------------------------------------------------------

  /** Asked at the end of each turn in which something happened in it. */
  tellIfWaiting(): void {
    if (this.#status !== 'running' || this.#saidWaiting || !this.#isWaiting()) return
    this.#saidWaiting = true
    this.#host.send(this, { type: 'actor-waiting', heard: this.#heard })
  }

  /**
   * Milliseconds for which it has been waiting on something that is neither a step nor a durable operation; undefined while
   * it does not.
   */
  stuckForMs(nowMs: number): number | undefined {
    if (this.#status === 'ended' || this.#busy > 0 || this.#proposed > 0 || this.#deliveries.isDraining || this.#hasWaiting()) return undefined
    this.#idleSinceMs ??= nowMs
    return nowMs - this.#idleSinceMs
  }

  /** Nothing of it runs in this thread, and something outside will wake it. */
  #isWaiting(): boolean {
    // A dry life may have stopped before a call whose outcome is recorded: that one stays undelivered.
    const isQuiet = this.#task.isDry === true ? !this.#deliveries.isDraining : this.#deliveries.isQuiet
    return this.#status === 'running' && this.#busy === 0 && this.#proposed === 0 && isQuiet && this.#hasWaiting()
  }

  #hasWaiting(): boolean {
    for (const operation of this.#operations.values()) if (operation.waiting) return true
    return false
  }

  #stir(): void {
    this.#saidWaiting = false
    this.#idleSinceMs = undefined
    this.#host.touch(this)
  }

  report(body: ToSupervisor): void {
    if (this.#status === 'ended') return
    if (body.type === 'operation-completed') {
      this.#proposed++
      const operation = this.#operations.get(body.index)!
      operation.reported = true
      // A large entry is moved, not copied: it comes back with the word that it is recorded.
      if (body.entry.byteLength >= MOVED_FROM_BYTES) operation.proposed = undefined
    }
    this.#host.send(this, body)
  }
}

function kindOfWait(wait: Wait): EntryKind {
  return wait.type === 'retry' ? 'step' : wait.type
}
