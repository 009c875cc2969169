/**
 * Requests that may have ended their supervisor. One whose changes the store cannot take for good takes all of its turn's down with
 * it, and the next supervisor would meet it again. So those that were under way are asked one by one, and who fails alone is refused.
 */
import type { HostRequest } from '../protocol/host.ts'

const READS: ReadonlySet<HostRequest['type']> = new Set<HostRequest['type']>([
  'find-run', 'await-outcome', 'read-run', 'read-steps', 'list-runs', 'count-runs', 'await-event', 'read-stream', 'list-queues', 'list-schedules', 'backup-store', 'read-stats',
])

/** Nothing of it goes to the store. */
export function isRead({ type }: HostRequest): boolean {
  return READS.has(type)
}

export class Suspects {
  #asked: number | undefined
  #waiting: number[] = []

  /** While there are any, whatever else is to be written waits behind them. */
  get areThere(): boolean {
    return this.#asked !== undefined || this.#waiting.length > 0
  }

  /** The supervisor failed over a commit while these were under way: the one that did it, where that is certain; otherwise all are suspects. */
  guilty(underWay: readonly number[]): number | undefined {
    const known = this.#asked ?? (underWay.length === 1 ? underWay[0] : undefined)
    this.#asked = undefined
    this.#waiting = underWay.filter(requestId => requestId !== known)
    return known
  }

  /** The supervisor died of something else: whoever was asked is asked again. */
  supervisorDied(): void {
    if (this.#asked !== undefined) this.#waiting.unshift(this.#asked)
    this.#asked = undefined
  }

  isSuspect(requestId: number): boolean {
    return this.#asked === requestId || this.#waiting.includes(requestId)
  }

  add(requestId: number): void {
    this.#waiting.push(requestId)
  }

  /** It has its answer, or nobody waits for it any more. */
  over(requestId: number): void {
    if (this.#asked === requestId) this.#asked = undefined
    else if (this.#waiting.length > 0) this.#waiting = this.#waiting.filter(other => other !== requestId)
  }

  /** The next one to be asked, once the one before it is over. */
  next(): number | undefined {
    if (this.#asked !== undefined) return undefined
    return this.#asked = this.#waiting.shift()
  }
}
