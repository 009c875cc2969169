/** How the watch speaks of who is in a thread. */
import type { Holder } from '../protocol/presence.ts'
import type { RunState } from './state.ts'

/** So many runs are named one by one. */
const NAMED_RUNS = 3

export interface Description {
  readonly words: string
  /** For the log's fields. */
  readonly fields: { readonly runId?: string, readonly step?: string, readonly index?: number, readonly attempt?: number }
  /** The same for the same code of other runs. */
  readonly kind: string
}

/** Whose code has the thread: known, or one of those that are there. */
export function describeHolder(holder: Holder | undefined, there: readonly RunState[]): Description {
  const atWork = there.filter(({ life }) => life.type === 'live' && life.mode !== 'waiting')
  const state = holder === undefined ? atWork.length === 1 ? atWork[0] : undefined : there.find(({ meta }) => meta.key === holder.key)
  if (state === undefined) return describeMany(atWork)
  const { meta: { id, workflow }, running } = state
  const index = holder === undefined ? [...running.keys()].at(-1) : holder.index
  const step = index === undefined ? undefined : running.get(index)
  if (index === undefined || step === undefined) return { words: `code of run "${id}" outside its steps`, fields: { runId: id }, kind: `${workflow}/` }
  const { name, attempt } = step
  return { words: `attempt ${attempt} of step "${name}" of run "${id}"`, fields: { runId: id, step: name, index, attempt }, kind: `${workflow}/${name}` }
}

function describeMany(states: readonly RunState[]): Description {
  if (states.length === 0) return { words: 'code of a run that has ended', fields: {}, kind: '' }
  const named = states.slice(0, NAMED_RUNS).map(({ meta, running }) => {
    const step = [...running.values()].at(-1)
    return step === undefined ? `run "${meta.id}" (outside its steps)` : `step "${step.name}" (attempt ${step.attempt}) of run "${meta.id}"`
  })
  const more = states.length - named.length
  return {
    words: `one of ${named.join(', ')}${more === 0 ? '' : ` and ${more} more`}`,
    fields: {},
    kind: [...new Set(states.map(({ meta }) => meta.workflow))].sort().join(' '),
  }
}

/** "7 other actors go on"; undefined when there is nobody else. */
export function others(count: number): string | undefined {
  return count <= 0 ? undefined : count === 1 ? '1 other actor goes on' : `${count} other actors go on`
}

export function inSeconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`
}
