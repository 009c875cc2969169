/** What must be true once a simulation has come to its end: every run has its outcome, every question its answer, every message its one receiver. */
import { decodeEntry } from '../../lib/codec/entry.ts'
import type { JournalEntry } from '../../lib/codec/entry.ts'
import { decodeError } from '../../lib/codec/error.ts'
import { decodeValue } from '../../lib/codec/value.ts'
import { InternalError, NondeterminismError } from '../../lib/errors.ts'
import { isFinished } from '../../lib/model/run.ts'
import type { Store } from '../../lib/store/contract.ts'
import type { SimulatedHost } from './host.ts'
import type { Ledger } from './ledger.ts'
import { imageOf } from './store-checks.ts'

export function finalProblems({ store, host, ledger }: { readonly store: Store, readonly host: SimulatedHost, readonly ledger: Ledger }): string[] {
  const problems: string[] = []
  const received = new Map<string, number>()
  const journals = new Map<string, readonly JournalEntry[]>()
  for (const [key, { meta: { id }, progress, messages }] of imageOf(store).runs) {
    if (!isFinished(progress.status)) problems.push(`run ${id} (${key}) is ${progress.status} in the end (G2)`)
    const outcome = store.readOutcome(key)
    const error = outcome?.type === 'error' ? decodeError(outcome.value) : undefined
    if (error instanceof InternalError || error instanceof NondeterminismError) problems.push(`run ${id} (${key}) ended with ${String(error)}`)
    const entries = store.readJournal(key, 0, Infinity).map(decodeEntry)
    journals.set(id, entries)
    const texts = [...entries.filter(({ kind, outcome: of, value }) => kind === 'receive' && of === 'result' && value.length > 0).map(({ value }) => value), ...messages.map(({ message }) => message)]
    for (const text of texts.map(decodeValue)) received.set(String(text), (received.get(String(text)) ?? 0) + 1)
  }
  const isWhole = (id: string): boolean => !ledger.rewritten.has(id)
  if (ledger.rewritten.size === 0) {
    for (const [text, count] of received) if (count > 1 && ledger.sent.has(text)) problems.push(`message "${text}" was received ${count} times`)
  }
  for (const [id, entries] of journals) {
    if (!isWhole(id)) continue
    const sends = entries.filter(({ kind, outcome }) => kind === 'send' && outcome === 'result').length
    const arrived = [...received].filter(([text]) => ledger.sent.get(text) === id).length
    // A receiver whose journal was cut has forgotten what it had received.
    if (arrived > sends || (arrived < sends && ledger.rewritten.size === 0)) problems.push(`run ${id} has sent ${sends} messages, and ${arrived} have arrived`)
    const written = entries.filter(({ kind, name, outcome }) => kind === 'stream' && name === 's' && outcome === 'result').map(({ index }) => index)
    const { length } = store.readStream(store.findRun(id)!, 's', 0, 0)
    if (written.length !== length) problems.push(`run ${id} has written ${written.length} values to its stream, and it has ${length}`)
  }
  for (const request of host.unanswered) problems.push(`${request.type} was never answered: ${JSON.stringify(request)}`)
  return problems
}
