import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { Reader, Writer } from '../../lib/codec/wire.ts'
import { InternalError, StoreFormatError } from '../../lib/errors.ts'

const seed = Date.now() % 2 ** 31
t.comment(`fast-check seed: ${seed}`)
fc.configureGlobal({ seed, numRuns: 300 })

type Field =
  | { readonly type: 'u8' | 'varint' | 'f64', readonly value: number }
  | { readonly type: 'string', readonly value: string }
  | { readonly type: 'bytes', readonly value: Uint8Array }

const anyString = fc.oneof(
  fc.string({ maxLength: 80 }), fc.string({ unit: 'binary', maxLength: 80 }), fc.string({ unit: 'grapheme', maxLength: 80 }),
  fc.array(fc.integer({ min: 0xd7f0, max: 0xe010 }), { maxLength: 60 }).map(units => String.fromCharCode(...units)), // lone surrogates
)

const field: fc.Arbitrary<Field> = fc.oneof(
  fc.integer({ min: 0, max: 255 }).map(value => ({ type: 'u8', value }) as const),
  fc.oneof(fc.maxSafeNat(), fc.integer({ min: 0, max: 2 ** 30 }), fc.constantFrom(0, 127, 128, 2 ** 28 - 1, 2 ** 28, 2 ** 32, Number.MAX_SAFE_INTEGER))
    .map(value => ({ type: 'varint', value }) as const),
  fc.double().map(value => ({ type: 'f64', value }) as const),
  anyString.map(value => ({ type: 'string', value }) as const),
  fc.uint8Array({ maxLength: 300 }).map(value => ({ type: 'bytes', value }) as const),
)

function write(writer: Writer, fields: readonly Field[]): void {
  for (const item of fields) {
    if (item.type === 'string') writer.string(item.value)
    else if (item.type === 'bytes') writer.bytes(item.value)
    else writer[item.type](item.value)
  }
}

function read(bytes: Uint8Array, fields: readonly Field[]): unknown[] {
  const reader = new Reader(bytes)
  const values = fields.map(item => reader[item.type]())
  assert.equal(reader.remaining, 0)
  return values
}

t.test('any fields in any order come back as they were, from a fresh and from a used writer', async () => {
  const used = new Writer(16)
  fc.assert(fc.property(fc.array(field, { maxLength: 30 }), fields => {
    const fresh = new Writer(16)
    write(fresh, fields)
    used.reset()
    write(used, fields)
    const bytes = fresh.finish()
    assert.equal(Buffer.compare(bytes, used.finish()), 0)
    const values = read(bytes, fields)
    for (const [i, item] of fields.entries()) {
      if (item.type === 'bytes') assert.equal(Buffer.compare(values[i] as Uint8Array, item.value), 0)
      else assert.ok(Object.is(values[i], item.value), `${item.type} ${item.value}`)
    }
  }))
})

t.test('a record cut anywhere is StoreFormatError, not a wrong value', async t => {
  const writer = new Writer()
  writer.varint(300)
  writer.string('hello, world')
  writer.f64(1.5)
  writer.bytes(new Uint8Array([1, 2, 3]))
  writer.string('é'.repeat(100))
  writer.u8(7)
  const bytes = writer.finish()
  for (let length = 0; length < bytes.length; length++) {
    t.throws(() => {
      const reader = new Reader(bytes.subarray(0, length))
      reader.varint()
      reader.string()
      reader.f64()
      reader.bytes()
      reader.string()
      reader.u8()
    }, StoreFormatError, `cut to ${length} bytes`)
  }
})

t.test('a reader of a part never reads past its end, though the bytes go on', async t => {
  const writer = new Writer()
  writer.string('abc')
  writer.string('def')
  const reader = new Reader(writer.finish(), 0, 4)
  t.equal(reader.string(), 'abc')
  t.throws(() => reader.u8(), StoreFormatError)
  t.equal(new Reader(writer.finish(), 4).string(), 'def')
})

t.test('a number that no varint holds is refused when it is written, and when it is read', async t => {
  for (const value of [-1, 1.5, NaN, Infinity, 2 ** 53, -(2 ** 40)]) t.throws(() => new Writer().varint(value), InternalError, String(value))
  t.throws(() => new Reader(new Uint8Array(9).fill(0xff)).varint(), StoreFormatError)
  t.throws(() => new Reader(new Uint8Array([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f])).varint(), StoreFormatError)
})

t.test('what finish() gave is not touched by later writing, and what is read is not touched by changes to the bytes', async t => {
  const writer = new Writer()
  writer.bytes(new Uint8Array([1, 2, 3]))
  const first = writer.finish()
  writer.reset()
  writer.bytes(new Uint8Array([9, 9, 9]))
  t.strictSame([...first], [3, 1, 2, 3])
  const read = new Reader(first).bytes()
  first.fill(0)
  t.strictSame([...read], [1, 2, 3])
})

t.test('truncate() takes back the last fields', async t => {
  const writer = new Writer()
  writer.u8(1)
  const { length } = writer
  writer.string('taken back')
  writer.truncate(length)
  writer.u8(2)
  t.strictSame([...writer.finish()], [1, 2])
})

t.test('a string of megabytes goes through, and a writer gives its memory back', async t => {
  const text = 'a long line é '.repeat(200_000)
  const writer = new Writer()
  writer.string(text)
  t.ok(new Reader(writer.finish()).string() === text)
  writer.reset()
  t.ok(writer.view().buffer.byteLength <= 1 << 16)
})
