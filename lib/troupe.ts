/** The composition root: the door a host comes in by. */
import type { Encoded } from './codec/encoded.ts'
import { encodeValue } from './codec/value.ts'
import { resolveFilter } from './client/filter.ts'
import type { RunFilter } from './client/filter.ts'
import { RunHandle } from './client/handle.ts'
import { runInfo } from './client/info.ts'
import type { RunInfo } from './client/info.ts'
import { openThreadLink } from './client/link.ts'
import type { OpenLink } from './client/link.ts'
import { checkFolder, resolveCloseOptions, resolvePruneOptions, resolveStartOptions, resolveTroupeOptions } from './client/options.ts'
import type { CloseOptions, StartOptions, TroupeOptions } from './client/options.ts'
import { queueInfo, resolveQueueOptions, resolveScheduleOptions, scheduleInfo } from './client/queue-options.ts'
import type { QueueInfo, QueueOptions, ScheduleInfo, ScheduleOptions } from './client/queue-options.ts'
import { SupervisorProxy } from './client/proxy.ts'
import { UnknownWorkflowError } from './errors.ts'
import type { RunStatus } from './model/run.ts'
import { checkName, checkOptions, refuse } from './options.ts'
import type { StartRequest, SupervisorStats } from './protocol/host.ts'
import { newRunId } from './system.ts'

export interface TroupeStats extends SupervisorStats {
  /** How often the supervisor's thread died by itself and was replaced, since open(). */
  readonly supervisorDeaths: number
}

/** Runs read for one page of a listing. */
const LIST_PAGE = 200
/** Starts that are encoded in one turn of the host's loop. */
const STARTS_A_TURN = 1000

export class Troupe implements AsyncDisposable {
  readonly #proxy: SupervisorProxy

  /** @internal Use Troupe.open(). */
  constructor(proxy: SupervisorProxy) {
    this.#proxy = proxy
  }

  /**
   * Opens the store, starts the threads, checks that every workflow module loads, and recovers unfinished runs.
   * @throws InvalidOptionError, StoreInUseError, StoreFormatError, StoreUnavailableError, WorkflowModuleError
   */
  static async open(options: TroupeOptions): Promise<Troupe> {
    const { supervisor, logger } = resolveTroupeOptions(options)
    const entry = new URL('../workers/supervisor.js', import.meta.url)
    return Troupe.#connect(supervisor, openThreadLink(entry, message => { logger.error({ event: 'exit-timeout' }, message) }), logger)
  }

  /** @internal For tests: over another way to the supervisor. */
  static async openOver(options: TroupeOptions, openLink: OpenLink): Promise<Troupe> {
    const { supervisor, logger } = resolveTroupeOptions(options)
    return Troupe.#connect(supervisor, openLink, logger)
  }

  static async #connect(...connection: Parameters<typeof SupervisorProxy.open>): Promise<Troupe> {
    return new Troupe(await SupervisorProxy.open(...connection))
  }

  /**
   * Starts a run; resolves once its start is durable. With an id that a run of this workflow has, it attaches to that run.
   * `workflow` is what workflow() returned, a method decorated with it, or its name.
   * @throws UnknownWorkflowError, RunIdTakenError, UnserializableValueError, InvalidOptionError
   */
  async start<A extends unknown[], R>(workflow: ((...args: A) => R) | string, args: A, options?: StartOptions): Promise<RunHandle<Awaited<R>>> {
    const [handle] = await this.#start<A, R>(workflow, [{ args, ...(options !== undefined && { options }) }])
    return handle!
  }

  /**
   * Starts many in one commit: all or none. The handles come in the order of `runs`. Very many are read over several turns of the loop, so
   * that nothing is held up: leave them as they are until it resolves.
   */
  async startMany<A extends unknown[], R>(
    workflow: ((...args: A) => R) | string, runs: readonly { readonly args: A, readonly options?: StartOptions }[]): Promise<RunHandle<Awaited<R>>[]> {
    if (!Array.isArray(runs)) refuse('runs', 'be an array of { args, options }', runs)
    return this.#start<A, R>(workflow, runs, (run: unknown, index) => {
      if (typeof run !== 'object' || run === null) refuse(`runs[${index}]`, 'be an object { args, options }', run)
      checkOptions('startMany()', run, ['args', 'options'])
    })
  }

  async #start<A extends unknown[], R>(
    workflow: unknown, runs: readonly { readonly args: A, readonly options?: StartOptions }[], check = (_run: unknown, _index: number): void => {}): Promise<RunHandle<Awaited<R>>[]> {
    // All are looked at before any is read: what is wrong with the last one is said at once.
    for (const [index, run] of runs.entries()) check(run, index)
    const name = workflowName(workflow, this.#proxy.workflows)
    const requests: StartRequest[] = []
    for (const { args, options } of runs) {
      if (requests.length > 0 && requests.length % STARTS_A_TURN === 0) await nextTurn()
      requests.push({ ...resolveStartOptions(options, newRunId), workflow: name, args: encodeArgs(name, args) })
    }
    if (requests.length === 0) return []
    const { ids = requests.map(({ id }) => id) } = await this.#proxy.ask<'start-runs'>({ type: 'start-runs', runs: requests })
    return ids.map(id => new RunHandle<Awaited<R>>(this.#proxy, id))
  }

  /** @throws UnknownRunError when there is none */
  async get<R = unknown>(id: string): Promise<RunHandle<R>> {
    await this.#proxy.ask<'find-run'>({ type: 'find-run', id: checkName('id', id) })
    return new RunHandle<R>(this.#proxy, id)
  }

  /** Runs by creation, read a page at a time as they are consumed; right while runs come and go. */
  async *list(filter?: RunFilter): AsyncGenerator<RunInfo, void, undefined> {
    const { query, limit, values } = resolveFilter(filter)
    let left = limit
    for (let after: string | undefined; left > 0;) {
      const page = await this.#proxy.ask<'list-runs'>({ type: 'list-runs', query, after, limit: Math.min(left, LIST_PAGE), values })
      for (const run of page.runs) yield runInfo(run)
      left -= page.runs.length
      if (page.next === undefined) return
      after = page.next
    }
  }

  /** How many runs the filter selects; its limit, if any, bounds the count. */
  async count(filter?: RunFilter): Promise<number> {
    const { query, limit } = resolveFilter(filter)
    return Math.min(limit, await this.#proxy.ask<'count-runs'>({ type: 'count-runs', query }))
  }

  /** Sets a queue's bounds, at once and durably; {} takes them away. Runs that are at work go on. */
  async setQueue(name: string, options: QueueOptions): Promise<void> {
    await this.#proxy.ask<'set-queue'>({ type: 'set-queue', name: checkName('name', name), bounds: resolveQueueOptions(options) })
  }

  /** Queues that have bounds, or runs at work. */
  async listQueues(): Promise<readonly QueueInfo[]> {
    return (await this.#proxy.ask<'list-queues'>({ type: 'list-queues' })).map(queueInfo)
  }

  /**
   * Starts a run of a workflow at each occurrence; durable until set again or removed. Each is one run, with the id
   * `<name>@<time in ISO 8601>`, over restarts too.
   * @throws InvalidOptionError, UnknownWorkflowError, UnserializableValueError
   */
  async setSchedule<A extends unknown[]>(name: string, workflow: ((...args: A) => unknown) | string, args: A, options: ScheduleOptions): Promise<void> {
    const of = workflowName(workflow, this.#proxy.workflows)
    const schedule = {
      name: checkName('name', name), workflow: of, args: encodeArgs(of, args), ...resolveScheduleOptions(options),
    }
    await this.#proxy.ask<'set-schedule'>({ type: 'set-schedule', schedule })
  }

  /** Runs it has started go on. There need not be such a schedule. */
  async removeSchedule(name: string): Promise<void> {
    await this.#proxy.ask<'remove-schedule'>({ type: 'remove-schedule', name: checkName('name', name) })
  }

  /** All schedules, by name, with the time of the next occurrence. */
  async listSchedules(): Promise<readonly ScheduleInfo[]> {
    return (await this.#proxy.ask<'list-schedules'>({ type: 'list-schedules' })).map(scheduleInfo)
  }

  /**
   * Deletes finished runs older than this, in small commits; children go with their parents, and not before them.
   * `status`: only these (default: all four finished ones).
   */
  async prune(options: { readonly finishedBefore: Date, readonly status?: readonly RunStatus[] }): Promise<{ readonly runs: number }> {
    const { finishedBeforeMs, statuses } = resolvePruneOptions(options)
    return this.#proxy.ask<'prune-runs'>({ type: 'prune-runs', finishedBeforeMs, statuses })
  }

  /**
   * A consistent copy of the store while it is in use, in a folder that is made if absent and must be empty. It holds
   * everything acknowledged before the call.
   */
  async backup(folder: string): Promise<void> {
    await this.#proxy.ask<'backup-store'>({ type: 'backup-store', folder: checkFolder('folder', folder) })
  }

  /** What it holds now: runs by status, actors and load by thread, commits, retries, respawns, deaths of the supervisor, event-loop delay. */
  async stats(): Promise<TroupeStats> {
    const stats = await this.#proxy.ask<'read-stats'>({ type: 'read-stats' })
    return { ...stats, supervisorDeaths: this.#proxy.supervisorDeaths }
  }

  /** Ends this Troupe; a result() that still waits rejects with TroupeClosedError. Further calls wait for the first. */
  async close(options?: CloseOptions): Promise<void> {
    const { mode, timeoutMs } = resolveCloseOptions(options)
    await this.#proxy.close(mode, timeoutMs)
  }

  /** An open Troupe keeps the process alive until close(); after unref() it does not. */
  unref(): this {
    this.#proxy.setRef(false)
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

function nextTurn(): Promise<void> {
  return new Promise(resolve => { setImmediate(resolve) })
}

function workflowName(workflow: unknown, known: readonly string[]): string {
  if (typeof workflow === 'string') return workflow
  const name = typeof workflow === 'function' ? (workflow as { readonly workflowName?: unknown }).workflowName : undefined
  if (typeof name === 'string') return name
  const received = typeof workflow === 'function' ? `${workflow.name === '' ? 'an anonymous function' : `function ${workflow.name}`} (not made by workflow())` : String(workflow)
  throw new UnknownWorkflowError({ workflow: received, known })
}

function encodeArgs(workflow: string, args: unknown): Encoded {
  if (!Array.isArray(args)) refuse('args', 'be the array of arguments', args)
  return encodeValue(args, () => ({ what: `the arguments of workflow "${workflow}"`, root: 'args' }))
}
