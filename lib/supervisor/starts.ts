/** Starts of runs, by the host and by parents: who exists already, what defaults apply, and the first record of a new run. */
import type { Encoded } from '../codec/encoded.ts'
import { RunIdTakenError, UnknownWorkflowError } from '../errors.ts'
import type { Clock } from '../model/clock.ts'
import { DEFAULT_RESPAWN_POLICY } from '../model/respawn.ts'
import type { RunKey } from '../model/run.ts'
import type { StartRequest } from '../protocol/host.ts'
import type { WorkflowReport } from '../protocol/thread.ts'
import { TIMER_SLOT } from '../store/contract.ts'
import type { Change, RunMeta, RunProgress, Store } from '../store/contract.ts'
import type { RunPolicy } from './decision.ts'
import type { Runs } from './runs.ts'
import { newState, QUEUED } from './state.ts'
import type { RunState } from './state.ts'

/** Where a new run comes from, if not from a host. */
export interface Origin {
  readonly parent?: { readonly key: RunKey, readonly id: string, readonly index: number }
  readonly forkedFrom?: string
  /** Of the module that recorded these entries. */
  readonly version?: string | undefined
  /** What is recorded of it from the beginning. */
  readonly entries?: readonly Encoded[]
}

export interface NewRun {
  readonly state: RunState
  readonly changes: readonly Change[]
  readonly startAtMs: number | undefined
}

export class Starts {
  readonly #store: Store
  readonly #runs: Runs
  readonly #clock: Clock
  #workflows: ReadonlyMap<string, WorkflowReport> = new Map()

  constructor(store: Store, runs: Runs, clock: Clock) {
    this.#store = store
    this.#runs = runs
    this.#clock = clock
  }

  /** What the threads define. */
  define(workflows: readonly WorkflowReport[]): void {
    this.#workflows = new Map(workflows.map(workflow => [workflow.name, workflow]))
  }

  get known(): readonly string[] {
    return [...this.#workflows.keys()]
  }

  /** @throws UnknownWorkflowError */
  workflow(name: string): WorkflowReport {
    const workflow = this.#workflows.get(name)
    if (workflow === undefined) throw new UnknownWorkflowError({ workflow: name, known: this.known })
    return workflow
  }

  isKnown(name: string): boolean {
    return this.#workflows.has(name)
  }

  policyOf(name: string): RunPolicy {
    const workflow = this.#workflows.get(name)
    return {
      respawn: workflow === undefined ? DEFAULT_RESPAWN_POLICY : { maxRespawns: workflow.maxRespawns, windowMs: workflow.respawnWindowMs },
      version: workflow?.version,
    }
  }

  isIsolated(name: string): boolean {
    return this.#workflows.get(name)?.isolated === true
  }

  /**
   * The run that this start attaches to, if there is one already.
   * @throws UnknownWorkflowError, RunIdTakenError
   */
  existing(request: StartRequest): RunState | undefined {
    const workflow = this.workflow(request.workflow)
    const byId = request.idIsNew === true ? undefined : this.#runs.find(request.id)
    if (byId !== undefined) {
      if (byId.meta.workflow !== request.workflow) {
        throw new RunIdTakenError({ runId: request.id, workflow: request.workflow, takenBy: byId.meta.workflow })
      }
      return byId
    }
    if (request.deduplicationId === undefined) return undefined
    return this.#runs.findDuplicate(request.queue ?? workflow.queue, request.deduplicationId)
  }

  /** The run that this start attaches to among those started since the last commit: the store has been asked. */
  startedLately({ id, workflow, queue, deduplicationId }: StartRequest): RunState | undefined {
    return this.#runs.findStarted(id, queue ?? this.workflow(workflow).queue, deduplicationId)
  }

  /** A new run, enqueued or delayed. */
  create(request: StartRequest, { parent, forkedFrom, version, entries = [] }: Origin): NewRun {
    const workflow = this.workflow(request.workflow)
    const nowMs = this.#clock.nowMs()
    const { id, args, priority = 0, delayMs = 0, deduplicationId, queueKey, tags = {} } = request
    const queue = request.queue ?? workflow.queue
    const timeoutMs = request.timeoutMs ?? workflow.timeoutMs
    const key = this.#store.newRunKey()
    const meta: RunMeta = {
      key, id, workflow: workflow.name, args, createdAtMs: nowMs, priority, tags, version: version ?? workflow.version,
      ...(queue !== undefined && { queue }),
      ...(queueKey !== undefined && { queueKey }),
      ...(deduplicationId !== undefined && { deduplicationId }),
      ...(parent !== undefined && { parent }),
      ...(forkedFrom !== undefined && { forkedFrom }),
      ...(timeoutMs !== undefined && Number.isFinite(timeoutMs) && { timeoutMs }),
    }
    const startAtMs = delayMs > 0 ? nowMs + delayMs : undefined
    const progress: RunProgress = {
      status: startAtMs === undefined ? 'enqueued' : 'delayed',
      incarnation: 0, crashes: 0, crashesAtMs: [], processDeaths: 0, suspect: false,
      // Keys ascend, so that a key is its run's place among those of its priority.
      queuePosition: key,
      updatedAtMs: nowMs,
      ...(startAtMs !== undefined && { startAtMs }),
    }
    const state = newState(meta, progress)
    if (startAtMs === undefined) state.life = QUEUED
    this.#runs.add(state)
    state.journalLength = entries.length
    const changes: Change[] = [{ type: 'run-started', meta, progress, ...(request.idIsNew === true && { idIsNew: true }) }]
    for (const [position, entry] of entries.entries()) changes.push({ type: 'entry-appended', key, position, entry })
    if (startAtMs !== undefined) changes.push({ type: 'timer-set', key, slot: TIMER_SLOT.start, dueAtMs: startAtMs })
    return { state, changes, startAtMs }
  }
}
