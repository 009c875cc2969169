/** What must be true of the store after every commit, by itself: as if the process died now (I6, I7, I8). */
import { readEntryHead } from '../../lib/codec/entry.ts'
import { decodeWait } from '../../lib/codec/wait.ts'
import type { Wait } from '../../lib/codec/wait.ts'
import { isFinished } from '../../lib/model/run.ts'
import type { RunKey } from '../../lib/model/run.ts'
import type { QueueBounds } from '../../lib/protocol/host.ts'
import type { Store, StoredRun, TimerRow } from '../../lib/store/contract.ts'
import { dueAtOf, runTimers } from '../../lib/supervisor/decision.ts'

export interface Image {
  readonly runs: ReadonlyMap<RunKey, StoredRun>
  readonly timers: ReadonlyMap<RunKey, readonly TimerRow[]>
  readonly queued: ReadonlySet<RunKey>
}

export function imageOf(store: Store): Image {
  const runs = new Map<RunKey, StoredRun>()
  for (const { meta: { key } } of store.listRuns({ order: 'oldest-first' }, { limit: 1e6, values: false }).runs) runs.set(key, store.loadRun(key)!)
  const timers = new Map<RunKey, TimerRow[]>()
  for (const row of store.scanTimers(undefined, 1e6)) timers.set(row.key, [...timers.get(row.key) ?? [], row])
  return { runs, timers, queued: new Set(store.scanQueue(undefined, 1e6).map(({ key }) => key)) }
}

export function storeProblems(store: Store, image: Image): string[] {
  const problems: string[] = []
  for (const run of image.runs.values()) {
    for (const problem of problemsOf(run, store, image)) problems.push(`in the store run ${run.meta.id} (${run.meta.key}, ${run.progress.status}): ${problem}`)
  }
  for (const key of image.timers.keys()) if (!image.runs.has(key)) problems.push(`a timer is set for run ${key}, which does not exist (I6)`)
  return [...problems, ...boundProblems(store)]
}

function problemsOf(run: StoredRun, store: Store, image: Image): string[] {
  const { meta: { key }, progress } = run
  const waits = run.waits.map(({ index, wait }) => ({ index, wait: decodeWait(wait) }))
  const isOver = isFinished(progress.status)
  const problems: string[] = []
  const timers = (image.timers.get(key) ?? []).map(({ slot, dueAtMs }) => `${slot} at ${dueAtMs}`).sort().join(', ')
  const expected = isOver ? '' : [
    ...runTimers(progress).map(({ slot, dueAtMs }) => `${slot} at ${dueAtMs}`),
    ...waits.flatMap(({ index, wait }) => dueAtOf(wait) === undefined ? [] : [`${index} at ${dueAtOf(wait)}`]),
  ].sort().join(', ')
  if (timers !== expected) problems.push(`its timers are [${timers}] and should be [${expected}] (I6)`)
  if ((store.readOutcome(key) !== undefined) !== isOver) problems.push(isOver ? 'it has no outcome (I6)' : 'it has an outcome (I6)')
  if (image.queued.has(key) !== (progress.status === 'enqueued')) problems.push('its place in the queue does not follow its state (I6)')
  const indexes = store.readJournal(key, 0, Infinity).map(entry => readEntryHead(entry).index)
  if (indexes.length !== run.journalLength) problems.push(`its journal has ${indexes.length} entries, and should have ${run.journalLength} (G8)`)
  if (new Set(indexes).size < indexes.length) problems.push(`an operation is recorded twice: ${indexes.join(', ')} (G1)`)
  for (const { index } of waits) if (!isOver && indexes.includes(index)) problems.push(`operation ${index} is recorded, and is still waited for (I6)`)
  if (progress.holdsPlace === true && isOver) problems.push('it is finished, and holds a place of its queue (I6)')
  if (progress.status === 'delayed' && progress.startAtMs === undefined) problems.push('nothing will start it (I7)')
  if (progress.status === 'waiting') problems.push(...unwoken(run, waits, store, image))
  return problems
}

/** Causes that will wake a run that waits; each of its waits must have one (I7). */
export function unwoken(run: StoredRun, waits: readonly { readonly index: number, readonly wait: Wait }[], store: Store, image: Image): string[] {
  const { meta: { key }, progress } = run
  if (waits.length === 0 && progress.respawnAtMs === undefined) return ['it waits for nothing (I7)']
  return waits.flatMap(({ index, wait }) => {
    const isAwaited = (target: RunKey, event?: string): boolean => {
      const other = image.runs.get(target)
      return other !== undefined && !isFinished(other.progress.status)
        && other.awaiters.some(row => row.parent === key && row.index === index && row.event === event)
    }
    switch (wait.type) {
      case 'sleep': return [] // its timer was looked at
      case 'retry': return wait.dueAtMs === undefined && progress.respawnAtMs === undefined ? [`nobody judges the attempt of ${index} (I7)`] : []
      case 'child': return isAwaited(wait.childKey) ? [] : [`nothing will end its wait for ${wait.childId} at ${index} (I7)`]
      case 'receive': return run.messages.some(row => row.topic === wait.topic) ? [`it waits at ${index} for a message that is there (I7)`] : []
      case 'event': return isAwaited(wait.target, wait.event) && store.readEvent(wait.target, wait.event) === undefined ? []
        : [`nothing will end its wait for event ${wait.event} of run ${wait.target} at ${index} (I7)`]
    }
  })
}

export function boundsOf(store: Store): ReadonlyMap<string, QueueBounds> {
  return new Map(store.settings('queue').map(({ name, record }) => [name, JSON.parse(Buffer.from(record).toString()) as QueueBounds]))
}

/** Bounds of queues are never made narrower here while runs hold places, so that each bound holds at every moment (I8). */
function boundProblems(store: Store): string[] {
  const problems: string[] = []
  const places = store.scanPlaces(undefined, 1e6)
  for (const [name, bounds] of boundsOf(store)) {
    const taken = places.filter(({ queue }) => queue === name)
    if (taken.length > (bounds.concurrency ?? Infinity)) problems.push(`${taken.length} runs of queue ${name} are at work, and ${bounds.concurrency} may be (I8)`)
    const keys = new Map<string, number>()
    for (const { queueKey } of taken) if (queueKey !== undefined) keys.set(queueKey, (keys.get(queueKey) ?? 0) + 1)
    for (const [key, count] of keys) if (count > (bounds.keyConcurrency ?? Infinity)) problems.push(`${count} runs of key ${key} are at work in queue ${name} (I8)`)
  }
  return problems
}
