/** One actor on the test's own thread, and the far end of its port: a supervisor that does only what a test tells it. */
import { MessageChannel } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'
import { ActorThread } from '../../lib/actor/thread.ts'
import type { Encoded } from '../../lib/codec/encoded.ts'
import { encodeValue } from '../../lib/codec/value.ts'
import { encodeWait } from '../../lib/codec/wait.ts'
import type { Wait } from '../../lib/codec/wait.ts'
import { DEFAULT_RESPAWN_POLICY } from '../../lib/model/respawn.ts'
import type { RunKey } from '../../lib/model/run.ts'
import type { Envelope, ToActor, ToSupervisor } from '../../lib/protocol/actor.ts'
import { BatchWriter, transferListOf } from '../../lib/protocol/batch.ts'
import { readFacts, releasesApart } from '../../lib/protocol/facts.ts'
import { writeOrder } from '../../lib/protocol/orders.ts'
import type { Batch } from '../../lib/protocol/batch.ts'
import type { SpawnTask, ThreadMessage, ThreadOrder } from '../../lib/protocol/thread.ts'
import { WorkflowRegistry } from '../../lib/workflow/registry.ts'
import { ManualClock } from '../manual-clock.ts'

export type Fact<Type extends ToSupervisor['type']> = ToSupervisor & { readonly type: Type }

/** Turns of the event loop without a word after which an actor that should speak is taken to stand still. */
const TURNS_UNTIL_STILL = 5000

export function registryOf(workflows: Readonly<Record<string, (...args: never[]) => unknown>>): WorkflowRegistry {
  const registry = new WorkflowRegistry()
  for (const [name, fn] of Object.entries(workflows)) {
    registry.add({ name, fn: fn as (...args: unknown[]) => unknown, respawn: DEFAULT_RESPAWN_POLICY, isolated: false })
  }
  return registry
}

/** A thread's far end. */
export class ScriptedThread {
  readonly clock: ManualClock
  readonly thread: ActorThread
  readonly #port: MessagePort
  readonly #far: MessagePort
  readonly #unread: Envelope<ToSupervisor>[] = []
  readonly #lives: { readonly key: RunKey, readonly incarnation: number, readonly over: () => void }[] = []
  readonly messages: ThreadMessage[] = []
  /** Sizes of what came in each batch. */
  readonly batches: number[] = []
  readonly moved: number[] = []

  constructor(registry: WorkflowRegistry, clock: ManualClock = new ManualClock()) {
    const { port1, port2 } = new MessageChannel()
    this.clock = clock
    this.#port = port1
    this.#far = port2
    port1.on('message', (message: Batch | ThreadMessage) => {
      if (!('packed' in message)) {
        this.messages.push(message)
        return
      }
      this.batches.push(message.count)
      this.moved.push(message.moved.length)
      const { facts, released } = releasesApart(readFacts(message))
      this.#unread.push(...facts)
      for (const { key, incarnation } of released) this.#lives.find(life => life.key === key && life.incarnation === incarnation)?.over()
    })
    this.thread = new ActorThread(port2, registry, clock)
  }

  /** Resolves when that life is over. */
  spawn(facts: Partial<Omit<SpawnTask, 'type' | 'journal' | 'waits' | 'args'>> & {
    readonly args?: readonly unknown[], readonly journal?: readonly Encoded[], readonly waits?: ReadonlyMap<number, Wait>
  } = {}): Promise<void> {
    const { args = [], journal = [], waits = new Map<number, Wait>(), ...rest } = facts
    this.thread.spawn({
      type: 'spawn-actor', key: 1 as RunKey, incarnation: 1, id: 'run', workflow: 'body', ...rest,
      args: encodeValue(args, { what: 'args', root: 'args' }),
      journal: packed(journal),
      waits: [...waits].map(([index, wait]) => ({ index, wait: encodeWait(wait) })),
    })
    return new Promise(resolve => { this.#lives.push({ key: rest.key ?? 1 as RunKey, incarnation: rest.incarnation ?? 1, over: resolve }) })
  }

  tell(orders: readonly ToActor[], to: { readonly key?: number, readonly incarnation?: number } = {}): void {
    const writer = new BatchWriter<ToActor>(writeOrder)
    for (const order of orders) writer.add((to.key ?? 1) as RunKey, to.incarnation ?? 1, order)
    const batch = writer.take()
    this.#port.postMessage(batch, transferListOf(batch))
  }

  order(order: ThreadOrder): void {
    this.#port.postMessage(order)
  }

  /** What was said and not read yet. */
  take(): Envelope<ToSupervisor>[] {
    return this.#unread.splice(0)
  }

  /** Waits until something has been said. */
  async next(): Promise<readonly Envelope<ToSupervisor>[]> {
    for (let turns = 0; this.#unread.length === 0; turns++) {
      if (turns === TURNS_UNTIL_STILL) throw new Error('the actor stands still')
      await turn()
    }
    return this.take()
  }

  /** Waits for a fact of this type and gives it; what was said before it is read too. */
  async heard<Type extends ToSupervisor['type']>(type: Type): Promise<Fact<Type>> {
    for (let turns = 0; ; turns++) {
      const at = this.#unread.findIndex(({ body }) => body.type === type)
      if (at !== -1) return this.#unread.splice(0, at + 1)[at]!.body as Fact<Type>
      if (turns === TURNS_UNTIL_STILL) throw new Error(`the actor does not say ${type}; it said ${this.#unread.map(({ body }) => body.type).join(', ') || 'nothing'}`)
      await turn()
    }
  }

  /** Lets everything that is under way on this thread be done, and gives what was said. */
  async quiet(): Promise<ToSupervisor[]> {
    let seen = -1
    for (let still = 0; still < 20; still = seen === this.#unread.length ? still + 1 : 0) {
      seen = this.#unread.length
      await turn()
    }
    return this.take().map(({ body }) => body)
  }

  close(): void {
    this.#port.close()
    this.#far.close()
  }
}

export function turn(): Promise<void> {
  return new Promise(resolve => { setImmediate(resolve) })
}

export function packed(entries: readonly Encoded[]): SpawnTask['journal'] {
  const ends = new Float64Array(entries.length)
  let size = 0
  for (const [i, entry] of entries.entries()) ends[i] = size += entry.length
  return { bytes: new Uint8Array(Buffer.concat(entries)), ends }
}
