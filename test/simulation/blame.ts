/** Who is charged when a thread ends: whoever was certainly alone on it, and nobody else (G6). */
import type { RunKey } from '../../lib/model/run.ts'
import type { ShellParts } from '../../lib/supervisor/shell.ts'
import type { SimulatedPool } from './pool.ts'

interface Charge {
  readonly crashes: number
  readonly attempts: number
}

function charges(parts: ShellParts): Map<RunKey, Charge> {
  const charged = new Map<RunKey, Charge>()
  for (const key of keysOf(parts)) {
    const state = parts.runs.loaded(key)
    if (state === undefined) continue
    const attempts = [...state.waits.values()].reduce((sum, wait) => sum + (wait.type === 'retry' ? wait.attempts.length : 0), 0)
    charged.set(key, { crashes: state.progress.crashesAtMs.length, attempts })
  }
  return charged
}

function keysOf(parts: ShellParts): readonly RunKey[] {
  return parts.store.listRuns({ order: 'oldest-first' }, { limit: 1e6, values: false }).runs.map(({ meta }) => meta.key)
}

interface End {
  readonly threadId: number
  readonly isDeliberate: boolean
  /** Whose attempt did not yield, and was past its time. */
  readonly timedOut: RunKey | undefined
}

/** Looks before the supervisor hears of the end; what comes back looks again after it. */
export function watchBlame(parts: ShellParts, pool: SimulatedPool, { threadId, isDeliberate, timedOut }: End): () => string[] {
  const tasks = pool.actorsOn(threadId)
  const before = charges(parts)
  return () => [...charges(parts)].flatMap(([key, after]) => {
    const earlier = before.get(key)
    const isCharged = earlier !== undefined && (after.crashes > earlier.crashes || after.attempts > earlier.attempts)
    if (!isCharged || key === timedOut || (tasks === 1 && !isDeliberate)) return []
    return [`run ${key} is charged for a thread that ${isDeliberate ? 'the supervisor ended' : `${tasks} actors shared`} (G6)`]
  })
}
