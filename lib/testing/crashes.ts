/** Crashes that a test wants, each once, at the place it chose. */
import { TroupeClosedError } from '../errors.ts'
import type { ToSupervisor } from '../protocol/actor.ts'

export interface CrashPlace {
  /** The run's id. It need not be started yet. */
  readonly run: string
  /**
   * Index of the operation (as in steps()) of which nothing is to be recorded before the crash; 'end': the run's outcome.
   * Default: whatever the run's actor says next.
   */
  readonly beforeOperation?: number | 'end'
}

interface Wanted extends CrashPlace {
  readonly done: () => void
  readonly given: (error: unknown) => void
}

export class Crashes {
  readonly #wanted = new Set<Wanted>()

  want(place: CrashPlace): Promise<void> {
    return new Promise<void>((done, given) => { this.#wanted.add({ ...place, done, given }) })
  }

  /** Whether the thread is to crash before this is heard. */
  isDue(runId: string, fact: ToSupervisor): boolean {
    for (const crash of this.#wanted) {
      if (crash.run !== runId || !isBefore(crash, fact)) continue
      this.#wanted.delete(crash)
      crash.done()
      return true
    }
    return false
  }

  close(): void {
    for (const { given } of this.#wanted) given(new TroupeClosedError({ operation: 'crashNow()' }))
    this.#wanted.clear()
  }
}

function isBefore({ beforeOperation }: CrashPlace, fact: ToSupervisor): boolean {
  if (beforeOperation === undefined) return true
  if (beforeOperation === 'end') return fact.type === 'run-completed' || fact.type === 'run-failed'
  return fact.type !== 'run-diverged' && 'index' in fact && fact.index === beforeOperation
}
