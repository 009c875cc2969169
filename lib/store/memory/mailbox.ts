/** What others send to a run and what it shows them. */
import type { Encoded } from '../../codec/encoded.ts'
import { InternalError } from '../../errors.ts'
import type { Change, MessageRow, StreamPage } from '../contract.ts'
import { SortedRows } from './sorted.ts'

export type MailboxChange = Extract<Change, { type: 'message-stored' | 'message-removed' | 'event-set' | 'stream-appended' | 'stream-closed' }>

interface Stream {
  readonly values: Encoded[]
  closed: boolean
}

export class Mailbox {
  readonly #messages = new SortedRows<MessageRow>((a, b) => a.sequence - b.sequence)
  readonly #messageKeys = new Set<string>()
  readonly #events = new Map<string, Encoded>()
  readonly #streams = new Map<string, Stream>()

  apply(change: MailboxChange): void {
    switch (change.type) {
      case 'message-stored':
        if (change.idempotencyKey !== undefined) this.#messageKeys.add(change.idempotencyKey)
        return this.#messages.put(change.row)
      case 'message-removed': return this.#messages.remove({ sequence: change.sequence, message: NOTHING })
      case 'event-set': this.#events.set(change.name, change.value); return
      case 'stream-appended': {
        const { values } = this.#stream(change.stream)
        if (change.position > values.length) {
          throw new InternalError({ problem: `value ${change.position} of run ${change.key} was to be appended to a stream of ${values.length}` })
        }
        values[change.position] = change.value
        return
      }
      case 'stream-closed': this.#stream(change.stream).closed = true
    }
  }

  messages(): readonly MessageRow[] {
    return [...this.#messages.rowsAfter(undefined)]
  }

  hasKey(idempotencyKey: string): boolean {
    return this.#messageKeys.has(idempotencyKey)
  }

  event(name: string): Encoded | undefined {
    return this.#events.get(name)
  }

  stream(name: string, fromPosition: number, limit: number): StreamPage {
    const stream = this.#streams.get(name)
    if (stream === undefined) return NOBODY_WROTE
    return { values: stream.values.slice(fromPosition, fromPosition + limit), length: stream.values.length, closed: stream.closed }
  }

  #stream(name: string): Stream {
    let stream = this.#streams.get(name)
    if (stream === undefined) this.#streams.set(name, stream = { values: [], closed: false })
    return stream
  }
}

const NOTHING = new Uint8Array(0) as Encoded
export const NOBODY_WROTE: StreamPage = { values: [], length: 0, closed: false }
