/** Runs in memory for the tests of the supervisor's parts. */
import type { RunKey } from '../../lib/model/run.ts'
import type { RunMeta, RunProgress } from '../../lib/store/contract.ts'
import { newState } from '../../lib/supervisor/state.ts'
import type { LiveActor, RunState } from '../../lib/supervisor/state.ts'
import { metaOf, progressOf } from '../store/runs.ts'

export interface RunFacts extends Partial<Omit<RunState, 'meta' | 'progress'>> {
  readonly key?: number
  readonly meta?: Partial<RunMeta>
  readonly progress?: Partial<RunProgress>
}

export function runState({ key = 1, meta, progress, ...rest }: RunFacts = {}): RunState {
  return { ...newState(metaOf(key as RunKey, meta), progressOf(progress?.status ?? 'running', progress)), ...rest }
}

export function live(mode: LiveActor['mode'], facts: Partial<LiveActor> = {}): LiveActor {
  return { type: 'live', threadId: 7, mode, told: 0, held: [], asking: 0, waitsAfter: undefined, ...facts }
}
