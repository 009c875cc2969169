/**
 * Envelopes on their way through a thread's port: everything of one tick in one packed buffer, because a structured clone
 * of many small objects costs several times as much. Large values are moved beside it, not copied.
 */
import { InternalError } from '../errors.ts'
import type { Encoded } from '../codec/encoded.ts'
import { Reader, Writer } from '../codec/wire.ts'
import type { RunKey } from '../model/run.ts'
import type { Envelope } from './actor.ts'

/** From this size on a value is moved (its buffer transferred) instead of packed. */
export const MOVED_FROM_BYTES = 16_384

/** What crosses the port. `moved` must be in the transfer list, as must `packed.buffer`. */
export interface Batch {
  readonly count: number
  readonly packed: Uint8Array<ArrayBuffer>
  readonly moved: readonly ArrayBuffer[]
}

/** Gathers envelopes until take() empties it. */
export class BatchWriter<Body> {
  readonly #writer = new Writer(4096)
  readonly #write: (to: BatchFields, body: Body) => void
  #fields: BatchFields
  #count = 0

  constructor(write: (to: BatchFields, body: Body) => void) {
    this.#write = write
    this.#fields = new BatchFields(this.#writer)
  }

  get count(): number {
    return this.#count
  }

  add(key: RunKey, incarnation: number, body: Body): void {
    this.#writer.varint(key)
    this.#writer.varint(incarnation)
    this.#write(this.#fields, body)
    this.#count++
  }

  take(): Batch {
    const batch = { count: this.#count, packed: this.#writer.finish(), moved: this.#fields.moved }
    this.#writer.reset()
    this.#fields = new BatchFields(this.#writer)
    this.#count = 0
    return batch
  }
}

/** The writer of one batch, which knows how to set large values aside. */
export class BatchFields {
  readonly writer: Writer
  readonly moved: ArrayBuffer[] = []

  constructor(writer: Writer) {
    this.writer = writer
  }

  /** A large one is given away: its buffer is gone here. */
  value(value: Uint8Array): void {
    // A buffer that holds more than the value is not ours to give away.
    const whole = value.byteLength === value.buffer.byteLength && value.buffer instanceof ArrayBuffer
    this.#value(value, whole ? value.buffer : undefined)
  }

  /** It stays here as well. */
  copyOf(value: Uint8Array): void {
    this.#value(value, undefined)
  }

  #value(value: Uint8Array, own: ArrayBuffer | undefined): void {
    if (value.byteLength < MOVED_FROM_BYTES) {
      this.writer.u8(0)
      this.writer.bytes(value)
      return
    }
    this.writer.u8(1)
    this.writer.varint(this.moved.length)
    // Not slice(): of a Buffer it is no copy.
    this.moved.push(own ?? new Uint8Array(value).buffer)
  }

  optionalString(value: string | undefined): void {
    this.writer.u8(value === undefined ? 0 : 1)
    if (value !== undefined) this.writer.string(value)
  }
}

export function transferListOf(batch: Batch): ArrayBuffer[] {
  return [batch.packed.buffer, ...batch.moved]
}

/** 'with-batch': a small one is not copied, and keeps the memory of its batch: for what is kept about as long as its neighbours. */
export type ReadValue = (keep?: 'with-batch') => Encoded

/** Envelopes in order, their bodies read by the side that understands them. */
export function readBatch<Body>(batch: Batch, read: (from: Reader, value: ReadValue, key: RunKey, incarnation: number) => Body): Envelope<Body>[] {
  const reader = new Reader(batch.packed)
  const value: ReadValue = keep => {
    if (reader.u8() === 0) return (keep === 'with-batch' ? reader.bytesInPlace() : reader.bytes()) as Encoded
    const moved = batch.moved[reader.varint()]
    if (moved === undefined) throw new InternalError({ problem: 'a batch lacks a value that it names' })
    return new Uint8Array(moved) as Uint8Array as Encoded
  }
  const envelopes: Envelope<Body>[] = []
  for (let i = 0; i < batch.count; i++) {
    const key = reader.varint() as RunKey
    const incarnation = reader.varint()
    envelopes.push({ key, incarnation, body: read(reader, value, key, incarnation) })
  }
  return envelopes
}
