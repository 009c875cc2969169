/** Makes a decision so in memory. What it changes of a run is what its changes say to the store, so that both stay equal. */
import { assertInvariant } from '../invariant.ts'
import { mayMove } from '../model/run.ts'
import type { Decision } from './decision.ts'
import type { RunState } from './state.ts'

export function evolve(state: RunState, decision: Decision): void {
  const { progress } = decision
  if (progress.status !== state.progress.status) {
    assertInvariant(mayMove(state.progress.status, progress.status), `run "${state.meta.id}" was to move from '${state.progress.status}' to '${progress.status}'`)
  }
  state.progress = progress
  state.life = decision.life
  state.journalLength = decision.journalLength
  state.awaiters = decision.awaiters
  state.outcome = decision.outcome
  state.messages = decision.messages
  for (const key of decision.messageKeys) state.messageKeys.add(key)
  for (const [name, value] of decision.events) state.events.set(name, value)
  for (const [name, head] of decision.streams) state.streams.set(name, head)
  for (const [index, wait] of decision.waits) {
    if (wait === undefined) state.waits.delete(index)
    else state.waits.set(index, wait)
  }
  for (const [index, step] of decision.running) {
    if (step === undefined) state.running.delete(index)
    else state.running.set(index, step)
  }
  if (decision.life.type !== 'live' && state.running.size > 0) state.running.clear()
}
