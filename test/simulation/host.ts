/** A simulated host: it asks for everything that a host may ask, waits for replies, and remembers what it was promised. */
import { decodeError } from '../../lib/codec/error.ts'
import { encodeValue } from '../../lib/codec/value.ts'
import type { Encoded } from '../../lib/codec/encoded.ts'
import { InternalError, StoreUnavailableError, TroupeError } from '../../lib/errors.ts'
import type { FinishedStatus } from '../../lib/model/run.ts'
import { toAskAgain } from '../../lib/protocol/host.ts'
import type { HostMessage, HostRequest, QueueBounds, StartRequest, SupervisorMessage } from '../../lib/protocol/host.ts'
import type { Store } from '../../lib/store/contract.ts'
import type { Chance } from '../chance.ts'
import { Programs, QUEUES, tasteOf, WORKFLOWS } from './language.ts'
import type { Schedule } from './schedule.ts'

type Asked = Exclude<HostRequest, { type: 'close-supervisor' }>

export const ROOTS = ['r0', 'r1', 'r2', 'r3', 'r4', 'r5', 'r6', 'r7']
const MOST_RUNS = 30
const FINISHED: readonly FinishedStatus[] = ['succeeded', 'failed', 'cancelled', 'quarantined']

const UNDONE_BY: { readonly [type in Asked['type']]?: Asked['type'] } = {
  'cancel-run': 'resume-run', 'set-schedule': 'remove-schedule', 'start-runs': 'prune-runs', 'fork-run': 'prune-runs',
}

/** Of each queue alone, so that a bound never becomes narrower than what is at work. */
export const QUEUE_BOUNDS: Readonly<Record<typeof QUEUES[number], QueueBounds>> = {
  narrow: { concurrency: 2 },
  keyed: { concurrency: 4, keyConcurrency: 1 },
  rated: { rate: { limit: 2, periodMs: 60_000 } },
}

export interface HostParts {
  readonly chance: Chance
  readonly schedule: Schedule
  readonly store: Store
  /** On its way to the supervisor, if there is one. */
  send(message: HostMessage): void
  wrong(problem: string): void
}

const encoded = (value: unknown): Encoded => encodeValue(value, { what: 'a value', root: 'value' })

export class SimulatedHost {
  readonly #parts: HostParts
  readonly #programs: Programs
  readonly #unanswered = new Map<number, Asked>()
  /** Runs whose start was acknowledged, and that were not pruned since. */
  readonly promised = new Set<string>()
  /** Requests that later ones may undo in the same turn: what is in the store when they are answered tells nothing. */
  readonly #undone = new Set<number>()
  #nextRequest = 1
  #nextId = 0
  #forks = 0

  constructor(parts: HostParts) {
    this.#parts = parts
    this.#programs = new Programs(parts.chance, tasteOf(parts.chance), [...ROOTS, 'nobody'])
  }

  get unanswered(): readonly Asked[] {
    return [...this.#unanswered.values()]
  }

  ask(request: Asked): void {
    const requestId = this.#nextRequest++
    for (const [id, earlier] of this.#unanswered) if (UNDONE_BY[earlier.type] === request.type) this.#undone.add(id)
    this.#unanswered.set(requestId, request)
    this.#parts.send({ type: 'request', requestId, request })
  }

  /** A new supervisor is there: what the one before has not answered is asked again, in order. */
  askAgain(): void {
    for (const [requestId, request] of this.#unanswered) this.#parts.send({ type: 'request', requestId, request: toAskAgain(request) })
  }

  /** It died with its supervisor: whatever it had asked for may have happened or not. */
  die(): void {
    this.#unanswered.clear()
  }

  /** Asks for something by chance. */
  act(): void {
    const { chance: { pick, below } } = this.#parts
    const id = pick([...this.#ids(), 'nobody'])
    const dice = below(100)
    if (dice < 30) this.ask({ type: 'start-runs', runs: Array.from({ length: 1 + below(3) }, () => this.#startRequest()) })
    else if (dice < 36) this.ask({ type: 'cancel-run', id, graceMs: pick([0, 100, 5000]), children: below(2) === 0 })
    else if (dice < 44) this.ask({ type: 'resume-run', id })
    else if (dice < 58) {
      const idempotencyKey = below(2) === 0 ? `key ${below(5)}` : undefined
      this.ask({ type: 'send-message', id, message: encoded(`from the host ${this.#nextRequest}`), topic: pick([undefined, 'a', 'b']), idempotencyKey })
    } else if (dice < 68) this.ask({ type: 'await-outcome', id })
    else if (dice < 73) this.ask({ type: 'await-event', id, key: pick(['k', 'l']) })
    else if (dice < 78) this.ask({ type: 'read-stream', id, stream: 's', from: below(2) })
    else if (dice < 82) this.ask({ type: 'fork-run', id, beforeStep: below(6), newId: `fork ${this.#forks++}` })
    else if (dice < 84) this.#setQueue()
    else if (dice < 87) this.#schedule()
    else if (dice < 89) this.ask({ type: 'remove-schedule', name: pick(['s0', 's1']) })
    else if (dice < 91) this.ask({ type: 'prune-runs', finishedBeforeMs: this.#parts.schedule.nowMs - pick([0, 60_000]), statuses: pick([FINISHED, ['succeeded']]) })
    else this.#read(id)
  }

  #read(id: string): void {
    const { pick, below } = this.#parts.chance
    this.ask(pick<Asked>([
      { type: 'find-run', id }, { type: 'read-run', id }, { type: 'read-steps', id, fromPosition: 0 }, { type: 'read-stats' }, { type: 'list-queues' },
      { type: 'list-schedules' }, { type: 'count-runs', query: { order: 'oldest-first' } },
      { type: 'list-runs', query: { order: 'newest-first' }, after: undefined, limit: 1 + below(20), values: below(2) === 0 },
    ]))
  }

  #ids(): string[] {
    return this.#parts.store.listRuns({ order: 'oldest-first' }, { limit: 1e6, values: false }).runs.map(({ meta }) => meta.id)
  }

  #startRequest(): StartRequest {
    const { pick, below } = this.#parts.chance
    const isFull = this.#ids().length >= MOST_RUNS
    const newId = isFull || below(3) !== 0 ? undefined : `x${this.#nextId++}-${below(1e6)}`
    const id = newId ?? (isFull ? pick(this.#ids()) : pick(ROOTS))
    const queue = below(3) === 0 ? pick(QUEUES) : undefined
    return {
      id, ...(newId !== undefined && { idIsNew: true }), workflow: below(40) === 0 ? 'unheard of' : pick(WORKFLOWS), args: encoded(below(25) === 0 ? [[]] : [this.#programs.program(2)]),
      ...(queue !== undefined && { queue }), ...(queue === 'keyed' && { queueKey: pick(['x', 'y']) }),
      ...(below(3) === 0 && { priority: below(3) }), ...(below(5) === 0 && { delayMs: pick([1, 1000, 3_600_000]) }),
      ...(below(6) === 0 && { timeoutMs: pick([10, 5000, 3_600_000]) }), ...(below(8) === 0 && { deduplicationId: pick(['d', 'e']) }),
      ...(below(4) === 0 && { tags: { colour: pick(['red', 'green']) } }),
    }
  }

  #setQueue(): void {
    const name = this.#parts.chance.pick(QUEUES)
    this.ask({ type: 'set-queue', name, bounds: QUEUE_BOUNDS[name] })
  }

  #schedule(): void {
    const { pick, below } = this.#parts.chance
    this.ask({ type: 'set-schedule', schedule: {
      name: pick(['s0', 's1']), workflow: pick(['plain', 'checked']), args: encoded([this.#programs.program(0, 2)]), missed: pick(['skip', 'last', 'all']),
      ...(below(2) === 0 ? { everyMs: pick([3_600_000, 86_400_000]) } : { cron: '0 3 * * *', timezone: 'UTC' }),
    } })
  }

  // ---- what it is told -------------------------------------------------------------------------------------------

  /** At the moment at which the supervisor says it, all of it must be durable (I1, G8). */
  overhear(message: SupervisorMessage): void {
    const request = 'requestId' in message ? this.#unanswered.get(message.requestId) : undefined
    if (message.type === 'refusal') this.#checkRefusal(message.error, request)
    if (message.type !== 'reply' || request === undefined) return
    if (this.#undone.has(message.requestId)) return
    for (const problem of undurable(request, message.value, this.#parts.store)) this.#parts.wrong(`${request.type} was acknowledged, but ${problem} (G8)`)
  }

  received(message: SupervisorMessage): void {
    if (message.type !== 'reply' && message.type !== 'refusal') return
    const request = this.#unanswered.get(message.requestId)
    this.#unanswered.delete(message.requestId)
    // Pruned by another request since it was said: the store knows.
    if (message.type === 'refusal' || request?.type !== 'start-runs') return
    for (const id of startedIds(request, message.value)) if (this.#parts.store.findRun(id) !== undefined) this.promised.add(id)
  }

  #checkRefusal(bytes: Encoded, request: Asked | undefined): void {
    const error = decodeError(bytes)
    if (!(error instanceof TroupeError) || error instanceof InternalError || error instanceof StoreUnavailableError) {
      this.#parts.wrong(`${request?.type ?? 'something'} was refused with ${String(error)} (G9)`)
    }
  }
}

function startedIds(request: Asked & { readonly type: 'start-runs' }, value: unknown): readonly string[] {
  return (value as { readonly ids?: readonly string[] }).ids ?? request.runs.map(({ id }) => id)
}

/** What an acknowledgement promises and the store does not have. */
function undurable(request: Asked, value: unknown, store: Store): string[] {
  const isKnown = (id: string): string[] => store.findRun(id) === undefined ? [`run ${id} is not in the store`] : []
  if (request.type === 'start-runs') return startedIds(request, value).flatMap(isKnown)
  if (request.type === 'fork-run') return isKnown(request.newId)
  if (request.type === 'set-queue') return store.settings('queue').some(({ name }) => name === request.name) ? [] : ['the queue is not in the store']
  if (request.type === 'set-schedule') {
    return store.settings('schedule').some(({ name }) => name === request.schedule.name) ? [] : ['the schedule is not in the store']
  }
  const key = 'id' in request ? store.findRun(request.id) : undefined
  if (request.type === 'await-outcome') {
    const outcome = key === undefined ? undefined : store.readOutcome(key)
    return outcome !== undefined && Buffer.compare(outcome.value, (value as { readonly value: Uint8Array }).value) === 0 ? [] : ['its outcome in the store is another']
  }
  if (key === undefined) return []
  if (request.type === 'cancel-run') {
    const { finishedAtMs, ending } = store.loadRun(key)!.progress
    return finishedAtMs !== undefined || ending !== undefined ? [] : ['the run goes on']
  }
  if (request.type !== 'send-message' || request.idempotencyKey === undefined) return []
  return store.hasMessageKey(key, request.idempotencyKey) ? [] : ['its idempotency key is not known']
}
