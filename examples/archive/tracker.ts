import type { News, Phase, Totals } from './news.ts'
import type { Progress } from './progress.ts'

/** What a file costs beside its bytes (flushes, commits), in bytes that take as long: the time left is told from both. */
const ITEM_COST_BYTES = 12 * 1024
const WINDOW_MS = 12_000

interface Sample { readonly atMs: number, readonly items: number, readonly bytes: number }

/** Adds up the news of all threads, from where earlier starts had come. Knows no clock: times are arguments. */
export class Tracker {
  #phase: Phase
  #items = 0
  #bytes = 0
  #totals: Totals | undefined
  #samples: Sample[] = []

  constructor(firstPhase: Phase) {
    this.#phase = firstPhase
  }

  /** Counts what an earlier start had done; a rate is not told from it. */
  startFrom(phase: Phase, done: Totals, totals: Totals | undefined): void {
    this.#enter(phase)
    this.#items += done.items
    this.#bytes += done.bytes
    this.#totals = totals ?? this.#totals
    this.#samples = []
  }

  hear(news: News): void {
    if (news.type === 'disk-full') return
    this.#enter(news.phase)
    if (news.type === 'work') {
      this.#items += news.items
      this.#bytes += news.bytes
      this.#totals = news.totals ?? this.#totals
    } else if (news.phase === 'listing') this.#items = news.totals?.items ?? 0
    else this.#totals = news.totals ?? this.#totals
  }

  #enter(phase: Phase): void {
    if (phase === this.#phase) return
    this.#phase = phase
    this.#items = 0
    this.#bytes = 0
    this.#totals = undefined
    this.#samples = []
  }

  snapshot(nowMs: number, threads?: { readonly inUse: number, readonly all: number }): Progress {
    const items = Math.max(0, Math.min(this.#items, this.#totals?.items ?? Number.POSITIVE_INFINITY))
    const bytes = Math.max(0, Math.min(this.#bytes, this.#totals?.bytes ?? Number.POSITIVE_INFINITY))
    return {
      phase: this.#phase, items, bytes,
      ...this.#totals === undefined ? {} : { totalItems: this.#totals.items, totalBytes: this.#totals.bytes },
      ...this.#speed({ atMs: nowMs, items, bytes }),
      ...threads === undefined ? {} : { threadsInUse: threads.inUse, threads: threads.all }
    }
  }

  #speed(now: Sample): { bytesPerSecond?: number, secondsLeft?: number } {
    this.#samples.push(now)
    while (now.atMs - (this.#samples[1]?.atMs ?? now.atMs) >= WINDOW_MS) this.#samples.shift()
    const first = this.#samples[0] ?? now
    const seconds = (now.atMs - first.atMs) / 1000
    if (seconds < 1 || this.#phase === 'listing') return {}
    const bytesPerSecond = Math.max(0, (now.bytes - first.bytes) / seconds)
    const cost = bytesPerSecond + (now.items - first.items) / seconds * ITEM_COST_BYTES
    if (this.#totals === undefined || cost <= 0) return { bytesPerSecond }
    const left = this.#totals.bytes - now.bytes + (this.#totals.items - now.items) * ITEM_COST_BYTES
    return { bytesPerSecond, secondsLeft: left / cost }
  }
}
