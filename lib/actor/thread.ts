/**
 * A worker thread as its actors' home: the one port to the supervisor, batched by turn both ways, the queue of attempts that
 * are about to run, and the last words when the thread ends by its own code.
 */
import { getHeapStatistics } from 'node:v8'
import type { MessagePort } from 'node:worker_threads'
import { decodeValue, encodeValue } from '../codec/value.ts'
import { encodeError } from '../codec/error.ts'
import { InvalidOptionError } from '../errors.ts'
import type { Clock } from '../model/clock.ts'
import type { RunKey } from '../model/run.ts'
import type { ToSupervisor } from '../protocol/actor.ts'
import { BatchWriter, transferListOf } from '../protocol/batch.ts'
import { writeFact } from '../protocol/facts.ts'
import type { FromThread } from '../protocol/facts.ts'
import type { FlightRecorder } from '../protocol/flight-recorder.ts'
import { readOrders } from '../protocol/orders.ts'
import type { Batch } from '../protocol/batch.ts'
import { Presence } from '../protocol/presence.ts'
import type { SpawnTask, ThreadMessage, ThreadOrder } from '../protocol/thread.ts'
import { monotonicMs } from '../system.ts'
import { currentScope } from '../workflow/context.ts'
import type { WorkflowRegistry } from '../workflow/registry.ts'
import { Actor } from './actor.ts'
import type { ActorHost } from './actor.ts'
import { AttemptQueue } from './attempt-queue.ts'
import type { QueuedAttempt } from './attempt-queue.ts'
import { collectGarbage } from './garbage.ts'

type CheckArgs = ThreadOrder & { readonly type: 'check-args' }

/** How long attempts may be started in one turn before what is finished is sent off: the supervisor must not wait for all of them. */
const TURN_MS = 0.5
/** Attempts that take longer are worth a message less. */
const LONG_MS = 2
/** A thread at work says at most this often how large its heap is. */
const MEASURE_EVERY_MS = 500
/** An actor that waits this long on something unknown is named in a warning. */
const STUCK_AFTER_MS = 10_000

export class ActorThread implements ActorHost {
  readonly clock: Clock
  readonly registry: WorkflowRegistry
  readonly presence: Presence
  readonly #port: MessagePort
  readonly #actors = new Map<RunKey, Actor>()
  readonly #out = new BatchWriter<FromThread>(writeFact)
  readonly #touched = new Set<Actor>()
  readonly #stuck = new Set<Actor>()
  readonly #attempts: AttemptQueue
  #turnScheduled = false
  #measuredMs = 0
  #stuckTimer: NodeJS.Timeout | undefined

  /** Without a flight recorder a message tells of every attempt before it begins. */
  constructor(port: MessagePort, registry: WorkflowRegistry, clock: Clock, recorder?: FlightRecorder, presence = new Presence()) {
    this.#port = port
    this.registry = registry
    this.clock = clock
    this.presence = presence
    this.#attempts = new AttemptQueue(recorder, presence, (nameId, name) => { this.#post({ type: 'step-named', nameId, name }) })
    port.on('message', (message: Batch | ThreadOrder) => { this.#receive(message) })
  }

  /** One life of one actor begins. */
  spawn(task: SpawnTask): void {
    const actor = new Actor(this, task)
    this.#actors.set(task.key, actor)
    actor.start()
  }

  // ---- what the actors ask ---------------------------------------------------------------------------------------

  send(actor: Actor, body: ToSupervisor): void {
    this.#say(actor, body)
  }

  runSoon(attempt: QueuedAttempt): void {
    this.#attempts.add(attempt)
    this.#scheduleTurn()
  }

  attemptOver(attempt: QueuedAttempt): void {
    this.#attempts.over(attempt)
  }

  touch(actor: Actor): void {
    this.#touched.add(actor)
    this.#scheduleTurn()
  }

  ended(actor: Actor): void {
    if (this.#actors.get(actor.key) !== actor) return
    this.#actors.delete(actor.key)
    // Its life is over for the pool, and the run may live again, only when nothing of it runs here.
    actor.whenIdle(() => { this.#say(actor, { type: 'actor-released' }) })
  }

  hasForeignResources(): boolean {
    return process.getActiveResourcesInfo().some(name => name !== 'MessagePort' && name !== 'Immediate' && name !== 'PipeWrap' && name !== 'TTYWrap')
  }

  // ---- turns -----------------------------------------------------------------------------------------------------

  #scheduleTurn(): void {
    if (this.#turnScheduled) return
    this.#turnScheduled = true
    setImmediate(() => { this.#turn() })
  }

  /** After everything that one batch of words set off: who waits, what is to be told, and then the code of attempts. */
  #turn(): void {
    this.#turnScheduled = false
    for (const actor of this.#touched) {
      actor.tellIfWaiting()
      this.#watch(actor)
    }
    this.#touched.clear()
    if (this.#attempts.hasUntold || this.#out.count > 0) this.flush()
    if (this.#attempts.isEmpty) return
    this.#attempts.run(TURN_MS)
    // Steps that compute take their time anyway: the next turn sends it, before it runs them, with what the actors do about the words that have come meanwhile.
    if (this.#out.count > 0 && this.presence.aheadMs < LONG_MS) this.flush()
    if (!this.#attempts.isEmpty || this.#attempts.hasUntold) this.#scheduleTurn()
  }

  /** What is finished goes off, with the word of what is still under way. */
  flush(): void {
    this.#attempts.tellUnderWay()
    if (this.#out.count > 0) {
      const batch = this.#out.take()
      this.#port.postMessage(batch, transferListOf(batch))
      this.#measure()
    }
    this.#attempts.told()
  }

  #say(actor: Actor, body: FromThread): void {
    this.#out.add(actor.key, actor.incarnation, body)
    this.#scheduleTurn()
  }

  #measure(): void {
    const nowMs = monotonicMs()
    if (nowMs - this.#measuredMs < MEASURE_EVERY_MS) return
    this.#measuredMs = nowMs
    this.#tellLoad()
  }

  #tellLoad(collectedMs?: number): void {
    const { used_heap_size: heapBytes, heap_size_limit: heapLimitBytes, external_memory: bufferBytes } = getHeapStatistics()
    this.#post({ type: 'thread-measured', heapBytes, heapLimitBytes, bufferBytes, ...(collectedMs !== undefined && { collectedMs }) })
  }

  #receive(message: Batch | ThreadOrder): void {
    if ('packed' in message) {
      for (const { key, incarnation, body } of readOrders(message)) {
        if (body.type === 'spawn-actor') this.spawn(body)
        else {
          const actor = this.#actors.get(key)
          if (actor?.incarnation === incarnation) actor.hear(body) // (I2)
        }
      }
    } else if (message.type === 'tell-load') this.#tellLoad()
    else if (message.type === 'collect-garbage') {
      const beganMs = monotonicMs()
      collectGarbage()
      this.#tellLoad(monotonicMs() - beganMs)
    }
    else void this.#checkArgs(message)
  }

  // ---- the arguments of a start ----------------------------------------------------------------------------------

  async #checkArgs(order: CheckArgs): Promise<void> {
    this.#post(await this.#validate(order).then(
      (args): ThreadMessage => ({ type: 'args-checked', requestId: order.requestId, args }),
      (error: unknown): ThreadMessage => ({ type: 'args-refused', requestId: order.requestId, error: encodeError(error) })))
  }

  async #validate(order: CheckArgs) {
    const schema = this.registry.get(order.workflow)?.args
    if (schema === undefined) return order.args
    const args = decodeValue(order.args)
    const result = await schema['~standard'].validate(args)
    if (result.issues === undefined) return encodeValue(result.value, () => ({ what: `the arguments of workflow "${order.workflow}"`, root: 'args' }))
    const issue = result.issues[0]
    const path = (issue?.path ?? []).map(part => `[${String(typeof part === 'object' ? part.key : part)}]`).join('')
    throw new InvalidOptionError({
      doing: `Starting workflow "${order.workflow}"`,
      option: `args${path}`,
      rule: `satisfy its schema (${issue?.message ?? 'refused'})`,
      received: args,
    })
  }

  #post(message: ThreadMessage): void {
    this.#port.postMessage(message)
  }

  // ---- trouble ---------------------------------------------------------------------------------------------------

  /** Last words: what was finished is sent, and who was at work when the thread's own code ended it. */
  die(cause: string): void {
    const scope = currentScope.getStore()
    const actor = scope?.owner instanceof Actor ? scope.owner : undefined
    this.flush()
    this.#post({ type: 'thread-dying', key: actor?.key, incarnation: actor?.incarnation ?? 0, index: scope?.step?.index, cause })
  }

  #watch(actor: Actor): void {
    if (actor.stuckForMs(this.clock.nowMs()) === undefined) return
    this.#stuck.add(actor)
    if (this.#stuckTimer === undefined) this.#stuckTimer = setTimeout(() => { this.#warnOfStuck() }, STUCK_AFTER_MS).unref()
  }

  #warnOfStuck(): void {
    this.#stuckTimer = undefined
    const nowMs = this.clock.nowMs()
    for (const actor of this.#stuck) {
      const forMs = actor.stuckForMs(nowMs)
      // A little less than the whole time counts: timers may fire early by this clock.
      const isStuck = forMs !== undefined && forMs >= STUCK_AFTER_MS - 10
      if (isStuck) this.send(actor, { type: 'actor-stuck', seconds: Math.round(forMs / 1000) })
      if (isStuck || forMs === undefined) this.#stuck.delete(actor)
    }
    if (this.#stuck.size > 0) this.#stuckTimer = setTimeout(() => { this.#warnOfStuck() }, STUCK_AFTER_MS).unref()
  }
}
