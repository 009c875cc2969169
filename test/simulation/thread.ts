/**
 * A simulated worker thread: real actors, whose every turn, word and end happens when the schedule says so. It does what
 * lib/actor/thread.ts does, without a thread.
 */
import { Actor } from '../../lib/actor/actor.ts'
import type { ActorHost } from '../../lib/actor/actor.ts'
import type { QueuedAttempt } from '../../lib/actor/attempt-queue.ts'
import { encodeError } from '../../lib/codec/error.ts'
import { decodeValue, encodeValue } from '../../lib/codec/value.ts'
import { InvalidOptionError } from '../../lib/errors.ts'
import type { Clock } from '../../lib/model/clock.ts'
import type { RunKey } from '../../lib/model/run.ts'
import type { Envelope, ToSupervisor } from '../../lib/protocol/actor.ts'
import { BatchWriter } from '../../lib/protocol/batch.ts'
import { readFacts, writeFact } from '../../lib/protocol/facts.ts'
import type { FromThread } from '../../lib/protocol/facts.ts'
import { FLIGHT_RECORDER_BYTES, FlightRecorder } from '../../lib/protocol/flight-recorder.ts'
import type { ToThread } from '../../lib/protocol/orders.ts'
import { Presence } from '../../lib/protocol/presence.ts'
import type { SpawnTask, ThreadMessage, ThreadOrder } from '../../lib/protocol/thread.ts'
import { workflowRegistry } from '../../lib/workflow/registry.ts'
import type { Chance } from '../chance.ts'
import type { Channel, Owner, Schedule } from './schedule.ts'

export type CheckArgs = ThreadOrder & { readonly type: 'check-args' }
export type Answer = ThreadMessage & { readonly type: 'args-checked' | 'args-refused' }

/** What the thread says, on its way to the pool; the pool hears it in this order. */
export type Said =
  | { readonly type: 'facts', readonly facts: readonly Envelope<FromThread>[] }
  | { readonly type: 'answer', readonly answer: Answer }
  | { readonly type: 'exit', readonly problem: string, readonly culprit: Culprit | undefined }

export interface Culprit {
  readonly key: RunKey
  readonly incarnation: number
  readonly index: number | undefined
}

export interface ThreadParts {
  readonly schedule: Schedule
  readonly chance: Chance
  /** Something is under way to the pool. */
  said(said: Said): void
}

const homes = new WeakMap<object, SimulatedThread>()

/** The thread that an actor lives in. */
export function homeOf(actor: object): SimulatedThread | undefined {
  return homes.get(actor)
}

export class SimulatedThread implements ActorHost {
  readonly id: number
  /** While it lives, what it has set off happens. */
  readonly owner: Owner
  readonly clock: Clock
  readonly registry = workflowRegistry
  readonly presence = new Presence()
  readonly actors = new Map<RunKey, Actor>()
  /** Another life of a run in it is over, but for a step's code that goes on. */
  readonly lingering = new Set<Actor>()
  readonly #parts: ThreadParts
  readonly #inbox: Channel
  readonly #turns: Channel
  readonly #touched = new Set<Actor>()
  /** Packed at once, as in a real thread: what is said may stand in memory that is used again. */
  readonly #out = new BatchWriter<FromThread>(writeFact)
  #attempts: QueuedAttempt[] = []
  /** Begun, and known to the flight recorder alone. */
  #untold: QueuedAttempt[] = []
  readonly #recorder = new FlightRecorder(new SharedArrayBuffer(FLIGHT_RECORDER_BYTES))
  readonly #stepNames: string[] = []
  #turnScheduled = false
  /** Something is open in it, as far as it can tell. */
  hasOpen = false

  constructor(id: number, process: string, parts: ThreadParts) {
    this.id = id
    this.#parts = parts
    this.owner = { name: `${process} thread ${id}`, alive: true }
    this.clock = parts.schedule.clockOf(this.owner)
    this.#inbox = parts.schedule.channel(`${this.owner.name} inbox`, this.owner)
    this.#turns = parts.schedule.channel(`${this.owner.name} turns`, this.owner)
  }

  // ---- what the pool sends ---------------------------------------------------------------------------------------

  tell(orders: readonly Envelope<ToThread>[]): void {
    this.#parts.schedule.post(this.#inbox, orders.map(({ key, body }) => `${body.type} to ${key}`).join(', '), () => {
      for (const { key, incarnation, body } of orders) {
        if (body.type === 'spawn-actor') {
          this.#spawn(body)
          continue
        }
        const actor = this.actors.get(key)
        if (actor?.incarnation === incarnation) actor.hear(body)
      }
    })
  }

  #spawn(task: SpawnTask): void {
    const actor = new Actor(this, task)
    homes.set(actor, this)
    this.actors.set(task.key, actor)
    actor.start()
  }

  ask(order: CheckArgs): void {
    this.#parts.schedule.post(this.#inbox, order.type, () => { void this.#check(order) })
  }

  // ---- what the actors ask ---------------------------------------------------------------------------------------

  send({ key, incarnation }: Actor, body: FromThread): void {
    this.#out.add(key, incarnation, body)
    this.#scheduleTurn()
  }

  /** Of some attempts a message tells, of others the flight recorder: in a real thread that depends on how quick their step was. */
  runSoon(attempt: QueuedAttempt): void {
    if (attempt.timeoutMs !== undefined || this.#parts.chance.below(2) === 0) tell(attempt)
    this.#attempts.push(attempt)
    this.#scheduleTurn()
  }

  attemptOver(attempt: QueuedAttempt): void {
    if (attempt.slot === undefined) return
    this.#recorder.ended(attempt.slot)
    attempt.slot = undefined
  }

  touch(actor: Actor): void {
    this.#touched.add(actor)
    this.#scheduleTurn()
  }

  ended(actor: Actor): void {
    if (this.actors.get(actor.key) !== actor) return
    this.actors.delete(actor.key)
    this.lingering.add(actor)
    actor.whenIdle(() => {
      this.lingering.delete(actor)
      this.send(actor, { type: 'actor-released' })
    })
  }

  hasForeignResources(): boolean {
    return this.hasOpen
  }

  // ---- turns and the end -----------------------------------------------------------------------------------------

  #scheduleTurn(): void {
    if (this.#turnScheduled) return
    this.#turnScheduled = true
    this.#parts.schedule.post(this.#turns, 'a turn', () => { this.#turn() })
  }

  #turn(): void {
    this.#turnScheduled = false
    for (const actor of this.#touched) actor.tellIfWaiting()
    this.#touched.clear()
    this.#flush()
    this.#run()
    if (this.#out.count > 0) this.#flush()
    if (this.#attempts.length > 0 || this.#untold.length > 0) this.#scheduleTurn()
  }

  /** As many attempts as there is time for in this turn. */
  #run(): void {
    for (let left = this.#attempts.length; left > 0 && this.owner.alive; left--) {
      const attempt = this.#attempts[0]!
      if (!attempt.isTold) {
        if (this.#recorder.isFull) return
        if (!this.#stepNames.includes(attempt.name)) this.#stepNames.push(attempt.name)
        attempt.slot = attempt.record(this.#recorder, this.#stepNames.indexOf(attempt.name))
      }
      this.#attempts.shift()
      attempt.run()
      if (attempt.slot !== undefined) this.#untold.push(attempt)
      if (this.#parts.chance.below(3) === 0) return
    }
  }

  /** What is finished goes off, with the word of what is still under way. */
  #flush(): void {
    const told = this.#untold.splice(0).flatMap(attempt => {
      const { slot } = attempt
      attempt.slot = undefined
      if (slot === undefined) return []
      tell(attempt)
      return [slot]
    })
    if (this.#out.count > 0) this.#parts.said({ type: 'facts', facts: readFacts(this.#out.take()) })
    for (const slot of told) this.#recorder.ended(slot)
  }

  /** The attempts that run, as far as the flight recorder knows. */
  recorded(of: 'living' | 'dead'): readonly Envelope<ToSupervisor>[] {
    return this.#recorder.read(of).map(({ key, incarnation, index, attempt, startedAtMs, nameId }) => (
      { key, incarnation, body: { type: 'step-started', index, name: this.#stepNames[nameId]!, attempt, startedAtMs, timeoutMs: undefined } }))
  }

  /** By its own code: what was finished is sent, and who it was. */
  exits(problem: string, culprit: Culprit | undefined): void {
    if (!this.owner.alive) return
    this.#flush()
    this.end(problem, culprit)
  }

  /** At once, with all that it has not sent. */
  end(problem: string, culprit: Culprit | undefined): void {
    if (!this.owner.alive) return
    this.owner.alive = false
    this.actors.clear()
    this.lingering.clear()
    const facts = this.recorded('dead')
    if (facts.length > 0) this.#parts.said({ type: 'facts', facts })
    this.#parts.said({ type: 'exit', problem, culprit })
  }

  async #check(order: CheckArgs): Promise<void> {
    const answer = await this.#validate(order)
    if (this.owner.alive) this.#parts.said({ type: 'answer', answer })
  }

  async #validate({ requestId, workflow, args }: CheckArgs): Promise<Answer> {
    const result = await this.registry.get(workflow)!.args!['~standard'].validate(decodeValue(args))
    if (result.issues === undefined) return { type: 'args-checked', requestId, args: encodeValue(result.value, { what: 'arguments', root: 'args' }) }
    const error = new InvalidOptionError({ option: 'args', rule: 'satisfy its schema', received: undefined })
    return { type: 'args-refused', requestId, error: encodeError(error) }
  }
}

function tell(attempt: QueuedAttempt): void {
  attempt.isTold = true
  attempt.tell()
}
