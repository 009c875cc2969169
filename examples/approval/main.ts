/**
 * Asks for the approval of an expense, and waits until somebody decides or the deadline is over.
 *
 *   node dist/examples/approval/main.js [FOLDER] [DEADLINE-SECONDS]
 *
 * Decide with the second command, in another terminal, also while this one is not running:
 *
 *   node dist/examples/approval/decide.js FOLDER RUN-ID yes|no NAME
 */
import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Troupe, UnknownRunError, type RunHandle } from 'troupe'
import { read, type OpenLetter } from './inbox.ts'
import { approveExpense, DECISIONS, type Verdict } from './workflows.ts'

const folder = resolve(process.argv[2] ?? 'approval-output')
const deadlineSeconds = Number(process.argv[3] ?? 4)
const inbox = join(folder, 'inbox')
mkdirSync(folder, { recursive: true })

await using troupe = await Troupe.open({ store: join(folder, 'store'), workflows: new URL('./workflows.js', import.meta.url) })
const run = await unfinished() ?? await ask()
const deadline = await run.getEvent<Date>('deadline')
console.log(`${run.id} is to be decided by ${deadline?.toISOString() ?? 'nobody'}:`)
console.log(`  node dist/examples/approval/decide.js ${folder} ${run.id} yes NAME`)

const over = new AbortController()
const delivering = deliver(over.signal)
console.log(verdictText(await run.result()))
over.abort()
await delivering

/** One that an earlier start of this program asked for. */
async function unfinished(): Promise<RunHandle<Verdict> | undefined> {
  const filter = { workflow: approveExpense.workflowName, status: ['delayed', 'enqueued', 'running', 'waiting'], limit: 1 } as const
  for await (const { id } of troupe.list(filter)) return await troupe.get<Verdict>(id)
  return undefined
}

async function ask(): Promise<RunHandle<Verdict>> {
  const number = await troupe.count({ workflow: approveExpense.workflowName }) + 1
  const expense = { what: 'a coffee machine', cents: 49_900, deadlineSeconds, letters: join(folder, 'letters.txt') }
  return await troupe.start(approveExpense, [expense], { id: `expense-${number}` })
}

/** Takes decisions out of the inbox; a letter goes once its message is durable, and counts once if it is delivered twice. */
async function deliver(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    for (const letter of read(inbox)) await hand(letter)
    await delay(50)
  }
}

async function hand({ runId, decision, key, remove }: OpenLetter): Promise<void> {
  try {
    await (await troupe.get(runId)).send(decision, { topic: DECISIONS, idempotencyKey: key })
  } catch (error) {
    if (!(error instanceof UnknownRunError)) throw error
    console.log(`a decision on ${runId}, which is not known, is dropped`)
  }
  remove()
}

function verdictText(verdict: Verdict): string {
  return verdict.status === 'expired' ? 'nobody decided in time' : `${verdict.status} by ${verdict.by}`
}
