/** Wakes admission when a queue that its rate holds back may start the next run. */
import type { Alarms } from './alarms.ts'
import type { Queues } from './queues.ts'

export class Rates {
  readonly #alarms: Alarms
  readonly #queues: Queues
  readonly #mayStart: () => void
  /** Queues that have an alarm. */
  readonly #awaited = new Set<string>()

  constructor(alarms: Alarms, queues: Queues, mayStart: () => void) {
    this.#alarms = alarms
    this.#queues = queues
    this.#mayStart = mayStart
  }

  await(queue: string): void {
    const atMs = this.#awaited.has(queue) ? undefined : this.#queues.nextStartAtMs(queue)
    if (atMs === undefined) return
    this.#awaited.add(queue)
    this.#alarms.at(atMs, () => {
      this.#awaited.delete(queue)
      this.#mayStart()
      this.await(queue)
    })
  }

  awaitAll(): void {
    for (const queue of this.#queues.limited()) this.await(queue)
  }
}
