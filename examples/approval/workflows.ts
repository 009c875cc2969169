import { appendFileSync } from 'node:fs'
import { now, receive, setEvent, step, workflow } from 'troupe/workflow'

/** An expense that a person has to approve before a deadline; at half time the person is reminded. */
export interface Expense {
  readonly what: string
  readonly cents: number
  readonly deadlineSeconds: number
  /** Stands for the post: letters are appended to it. */
  readonly letters: string
}

export interface Decision {
  readonly approved: boolean
  readonly by: string
}

export type Verdict =
  | { readonly status: 'approved' | 'refused', readonly by: string }
  | { readonly status: 'expired' }

export const DECISIONS = 'decisions'

const write = step(function write(letters: string, text: string) {
  appendFileSync(letters, `${text}\n`)
}, { retriesAllowed: true })

export const approveExpense = workflow(async function approveExpense(expense: Expense): Promise<Verdict> {
  const { what, cents, deadlineSeconds, letters } = expense
  await setEvent('phase', 'waiting for a decision')
  await setEvent('deadline', new Date(await now() + deadlineSeconds * 1000))
  await write(letters, `please decide: ${what} for ${cents} cents`)
  let decision = await receive<Decision>({ topic: DECISIONS, timeoutSeconds: deadlineSeconds / 2 })
  if (decision === undefined) {
    await write(letters, `a reminder: ${what} for ${cents} cents`)
    decision = await receive<Decision>({ topic: DECISIONS, timeoutSeconds: deadlineSeconds / 2 })
  }
  const verdict: Verdict = decision === undefined ? { status: 'expired' } : { status: decision.approved ? 'approved' : 'refused', by: decision.by }
  await setEvent('phase', verdict.status)
  await write(letters, verdict.status === 'expired' ? `nobody decided on ${what} in time` : `${what} was ${verdict.status} by ${verdict.by}`)
  return verdict
})
