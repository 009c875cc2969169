/** What others send to a run and what it shows them: messages and their keys, events, streams. */
import type { Encoded } from '../../codec/encoded.ts'
import { Reader, Writer } from '../../codec/wire.ts'
import type { RunKey } from '../../model/run.ts'
import type { Change, MessageRow, StreamPage } from '../contract.ts'
import { isStorable } from '../names.ts'
import type { WriteBatch } from './batch.ts'
import type { Tables } from './engine.ts'
import { KeyWriter, readU48 } from './keys.ts'
import { payloadOf, seedOf } from './records.ts'

/** In the place of a position: the stream is closed. Behind all positions. */
const CLOSED = 0xffff_ffff_ffff

export type MailboxChange = Extract<Change, { type: 'event-set' | 'stream-appended' | 'stream-closed' }>

/** A row put twice is written twice, and the last one stays: this is rare within one commit. */
export function writeMailbox(batch: WriteBatch, change: MailboxChange): void {
  const { key } = batch
  switch (change.type) {
    case 'event-set':
      key.u48(change.key).utf8(change.name)
      return batch.put('events', change.value, seedOf('events', change.key))
    case 'stream-appended':
      key.u48(change.key).name(change.stream).u48(change.position)
      return batch.put('streams', change.value, seedOf('streams', change.key, change.position))
    case 'stream-closed':
      key.u48(change.key).name(change.stream).u48(CLOSED)
      return batch.putEmpty('streams')
  }
}

export function writeMessageKey(batch: WriteBatch, run: RunKey, idempotencyKey: string): void {
  batch.key.u48(run).utf8(idempotencyKey)
  batch.putEmpty('message-keys')
}

/** The payload of a message's row. */
export function messagePayload({ topic, message }: MessageRow): Uint8Array {
  const to = new Writer(message.length + 64)
  to.u8(topic === undefined ? 0 : 1)
  if (topic !== undefined) to.string(topic)
  to.raw(message)
  return to.view()
}

export function readMessages(tables: Tables, run: RunKey): MessageRow[] {
  const messages: MessageRow[] = []
  for (const { key, value } of tables.messages.getRange({ start: new KeyWriter().u48(run), end: new KeyWriter().u48(run + 1) })) {
    const sequence = readU48(key, 6)
    const from = new Reader(payloadOf(value, 'messages', run, sequence))
    const topic = from.u8() === 1 ? { topic: from.string() } : {}
    messages.push({ sequence, ...topic, message: from.raw(from.remaining) as Uint8Array as Encoded })
  }
  return messages
}

export function hasMessageKey(tables: Tables, run: RunKey, idempotencyKey: string): boolean {
  return isStorable(idempotencyKey) && tables['message-keys'].get(new KeyWriter().u48(run).utf8(idempotencyKey)) !== undefined
}

export function readEvent(tables: Tables, run: RunKey, name: string): Encoded | undefined {
  const record = isStorable(name) ? tables.events.get(new KeyWriter().u48(run).utf8(name)) : undefined
  return record && payloadOf(record, 'events', run) as Encoded
}

export function readStream(tables: Tables, run: RunKey, stream: string, fromPosition: number, limit: number): StreamPage {
  const values: Encoded[] = []
  if (!isStorable(stream)) return { values, length: 0, closed: false }
  const at = (position: number): KeyWriter => new KeyWriter().u48(run).name(stream).u48(position)
  let length = 0
  let closed = false
  // The last row has the last position, unless it says that there will be no more: then the one before it.
  for (const key of tables.streams.getKeys({ start: at(CLOSED), end: new KeyWriter().u48(run).name(stream), reverse: true, limit: 2 })) {
    const position = readU48(key, key.length - 6)
    if (position === CLOSED) closed = true
    else length = Math.max(length, position + 1)
  }
  if (limit > 0 && fromPosition < length) {
    for (const { key, value } of tables.streams.getRange({ start: at(fromPosition), end: at(CLOSED), limit })) {
      values.push(payloadOf(value, 'streams', run, readU48(key, key.length - 6)) as Encoded)
    }
  }
  return { values, length, closed }
}
