/** Watches the commits of a store: whoever takes a place of a queue beyond its bounds, or begins beyond its rate, is named. */
import type { QueueBounds } from '../../lib/protocol/host.ts'
import type { RunKey } from '../../lib/model/run.ts'
import type { Change, RunMeta } from '../../lib/store/contract.ts'

export class BoundsChecker {
  readonly violations: string[] = []
  takes = 0
  readonly #bounds = new Map<string, QueueBounds>()
  readonly #holders = new Map<RunKey, RunMeta>()
  /** When places of queues with a rate were taken. */
  readonly #takenAtMs = new Map<string, number[]>()

  readonly see = (changes: readonly Change[]): void => {
    for (const change of changes) {
      if (change.type === 'setting-put' && change.kind === 'queue') this.#bounds.set(change.name, JSON.parse(Buffer.from(change.record).toString()) as QueueBounds)
      if (change.type !== 'run-changed') continue
      const { meta, after } = change
      if (after.holdsPlace !== true) this.#holders.delete(meta.key)
      else if (!this.#holders.has(meta.key)) this.#take(meta, after.updatedAtMs)
    }
  }

  holders(queue: string): number {
    return [...this.#holders.values()].filter(meta => meta.queue === queue).length
  }

  #take(meta: RunMeta, atMs: number): void {
    const { id, queue = '', queueKey, key } = meta
    this.takes++
    this.#holders.set(key, meta)
    const { concurrency = Infinity, hostConcurrency = Infinity, keyConcurrency = Infinity, rate } = this.#bounds.get(queue) ?? {}
    const held = this.holders(queue)
    if (held > Math.min(concurrency, hostConcurrency)) this.violations.push(`${id} is number ${held} of queue ${queue}`)
    const ofKey = [...this.#holders.values()].filter(other => other.queue === queue && other.queueKey === queueKey).length
    if (queueKey !== undefined && ofKey > keyConcurrency) this.violations.push(`${id} is number ${ofKey} of key ${queueKey} of queue ${queue}`)
    if (rate === undefined) return
    const takenAtMs = [...this.#takenAtMs.get(queue) ?? [], atMs]
    this.#takenAtMs.set(queue, takenAtMs)
    const within = takenAtMs.filter(each => each > atMs - rate.periodMs).length
    if (within > rate.limit) this.violations.push(`${id} is start ${within} of queue ${queue} within ${rate.periodMs} ms`)
  }
}
