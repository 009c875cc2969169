/** Deleting what is over, copying a run's beginning, and copying the store. */
import { readEntryHead } from '../codec/entry.ts'
import { RunIdTakenError } from '../errors.ts'
import { isFinished } from '../model/run.ts'
import type { FinishedStatus, RunKey } from '../model/run.ts'
import type { Change } from '../store/contract.ts'
import type { ListedRun } from '../protocol/records.ts'
import type { Shell, ShellParts } from './shell.ts'
import type { RunState } from './state.ts'

/** Runs looked at, and deleted, in one turn: short enough that nobody waits for it. */
const PRUNE_PAGE = 100

export class Upkeep {
  readonly #shell: Shell
  readonly #parts: ShellParts

  constructor(shell: Shell, parts: ShellParts) {
    this.#shell = shell
    this.#parts = parts
  }

  /** Deletes finished runs that have no parent left, their finished children with them, a page a turn. Resolves with how many. */
  async prune(finishedBeforeMs: number, statuses: readonly FinishedStatus[]): Promise<number> {
    const { commits } = this.#parts
    let deleted = 0
    for (let after: string | undefined; ;) {
      // A deletion stands alone: what was decided about a run before is in the store first (it may be at work again, or have got a message).
      while (commits.stats.waiting > 0) if (commits.isRefused || !commits.commit()) await this.#settled()
      const page = this.#parts.store.listRuns({ statuses, order: 'oldest-first' }, { limit: PRUNE_PAGE, values: false, ...(after !== undefined && { after }) })
      for (const run of page.runs) deleted += this.#pruneOne(run, finishedBeforeMs)
      // At once: an id that is free again must be free in the store, too, before a run is started under it.
      commits.commit()
      if (page.next === undefined) break
      after = page.next
      await new Promise<void>(resolve => { this.#parts.clock.soon(resolve) })
    }
    await this.#settled()
    return deleted
  }

  #settled(): Promise<void> {
    return new Promise(resolve => { this.#parts.commits.afterCommit(resolve) })
  }

  #pruneOne({ meta, progress }: ListedRun, finishedBeforeMs: number): number {
    if ((progress.finishedAtMs ?? Infinity) >= finishedBeforeMs) return 0
    // A child goes with its parent, not before it.
    if (meta.parent !== undefined && this.#parts.runs.get(meta.parent.key) !== undefined) return 0
    const state = this.#parts.runs.get(meta.key)
    return state === undefined ? 0 : this.#delete(state)
  }

  #delete(state: RunState): number {
    // Resumed meanwhile, or never finished: it stays.
    if (!isFinished(state.progress.status) || state.life.type !== 'absent') return 0
    const { meta, progress } = state
    let deleted = 1
    for (let after: RunKey | undefined; ;) {
      const page = this.#parts.store.children(meta.key, after, PRUNE_PAGE)
      for (const key of page) {
        const child = this.#parts.runs.get(key)
        if (child !== undefined) deleted += this.#delete(child)
      }
      if (page.length < PRUNE_PAGE) break
      after = page.at(-1)
    }
    const changes: Change[] = [{ type: 'run-deleted', meta, progress }]
    this.#parts.commits.add(changes)
    this.#parts.runs.forget(state)
    return deleted
  }

  /**
   * A new run of the same workflow with the outcomes of the operations before an index already recorded.
   * @throws RunIdTakenError, UnknownWorkflowError
   */
  fork(origin: RunState, beforeStep: number, newId: string): RunState {
    const { meta } = origin
    const existing = this.#parts.runs.find(newId)
    if (existing !== undefined) {
      // Asked again, after the supervisor was replaced.
      if (existing.meta.forkedFrom === meta.id) return existing
      throw new RunIdTakenError({ runId: newId, workflow: meta.workflow, takenBy: existing.meta.workflow })
    }
    const { workflow, args, queue, priority, queueKey, tags, timeoutMs } = meta
    const entries = this.#parts.store.readJournal(meta.key, 0, Number.MAX_SAFE_INTEGER).filter(entry => readEntryHead(entry).index < beforeStep)
    return this.#shell.children.create({
      id: newId, workflow, args, priority, tags,
      ...(queue !== undefined && { queue }),
      ...(queueKey !== undefined && { queueKey }),
      ...(timeoutMs !== undefined && { timeoutMs }),
    }, { forkedFrom: meta.id, entries, version: entries.length === 0 ? undefined : meta.version })
  }
}
