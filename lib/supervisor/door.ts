/** What the host asks, one reply to each request. Whatever is told is durable first (I1). */
import type { Encoded } from '../codec/encoded.ts'
import { decodeWait, describeWait, encodeWait } from '../codec/wait.ts'
import type { Wait } from '../codec/wait.ts'
import { TroupeClosedError, UnknownRunError } from '../errors.ts'
import { assertNever } from '../invariant.ts'
import { isFinished, RUN_STATUSES } from '../model/run.ts'
import type { RunKey, RunStatus } from '../model/run.ts'
import type { HostReplies, HostRequest, StartRequest, StepsPage, SupervisorMessage, SupervisorStats } from '../protocol/host.ts'
import type { ListedRun, RunMeta, RunProgress, RunQuery } from '../store/contract.ts'
import { carefulness } from './admission.ts'
import { Followers } from './followers.ts'
import { EncodedRefusal, refusalBytes } from './refusal.ts'
import type { Shell, ShellParts } from './shell.ts'
import type { RunState } from './state.ts'
import { Upkeep } from './upkeep.ts'

/** Entries on one page of a run's steps. */
const STEPS_PAGE = 1000
/** Children told to stop with their parent, a page at a time. */
const CHILDREN_PAGE = 1000

/** Requests that add to what is to be committed. */
const WRITES: ReadonlySet<HostRequest['type']> = new Set([
  'start-runs', 'cancel-run', 'resume-run', 'send-message', 'fork-run', 'set-queue', 'set-schedule', 'remove-schedule', 'prune-runs',
])

/** Waits of a run that are named when it is asked what it waits for. */
const MOST_WAITS_TOLD = 5

type Reply = (value: HostReplies[keyof HostReplies]) => void

export class Door {
  readonly #shell: Shell
  readonly #parts: ShellParts
  readonly #emit: (message: SupervisorMessage) => void
  readonly #stats: () => SupervisorStats
  readonly #followers: Followers
  readonly #upkeep: Upkeep
  /** Who waits for which run's outcome. */
  readonly #waiters = new Map<RunKey, Map<number, Reply>>()
  /** Runs of starts that are not complete yet, by request. */
  readonly #startParts = new Map<number, StartRequest[]>()
  #isClosing = false

  constructor(shell: Shell, parts: ShellParts, emit: (message: SupervisorMessage) => void, stats: () => SupervisorStats) {
    this.#shell = shell
    this.#parts = parts
    this.#emit = emit
    this.#stats = stats
    this.#followers = new Followers(parts)
    this.#upkeep = new Upkeep(shell, parts)
  }

  receive(requestId: number, request: Exclude<HostRequest, { type: 'close-supervisor' }>): void {
    const refuse = (error: unknown): void => { this.#emit({ type: 'refusal', requestId, error: refusalBytes(error) }) }
    try {
      if (this.#isClosing) throw new TroupeClosedError({ operation: request.type })
      const { commits } = this.#parts
      // What waits for a full disk must not fill the memory instead. Readers wait behind it, and cost little.
      if (commits.isFull && WRITES.has(request.type)) throw commits.refusedBecause
      this.#handle(requestId, request, value => { this.#emit({ type: 'reply', requestId, value }) }, refuse)
    } catch (error) {
      refuse(error)
    } finally {
      this.#startParts.delete(requestId)
    }
  }

  receivePart(requestId: number, runs: readonly StartRequest[]): void {
    const before = this.#startParts.get(requestId) ?? []
    this.#startParts.set(requestId, before)
    for (const run of runs) before.push(run)
  }

  forget(requestId: number): void {
    this.#startParts.delete(requestId)
    this.#followers.forget(requestId)
    for (const waiters of this.#waiters.values()) if (waiters.delete(requestId)) return
  }

  /** An event or a value of a stream is durable. */
  changed(state: RunState): void {
    this.#followers.changed(state)
  }

  /** A run's outcome is durable: those who wait for it are told. */
  outcomeRecorded(state: RunState): void {
    this.#followers.changed(state)
    const waiters = this.#waiters.get(state.meta.key)
    if (waiters === undefined) return
    const outcome = state.outcome ?? this.#parts.store.readOutcome(state.meta.key)
    if (outcome === undefined) return // resumed in the same turn: they go on waiting
    this.#waiters.delete(state.meta.key)
    for (const reply of waiters.values()) reply(outcome)
  }

  close(): void {
    this.#isClosing = true
  }

  #handle(requestId: number, request: Exclude<HostRequest, { type: 'close-supervisor' }>, reply: Reply, refuse: (error: unknown) => void): void {
    const { store, commits } = this.#parts
    /** Once all that was decided so far is durable. */
    const whenSettled = (act: () => void): void => { commits.afterCommit(() => { this.#orRefuse(refuse, act) }) }
    const settled = (read: () => HostReplies[keyof HostReplies]): void => { whenSettled(() => { reply(read()) }) }
    switch (request.type) {
      case 'start-runs':
        this.#start([...this.#startParts.get(requestId) ?? [], ...request.runs], reply, refuse)
        return
      case 'find-run': {
        const { id, workflow } = this.#find(request.id).meta
        return settled(() => ({ id, workflow }))
      }
      case 'await-outcome':
        this.#awaitOutcome(requestId, this.#find(request.id), reply, refuse)
        return
      case 'read-run': {
        const { key } = this.#find(request.id).meta
        return settled(() => this.#listed(key, request.id))
      }
      case 'read-steps': {
        const { key } = this.#find(request.id).meta
        this.#parts.pool.drain() // an attempt is told of before its code runs, and so what that code did is not known sooner
        return settled(() => this.#steps(key, request.fromPosition))
      }
      case 'list-runs': {
        const { query, after, limit, values } = request
        return settled(() => {
          const page = store.listRuns(query, { limit, values, ...(after !== undefined && { after }) })
          return { ...page, runs: page.runs.map(run => ({ ...run, ...this.#waitsFor({ ...run, waits: this.#waitsOf(run) }) })) }
        })
      }
      case 'count-runs':
        return whenSettled(() => { this.#count(request.query, undefined, 0, reply, refuse) })
      case 'cancel-run':
        this.#cancel(this.#find(request.id).meta.key, request.graceMs, request.children)
        return settled(() => undefined)
      case 'resume-run':
        this.#resume(this.#find(request.id))
        return settled(() => undefined)
      case 'send-message':
      case 'await-event':
      case 'read-stream':
        return this.#handleMail(requestId, request, reply, whenSettled)
      case 'fork-run':
        return whenSettled(() => {
          const { id } = this.#upkeep.fork(this.#find(request.id), request.beforeStep, request.newId).meta
          settled(() => ({ id }))
        })
      case 'set-queue':
      case 'list-queues':
      case 'set-schedule':
      case 'remove-schedule':
      case 'list-schedules':
        return this.#handleSetting(request, settled, refuse)
      case 'prune-runs':
        this.#upkeep.prune(request.finishedBeforeMs, request.statuses).then(runs => { reply({ runs }) }, refuse)
        return
      case 'backup-store':
        return whenSettled(() => { store.backup(request.folder).then(() => { reply(undefined) }, refuse) })
      case 'read-stats':
        return reply(this.#stats())
      default:
        assertNever(request)
    }
  }

  #handleMail(
    requestId: number, request: Extract<HostRequest, { type: 'send-message' | 'await-event' | 'read-stream' }>, reply: Reply,
    whenSettled: (act: () => void) => void): void {
    const state = this.#find(request.id)
    switch (request.type) {
      case 'send-message':
        this.#shell.mail.post(state, request.message, request.topic, request.idempotencyKey)
        return whenSettled(() => { reply(undefined) })
      case 'await-event':
        return whenSettled(() => { this.#followers.awaitEvent(requestId, state, request.key, reply) })
      case 'read-stream':
        return whenSettled(() => { this.#followers.readStream(requestId, state, request.stream, request.from, reply) })
      default:
        assertNever(request)
    }
  }

  #handleSetting(
    request: Extract<HostRequest, { type: 'set-queue' | 'list-queues' | 'set-schedule' | 'remove-schedule' | 'list-schedules' }>,
    settled: (read: () => HostReplies[keyof HostReplies]) => void, refuse: (error: unknown) => void): void {
    const { commits, queues } = this.#parts
    switch (request.type) {
      case 'set-queue':
        commits.add([queues.set(request.name, request.bounds)])
        this.#shell.boundsChanged(request.name)
        return settled(() => undefined)
      case 'list-queues':
        return settled(() => queues.list())
      case 'set-schedule':
        return this.#shell.schedules.setChecked(request.schedule, () => { settled(() => undefined) }, refuse)
      case 'remove-schedule':
        this.#shell.schedules.remove(request.name)
        return settled(() => undefined)
      case 'list-schedules':
        return settled(() => this.#shell.schedules.list())
      default:
        assertNever(request)
    }
  }

  #orRefuse(refuse: (error: unknown) => void, read: () => void): void {
    try {
      read()
    } catch (error) {
      refuse(error)
    }
  }

  #find(id: string): RunState {
    const state = this.#parts.runs.find(id)
    if (state === undefined) throw new UnknownRunError({ runId: id })
    return state
  }

  // ---- starts ----------------------------------------------------------------------------------------------------

  #start(requests: readonly StartRequest[], reply: Reply, refuse: (error: unknown) => void): void {
    const { starts } = this.#parts
    const existing = requests.map(request => starts.existing(request))
    const unchecked = requests.filter((request, i) => existing[i] === undefined && starts.workflow(request.workflow).checksArgs)
    if (unchecked.length === 0) return this.#startAll(requests, existing, reply)
    const checked = new Map<StartRequest, StartRequest>()
    let isRefused = false
    for (const request of unchecked) {
      this.#shell.children.checkArgs(request, args => {
        checked.set(request, { ...request, args })
        if (checked.size < unchecked.length || isRefused) return
        this.#orRefuse(refuse, () => {
          const all = requests.map(each => checked.get(each) ?? each)
          this.#startAll(all, all.map(each => starts.existing(each)), reply)
        })
      }, error => {
        if (!isRefused) refuse(new EncodedRefusal(error))
        isRefused = true
      })
    }
  }

  /** All or none: whatever is wrong with any of them was found when those that exist were looked up, in this turn. Two of them may be the same run. */
  #startAll(requests: readonly StartRequest[], existing: readonly (RunState | undefined)[], reply: Reply): void {
    const { starts } = this.#parts
    const ids = requests.map((request, i) => (existing[i] ?? starts.startedLately(request) ?? this.#shell.children.create(request)).meta.id)
    const isAsAsked = ids.every((id, i) => id === requests[i]!.id)
    this.#parts.commits.afterCommit(() => { reply(isAsAsked ? {} : { ids }) })
  }

  // ---- outcomes and records --------------------------------------------------------------------------------------

  #awaitOutcome(requestId: number, state: RunState, reply: Reply, refuse: (error: unknown) => void): void {
    const { key } = state.meta
    this.#parts.commits.afterCommit(() => this.#orRefuse(refuse, () => {
      const now = this.#parts.runs.get(key)
      // Pruned meanwhile: no outcome would ever come.
      if (now === undefined) throw new UnknownRunError({ runId: state.meta.id })
      const outcome = isFinished(now.progress.status) ? now.outcome ?? this.#parts.store.readOutcome(key) : undefined
      if (outcome !== undefined) return reply(outcome)
      const waiters = this.#waiters.get(key) ?? new Map<number, Reply>()
      this.#waiters.set(key, waiters.set(requestId, reply))
    }))
  }

  #listed(key: RunKey, id: string): ListedRun {
    const state = this.#parts.runs.get(key)
    if (state === undefined) throw new UnknownRunError({ runId: id })
    const outcome = this.#parts.store.readOutcome(key)
    return { meta: state.meta, progress: state.progress, ...this.#waitsFor(state), ...(outcome !== undefined && { outcome }) }
  }

  /** Of a run that waits, as the store has them. */
  #waitsOf({ meta, progress }: ListedRun): ReadonlyMap<number, Wait> {
    const stored = progress.status === 'waiting' ? this.#parts.store.loadRun(meta.key) : undefined
    return new Map(stored?.waits.map(({ index, wait }) => [index, decodeWait(wait)]))
  }

  #waitsFor({ meta, progress, waits }: { readonly meta: RunMeta, readonly progress: RunProgress, readonly waits?: ReadonlyMap<number, Wait> }): { readonly waitsFor?: string } {
    const { queue, queueKey } = meta
    switch (progress.status) {
      case 'enqueued': {
        const held = queue === undefined || progress.holdsPlace === true ? undefined : this.#parts.queues.whyNot(queue, queueKey)
        return { waitsFor: held ?? (progress.suspect ? 'a thread of its own' : carefulness({ progress }) > 0 ? 'its turn: one by one, because the process died with it at work' : 'a place on a thread') }
      }
      case 'delayed': return { waitsFor: `its start at ${new Date(progress.startAtMs ?? 0).toISOString()}` }
      case 'waiting': {
        const all = [...waits?.values() ?? []].map(describeWait)
        if (progress.respawnAtMs !== undefined) all.push(`its next respawn at ${new Date(progress.respawnAtMs).toISOString()}`)
        return all.length === 0 ? {} : { waitsFor: all.slice(0, MOST_WAITS_TOLD).join(', ') + (all.length > MOST_WAITS_TOLD ? `, and ${all.length - MOST_WAITS_TOLD} more` : '') }
      }
      case 'running':
      case 'succeeded':
      case 'failed':
      case 'cancelled':
      case 'quarantined': return {}
      default: return assertNever(progress.status)
    }
  }

  #steps(key: RunKey, fromPosition: number): StepsPage {
    // Copied: an entry may share its memory with others, all of which would cross to the host with it.
    const entries = this.#parts.store.readJournal(key, fromPosition, STEPS_PAGE).map(entry => new Uint8Array(entry) as Uint8Array as Encoded)
    if (entries.length === STEPS_PAGE) return { entries, next: fromPosition + STEPS_PAGE, waits: [], running: [] }
    const state = this.#parts.runs.get(key)
    if (state?.life.type === 'live') this.#parts.pool.lookAt(state.life.threadId)
    return {
      entries,
      waits: [...state?.waits ?? []].map(([index, wait]) => ({ index, wait: encodeWait(wait) })),
      running: [...state?.running ?? []].map(([index, step]) => ({ index, ...step })),
    }
  }

  /** One condition is counted in an index. More of them are a walk, a page at a time: runs at work must not wait for its end. */
  #count(query: RunQuery, after: string | undefined, before: number, reply: Reply, refuse: (error: unknown) => void): void {
    const { store, clock } = this.#parts
    const { order: _, ...conditions } = query
    if (Object.values(conditions).filter(value => value !== undefined).length < 2) return reply(store.countRuns(query))
    const { runs, next } = store.listRuns(query, { limit: Number.MAX_SAFE_INTEGER, values: false, ...(after !== undefined && { after }) })
    const count = before + runs.length
    if (next === undefined) return reply(count)
    clock.soon(() => {
      if (this.#isClosing) refuse(new TroupeClosedError({ operation: 'count-runs' }))
      else this.#orRefuse(refuse, () => { this.#count(query, next, count, reply, refuse) })
    })
  }

  // ---- control ---------------------------------------------------------------------------------------------------

  /**
   * Cancels a run, with `children` all of its family in one commit, so that nobody goes on because of another's end. Afterwards nobody
   * can be missing: a parent that is ending starts no more.
   */
  #cancel(run: RunKey, graceMs: number, children: boolean): void {
    const { runs } = this.#parts
    const family = new Set([run])
    // A set that grows while it is gone through: children, then theirs. Keys alone: a family may be large, and most of it finished.
    if (children) for (const key of family) for (const child of this.#childrenOf(key)) family.add(child)
    for (const key of family) {
      const state = runs.unfinished(key)
      if (state !== undefined) this.#shell.hear(state, { type: 'end-requested', reason: 'cancelled', graceMs })
    }
  }

  /** Also those that were started in this turn, which the store does not show yet. */
  *#childrenOf(parent: RunKey): Iterable<RunKey> {
    yield* this.#parts.runs.startedBy(parent)
    for (let after: RunKey | undefined; ;) {
      const page = this.#parts.store.children(parent, after, CHILDREN_PAGE)
      yield* page
      if (page.length < CHILDREN_PAGE) return
      after = page.at(-1)
    }
  }

  #resume(state: RunState): void {
    const { status } = state.progress
    // A run at work has nothing to resume, and a succeeded one is done for good (G1).
    if (!isFinished(status) || status === 'succeeded') return
    this.#shell.children.resume(state)
  }
}

/** How many runs are in each state. */
export function countByStatus(count: (status: RunStatus) => number): Readonly<Record<RunStatus, number>> {
  return Object.fromEntries(RUN_STATUSES.map(status => [status, count(status)])) as Record<RunStatus, number>
}
