/** Decisions on a run's children. What concerns both goes between them as words, in one commit. */
import { encodeEntry } from '../codec/entry.ts'
import type { EntryOutcome } from '../codec/entry.ts'
import type { Encoded } from '../codec/encoded.ts'
import { encodeValue } from '../codec/value.ts'
import { completeOperation } from './decide-operation.ts'
import { answered } from './decide-waiting.ts'
import type { Draft, RunInput } from './decision.ts'

type Input<Type extends RunInput['type']> = RunInput & { readonly type: Type }

export function childStarted(draft: Draft, input: Input<'child-started'>): void {
  const { index, mode, childId, childKey } = input
  if (mode === 'start') {
    const value = encodeValue(childId, { what: 'the id of a child', root: 'id' })
    completeOperation(draft, index, entryOf(draft, index, { name: input.workflow, outcome: 'result', value, childId }))
    answered(draft)
    return
  }
  draft.recordWait(index, { type: 'child', name: input.workflow, startedAtMs: draft.nowMs, childId, childKey })
  draft.words.push({ type: 'to-run', key: childKey, input: { type: 'awaiter-added', awaiter: { parent: draft.key, index } } })
  answered(draft)
}

export function childFinished(draft: Draft, input: Input<'child-finished'>): void {
  const wait = draft.state.waits.get(input.index)
  if (wait?.type !== 'child' || draft.progress.ending !== undefined) return
  const { name, startedAtMs, childId } = wait
  completeOperation(draft, input.index, entryOf(draft, input.index, {
    name, startedAtMs, childId, outcome: input.outcome.type, value: input.outcome.value,
  }))
}

function entryOf(draft: Draft, index: number, facts: {
  readonly name: string, readonly outcome: EntryOutcome, readonly value: Encoded, readonly startedAtMs?: number, readonly childId?: string
}): Encoded {
  return encodeEntry({ index, kind: 'child', startedAtMs: draft.nowMs, finishedAtMs: draft.nowMs, attempts: [], ...facts })
}
