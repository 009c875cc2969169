/** Decisions on what an actor is at: spawning, at work, waiting. */
import type { Draft } from './decision.ts'

/** An actor that says anything is no longer merely waiting: if its thread or process dies now, it must live again. */
export function stirred(draft: Draft): void {
  const { life } = draft
  if (life.type !== 'live') return
  // While it is being let go its answer decides; what it is told meanwhile stays held back.
  if (life.mode === 'waiting' || life.waitsAfter !== undefined) {
    draft.life = { ...life, mode: life.mode === 'waiting' ? 'active' : life.mode, waitsAfter: undefined }
  }
  if (draft.progress.status === 'waiting') draft.set({ status: 'running' })
}

/** It listens now: what was held back is sent. */
export function release(draft: Draft): void {
  const { life } = draft
  if (life.type !== 'live') return
  draft.life = { ...life, mode: 'active', held: [] }
  for (const order of life.held) draft.tell(order)
}

/** It says that nothing of it runs. */
export function waiting(draft: Draft, heard: number): void {
  const { life } = draft
  // Something is on its way to it: it does not merely wait (I7).
  if (life.type !== 'live' || life.mode !== 'active' || heard !== life.told || draft.progress.ending !== undefined) return
  if (life.asking > 0) {
    draft.life = { ...life, waitsAfter: heard }
    return
  }
  draft.life = { ...life, mode: 'waiting' }
  draft.set({ status: 'waiting' })
}

/** It calls for a child; until that is answered it is not let go, because nothing would wake it (I7). */
export function asked(draft: Draft): void {
  stirred(draft)
  if (draft.life.type === 'live') draft.life = { ...draft.life, asking: draft.life.asking + 1 }
}

export function answered(draft: Draft): void {
  const { life } = draft
  if (life.type !== 'live' || life.asking === 0) return
  const { waitsAfter } = life
  draft.life = { ...life, asking: life.asking - 1, waitsAfter: undefined }
  if (waitsAfter !== undefined) waiting(draft, waitsAfter)
}
