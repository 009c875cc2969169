/** Outcomes on their way to the workflow's promises, in the order of the journal. */
import { currentScope } from '../workflow/context.ts'
import type { SettledWith } from './operation.ts'

/** Something to settle an operation with. */
export interface Delivery {
  readonly index: number
  outcome(): SettledWith
}

export class Deliveries {
  /** Settles one; false: its operation has not been called yet. */
  readonly #settle: (delivery: Delivery) => boolean
  #queue: Delivery[]
  #done = 0
  #draining = false

  constructor(recorded: Delivery[], settle: (delivery: Delivery) => boolean) {
    this.#queue = recorded
    this.#settle = settle
  }

  /** Nothing is on its way, and all that what was settled set off has run. */
  get isQuiet(): boolean {
    return !this.#draining && this.#done === this.#queue.length
  }

  get isDraining(): boolean {
    return this.#draining
  }

  push(delivery: Delivery): void {
    this.#queue.push(delivery)
    this.drain()
  }

  clear(): void {
    this.#queue = []
    this.#done = 0
  }

  /**
   * Settles what is next, once all continuations of what was settled before have run. Called again when an operation is
   * called whose outcome may be next.
   */
  drain(): void {
    if (this.#draining || this.#done === this.#queue.length) return
    this.#draining = true
    afterContinuations(this)
  }

  /** The continuations have run. */
  goOn(): void {
    this.#draining = false
    this.#settleNext()
  }

  #settleNext(): void {
    const next = this.#queue[this.#done]
    // An operation that was not called yet: the code still waits on something else, and the call will come back here.
    if (next === undefined || !this.#settle(next)) return
    this.#done++
    if (this.#done === this.#queue.length) this.clear()
    this.drain()
  }
}

/** Those of all actors of this thread that wait for continuations: they know nothing of each other, and share the way there. */
let waiting: Deliveries[] = []

/**
 * The microtask comes after those that are queued now, and the tick after all that they queue in turn. A tick alone would come
 * too early, because ticks queued from a tick run before the microtasks.
 */
function afterContinuations(deliveries: Deliveries): void {
  if (waiting.push(deliveries) === 1) currentScope.run(undefined, () => { queueMicrotask(awaitTick) })
}

function awaitTick(): void {
  // Who comes later, from a tick before that one, has microtasks of its own to wait for.
  process.nextTick(goOn, waiting)
  waiting = []
}

function goOn(ready: readonly Deliveries[]): void {
  for (const deliveries of ready) deliveries.goOn()
}
