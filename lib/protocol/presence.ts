/**
 * Whose code has a thread at this moment, where the thread itself knows it: while an attempt of a step, or the body of a workflow,
 * runs for the first time, up to its first await. And how much work is waiting there. It stands in shared memory, because a thread whose code does not yield cannot say it.
 */
import type { RunKey } from '../model/run.ts'

/** `index` undefined: the workflow's body. */
export interface Holder {
  readonly key: RunKey
  readonly index: number | undefined
}

const KEY = 0
const INDEX = 1
const AHEAD_MS = 2
const NOBODY = -1
const BODY = -1

export class Presence {
  readonly shared: SharedArrayBuffer
  readonly #fields: Float64Array

  constructor(shared = new SharedArrayBuffer(3 * Float64Array.BYTES_PER_ELEMENT)) {
    this.shared = shared
    this.#fields = new Float64Array(shared)
    this.leave()
  }

  /** Called for every attempt: two plain stores. Whoever reads them does so when nothing has moved for a while. */
  enter(key: RunKey, index: number | undefined): void {
    this.#fields[INDEX] = index ?? BODY
    this.#fields[KEY] = key
  }

  leave(): void {
    this.#fields[KEY] = NOBODY
  }

  /** How long the attempts that wait in the thread for their turn will keep it at work, going by what their steps took before. */
  get aheadMs(): number {
    return this.#fields[AHEAD_MS]!
  }

  set aheadMs(aheadMs: number) {
    this.#fields[AHEAD_MS] = aheadMs
  }

  get holder(): Holder | undefined {
    const key = this.#fields[KEY]!
    const index = this.#fields[INDEX]!
    return key === NOBODY ? undefined : { key: key as RunKey, index: index === BODY ? undefined : index }
  }
}
