/** A simulated pool of threads: to the supervisor it is what lib/supervisor/pool.ts is, and everything in it happens by chance. */
import type { RunKey } from '../../lib/model/run.ts'
import type { Envelope, ToActor, ToSupervisor } from '../../lib/protocol/actor.ts'
import { BatchWriter } from '../../lib/protocol/batch.ts'
import { releasesApart } from '../../lib/protocol/facts.ts'
import type { FromThread } from '../../lib/protocol/facts.ts'
import { readOrders, writeOrder } from '../../lib/protocol/orders.ts'
import type { ToThread } from '../../lib/protocol/orders.ts'
import type { SpawnTask, ThreadOrder, WorkflowReport } from '../../lib/protocol/thread.ts'
import type { Pool, PoolListener } from '../../lib/supervisor/pool.ts'
import type { Sentence } from '../../lib/supervisor/pulse.ts'
import { workflowRegistry } from '../../lib/workflow/registry.ts'
import type { Chance } from '../chance.ts'
import type { Channel, Owner, Schedule } from './schedule.ts'
import { SimulatedThread } from './thread.ts'
import type { Culprit, Said } from './thread.ts'

export interface PoolWatch {
  readonly schedule: Schedule
  readonly chance: Chance
  /** The supervisor's process. */
  readonly owner: Owner
  /** Of the code that its threads load. */
  readonly version: string
  /** The supervisor says something to an actor, or spawns it. */
  telling(key: RunKey, incarnation: number, order: ToActor): void
  spawning(task: SpawnTask): void
  /** A thread's end is heard, before the supervisor makes anything of it; what comes back is called after it has. */
  ending(threadId: number, isDeliberate: boolean, sentence: Sentence | undefined): () => void
}

interface Seat {
  readonly thread: SimulatedThread
  readonly facts: Channel
  readonly said: Said[]
  readonly out: BatchWriter<ToThread>
  readonly actors: Map<RunKey, number>
  ready: boolean
  deliberate: boolean
  sentence: Sentence | undefined
  /** Its exit was heard. */
  gone: boolean
}

export class SimulatedPool implements Pool {
  readonly #threads: number
  readonly #listener: PoolListener
  readonly #watch: PoolWatch
  readonly #seats = new Map<number, Seat>()
  #nextId = 1
  /** When an actor was last heard to refuse to be let go. */
  keptAtMs = -Infinity

  constructor(threads: number, listener: PoolListener, watch: PoolWatch) {
    this.#threads = threads
    this.#listener = listener
    this.#watch = watch
  }

  get living(): readonly SimulatedThread[] {
    return [...this.#seats.values()].map(({ thread }) => thread).filter(({ owner }) => owner.alive)
  }

  // ---- what the supervisor asks ----------------------------------------------------------------------------------

  async start(): Promise<readonly WorkflowReport[]> {
    const { schedule, owner, version } = this.#watch
    for (let i = 0; i < this.#threads; i++) this.#seat().ready = true
    await new Promise<void>(resolve => { schedule.postAlone(owner, 'all threads have booted', resolve) })
    return workflowRegistry.all().map(({ name, respawn, isolated, timeoutMs, queue, args }) => ({
      name, version, isolated, maxRespawns: respawn.maxRespawns, respawnWindowMs: respawn.windowMs, checksArgs: args !== undefined,
      ...(timeoutMs !== undefined && { timeoutMs }), ...(queue !== undefined && { queue }),
    }))
  }

  *threads(): Iterable<{ readonly threadId: number, readonly actors: number }> {
    for (const { thread, ready, deliberate, gone, actors } of this.#seats.values()) {
      if (ready && !deliberate && !gone) yield { threadId: thread.id, actors: actors.size }
    }
  }

  /** Nobody may rely on it: commits gather or they do not. */
  aheadMs(): number {
    return this.#watch.chance.below(2) * 1000
  }

  measure(): ReturnType<Pool['measure']> {
    return [...this.threads()].map(thread => ({ ...thread, utilization: 0, heapBytes: 0, bufferBytes: 0 }))
  }

  threadOf(key: RunKey, incarnation?: number): number | undefined {
    for (const { thread, actors, gone } of this.#seats.values()) {
      const living = actors.get(key)
      if (!gone && living !== undefined && (incarnation === undefined || living === incarnation)) return thread.id
    }
    return undefined
  }

  actorsOn(threadId: number): number {
    return this.#seats.get(threadId)?.actors.size ?? 0
  }

  spawn(threadId: number, task: SpawnTask): boolean {
    const seat = this.#seats.get(threadId)
    if (!this.#watch.owner.alive || seat === undefined || seat.deliberate) return false
    this.#watch.spawning(task)
    seat.actors.set(task.key, task.incarnation)
    seat.out.add(task.key, task.incarnation, task)
    return true
  }

  tell(threadId: number, key: RunKey, incarnation: number, order: ToActor): void {
    if (!this.#watch.owner.alive) return
    this.#watch.telling(key, incarnation, order)
    this.#seats.get(threadId)?.out.add(key, incarnation, order)
  }

  order(order: ThreadOrder): number | undefined {
    if (order.type !== 'check-args') return undefined
    for (const { threadId } of this.threads()) {
      this.#seats.get(threadId)!.thread.ask(order)
      return threadId
    }
    return undefined
  }

  endThread(threadId: number, sentence?: Sentence): void {
    const seat = this.#seats.get(threadId)
    if (seat === undefined || seat.deliberate) return
    seat.deliberate = true
    seat.sentence = sentence
    this.#watch.schedule.postAlone(this.#watch.owner, `thread ${threadId} is ended`, () => { seat.thread.end('was ended', undefined) })
  }

  crashThread(threadId: number): void {
    this.#seats.get(threadId)?.thread.end('crashed', undefined)
  }

  isStill(actors: number): boolean {
    const threads = [...this.threads()]
    return threads.length === this.#threads && threads.reduce((sum, thread) => sum + thread.actors, 0) === actors
  }

  async destroy(): Promise<void> {
    for (const seat of this.#seats.values()) {
      seat.gone = true
      seat.thread.owner.alive = false
    }
    this.#seats.clear()
  }

  lookAt(threadId: number): void {
    const seat = this.#seats.get(threadId)
    const facts = seat?.thread.owner.alive === true ? seat.thread.recorded('living') : []
    if (facts.length > 0) this.#listener.facts(threadId, facts)
  }

  drain(): void {
    for (const seat of this.#seats.values()) this.#drain(seat)
  }

  // ---- what happens in it ----------------------------------------------------------------------------------------

  /** What the supervisor has said in one turn is under way. */
  flush(): void {
    for (const seat of this.#seats.values()) {
      if (seat.out.count === 0) continue
      const orders = readOrders(seat.out.take())
      if (seat.thread.owner.alive) seat.thread.tell(orders)
    }
  }

  /** Words of a former life, which should have been heard or lost long ago. */
  sayLate(threadId: number, facts: readonly Envelope<ToSupervisor>[]): void {
    const seat = this.#seats.get(threadId)
    if (seat !== undefined) this.#post(seat, { type: 'facts', facts })
  }

  /** Loses the last words of a thread that is not alive any more: as if it had ended earlier. */
  loseLastWords(threadId: number): void {
    const seat = this.#seats.get(threadId)
    if (seat === undefined || seat.said.length < 2) return
    const lost = this.#watch.chance.below(seat.said.length)
    seat.said.splice(seat.said.length - 1 - lost, lost)
    seat.facts.queue.splice(0, lost)
  }

  #seat(): Seat {
    const { schedule, chance, owner } = this.#watch
    const id = this.#nextId++
    const thread = new SimulatedThread(id, owner.name, {
      schedule, chance,
      said: said => { this.#post(seat, said) },
    })
    const seat: Seat = {
      thread, facts: schedule.channel(`${thread.owner.name} words`, owner), said: [],
      out: new BatchWriter(writeOrder), actors: new Map(), ready: false, deliberate: false, sentence: undefined, gone: false,
    }
    this.#seats.set(id, seat)
    return seat
  }

  #post(seat: Seat, said: Said): void {
    seat.said.push(said)
    this.#watch.schedule.post(seat.facts, described(said), () => {
      const next = seat.said.shift()
      if (next !== undefined) this.#hear(seat, next)
    })
  }

  #hear(seat: Seat, said: Said): void {
    if (seat.gone) return
    switch (said.type) {
      case 'facts':
        if (said.facts.some(({ body }) => body.type === 'passivation-refused')) this.keptAtMs = this.#watch.schedule.passedMs
        return this.#hearWords(seat, said.facts)
      case 'answer': return this.#listener.argsChecked(said.answer)
      case 'exit': return this.#exited(seat, said.problem, said.culprit)
    }
  }

  /** Hears all that it has said, but for its end: nothing is left to be heard later. */
  #drain(seat: Seat): void {
    while (seat.said.length > 0 && seat.said[0]!.type !== 'exit') this.#hear(seat, seat.said.shift()!)
  }

  #hearWords(seat: Seat, words: readonly Envelope<FromThread>[]): void {
    const { facts, released } = releasesApart(words)
    this.#listener.facts(seat.thread.id, facts)
    for (const { key, incarnation } of released) this.#released(seat, key, incarnation)
  }

  #released(seat: Seat, key: RunKey, incarnation: number): void {
    if (seat.gone) return
    if (seat.actors.get(key) === incarnation) seat.actors.delete(key)
    this.#listener.released(seat.thread.id, key, incarnation)
  }

  #exited(seat: Seat, problem: string, culprit: Culprit | undefined): void {
    const { thread, deliberate, sentence, actors } = seat
    const { schedule, owner } = this.#watch
    const after = this.#watch.ending(thread.id, deliberate, sentence)
    seat.gone = true
    this.#seats.delete(thread.id)
    this.#listener.threadEnded(thread.id, { problem, culprit, deliberate, sentence, actors: actors.size })
    after()
    const next = this.#seat()
    schedule.postAlone(owner, `thread ${next.thread.id} has booted`, () => {
      next.ready = true
      this.#listener.threadReady(next.thread.id)
    })
  }
}

function described(said: Said): string {
  switch (said.type) {
    case 'facts': return said.facts.map(({ key, incarnation, body }) => `${body.type}${'index' in body ? ` ${body.index ?? ''}` : ''} of ${key}/${incarnation}`).join(', ')
    case 'answer': return said.answer.type
    case 'exit': return said.problem
  }
}
