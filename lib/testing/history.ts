/** Recorded histories against the code as it is now: journals are replayed, and nothing is done that is not recorded. */
import { checkFolder, resolveTroupeOptions } from '../client/options.ts'
import { NondeterminismError } from '../errors.ts'
import { assertInvariant } from '../invariant.ts'
import { checkNumber, checkOneOf, checkOptions } from '../options.ts'
import type { Envelope, ToSupervisor } from '../protocol/actor.ts'
import type { SpawnTask } from '../protocol/thread.ts'
import type { ListedRun, Store } from '../store/contract.ts'
import { openLmdbStore } from '../store/lmdb/index.ts'
import { ThreadPool } from '../supervisor/pool.ts'
import { EncodedRefusal } from '../supervisor/refusal.ts'
import { decodeError } from '../codec/error.ts'
import { packEntries } from '../protocol/thread.ts'
import { ACTOR_ENTRY } from './inline-link.ts'

export interface HistoryOptions {
  /** The changed code: module(s) that define the workflows, as for Troupe.open(). */
  readonly workflows: string | URL | readonly (string | URL)[]
  /** 'unfinished': the runs that a new version will have to carry on. 'all': those that finished, too. Default 'unfinished'. */
  readonly runs?: 'unfinished' | 'all'
  /** Seconds that the replay of one run may take. > 0. Default 30. */
  readonly patienceSeconds?: number
}

export interface HistoryFinding {
  readonly runId: string
  readonly workflow: string
  /** What would become of the run under this code, in a sentence. */
  readonly problem: string
  /** Where code and journal part, if they do: NondeterminismError is what the run would be quarantined with. */
  readonly error?: NondeterminismError
}

export interface HistoryReport {
  /** How many runs were replayed. */
  readonly checked: number
  /** Those that this code cannot carry on; empty: it can carry on all of them. */
  readonly findings: readonly HistoryFinding[]
}

const UNFINISHED = ['enqueued', 'delayed', 'running', 'waiting'] as const
const PAGE = 200
const DEFAULT_PATIENCE_SECONDS = 30

/**
 * Replays the journals of a store's runs against the code in `workflows`, in a worker thread, and tells which would diverge.
 * A replay ends where the journal does: no step, message or child is begun, and the store is not changed. Code in workflows'
 * bodies runs, as on every replay. The folder must not be in use: of a live Troupe, check a backup().
 * @throws StoreInUseError, StoreFormatError, StoreUnavailableError, WorkflowModuleError, InvalidOptionError
 */
export async function checkHistory(folder: string, options: HistoryOptions): Promise<HistoryReport> {
  const store = await openLmdbStore({ folder: checkFolder('folder', folder), durability: 'process-crash' })
  try {
    return await checkJournals(store, options)
  } finally {
    await store.close()
  }
}

/** @internal */
export async function checkJournals(store: Store, options: HistoryOptions): Promise<HistoryReport> {
  const { workflows, runs, patienceSeconds } = checkOptions('checkHistory()', options, ['workflows', 'runs', 'patienceSeconds'])
  const { modules } = resolveTroupeOptions({ store: 'unused', workflows, threads: 1 }).supervisor
  const which = runs === undefined ? 'unfinished' : checkOneOf('runs', runs, ['unfinished', 'all'])
  const patienceMs = (patienceSeconds === undefined ? DEFAULT_PATIENCE_SECONDS : checkNumber('patienceSeconds', patienceSeconds, { min: 0.001, max: 86_400 })) * 1000
  const rehearsal = await Rehearsal.open(modules)
  try {
    const findings: HistoryFinding[] = []
    let checked = 0
    const query = { order: 'oldest-first', ...(which === 'unfinished' && { statuses: UNFINISHED }) } as const
    for (let after: string | undefined; ;) {
      const page = store.listRuns(query, { limit: PAGE, values: true, ...(after !== undefined && { after }) })
      for (const run of page.runs) {
        checked++
        const { id: runId, workflow } = run.meta
        const found = await rehearsal.replay(store, run, patienceMs)
        if (found !== undefined) findings.push({ runId, workflow, ...found })
      }
      if (page.next === undefined) return { checked, findings }
      after = page.next
    }
  } finally {
    await rehearsal.close()
  }
}

type Found = Pick<HistoryFinding, 'problem' | 'error'>

/** One thread in which one run at a time is replayed. */
class Rehearsal {
  readonly #pool: ThreadPool
  #known: ReadonlySet<string> = new Set()
  #incarnation = 0
  #thread: number | undefined
  #heard: (fact: ToSupervisor | { readonly type: 'thread-ended', readonly problem: string }) => void = () => {}
  #free: () => void = () => {}

  static async open(modules: readonly string[]): Promise<Rehearsal> {
    const rehearsal = new Rehearsal(modules)
    try {
      rehearsal.#known = new Set((await rehearsal.#pool.start()).map(({ name }) => name))
      return rehearsal
    } catch (error) {
      await rehearsal.close()
      throw error instanceof EncodedRefusal ? decodeError(error.error) : error
    }
  }

  private constructor(modules: readonly string[]) {
    const facts = (_: number, said: readonly Envelope<ToSupervisor>[]): void => {
      for (const { incarnation, body } of said) if (incarnation === this.#incarnation) this.#heard(body)
    }
    this.#pool = new ThreadPool({ threads: 1, modules, entry: ACTOR_ENTRY }, {
      facts,
      threadReady: threadId => {
        this.#thread = threadId
        this.#free()
      },
      released: () => { this.#free() },
      threadEnded: (_, { problem }) => {
        this.#thread = undefined
        this.#heard({ type: 'thread-ended', problem })
      },
      argsChecked: () => {},
      bootFailed: () => {},
    })
  }

  async replay(store: Store, run: ListedRun, patienceMs: number): Promise<Found | undefined> {
    const { key, workflow } = run.meta
    if (!this.#known.has(workflow)) return { problem: `no module defines workflow "${workflow}" any more: the run would stay enqueued` }
    await this.#whenFree()
    const threadId = this.#thread
    assertInvariant(threadId !== undefined, 'a thread that is free is gone')
    const alarm: { timer?: NodeJS.Timeout } = {}
    const found = await new Promise<Found | undefined>(resolve => {
      this.#heard = fact => {
        const verdict = judge(run, fact)
        if (verdict !== 'open') resolve(verdict.found)
      }
      alarm.timer = setTimeout(() => {
        this.#pool.endThread(threadId)
        resolve({ problem: `its replay did not come to its end within ${patienceMs / 1000} s` })
      }, patienceMs)
      const spawned = this.#pool.spawn(threadId, this.#task(store, run))
      assertInvariant(spawned, 'a thread that is free took no actor')
    })
    clearTimeout(alarm.timer)
    this.#heard = () => {}
    this.#pool.tell(threadId, key, this.#incarnation, { type: 'abandon' })
    return found
  }

  async close(): Promise<void> {
    await this.#pool.destroy()
  }

  #task(store: Store, { meta: { key, id, workflow, args } }: ListedRun): SpawnTask {
    const journal = packEntries(store.readJournal(key, 0, Number.MAX_SAFE_INTEGER))
    const waits = store.loadRun(key)?.waits ?? []
    return { type: 'spawn-actor', key, incarnation: ++this.#incarnation, id, workflow, args, journal, waits, isDry: true }
  }

  /** The life before is over, and its thread takes the next. */
  async #whenFree(): Promise<void> {
    while (this.#thread === undefined || this.#pool.actorsOn(this.#thread) > 0) {
      await new Promise<void>(resolve => { this.#free = resolve })
    }
  }
}

/** What something that an actor said, or its end, tells of its run; 'open': nothing yet. */
function judge({ meta, progress }: ListedRun, fact: ToSupervisor | { readonly type: 'thread-ended', readonly problem: string }): 'open' | { readonly found: Found | undefined } {
  if (fact.type === 'run-diverged') {
    const { index, recorded, called } = fact
    const error = new NondeterminismError({ runId: meta.id, index, recorded, called })
    return { found: { problem: error.message, error } }
  }
  if (fact.type === 'thread-ended') return { found: { problem: `its thread ${fact.problem} while its journal was replayed` } }
  if (fact.type === 'run-completed' || fact.type === 'run-failed') return { found: undefined }
  if (fact.type !== 'actor-waiting') return 'open'
  return { found: progress.status === 'succeeded' ? { problem: 'it succeeded where its journal ends, and this code calls for more' } : undefined }
}
