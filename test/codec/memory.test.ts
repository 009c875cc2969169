import t from 'tap'
import fc from 'fast-check'
import assert from 'node:assert/strict'
import { decodeValue, encodeValue } from '../../lib/codec/value.ts'

const seed = Date.now() % 2 ** 31
t.comment(`fast-check seed: ${seed}`)
fc.configureGlobal({ seed, numRuns: 300 })

const owner = { what: 'the result', root: 'result' }

function roundTrip<T>(value: T): T {
  return decodeValue(encodeValue(value, owner)) as T
}

t.test('every kind of view comes back as itself', async t => {
  const bytes = new Uint8Array(64).map((_, i) => i * 7).buffer
  const views = [
    new Int8Array(bytes), new Uint8Array(bytes, 3, 5), new Uint8ClampedArray(bytes, 1), new Int16Array(bytes, 2, 3), new Uint16Array(bytes, 4), new Int32Array(bytes, 4, 2),
    new Uint32Array(bytes), new Float32Array([1.5, -0, NaN]), new Float64Array(bytes, 8, 2), new BigInt64Array(bytes, 8), new BigUint64Array(bytes, 16, 1),
    Buffer.from(bytes, 5, 7), new DataView(bytes, 9, 11), new Uint8Array(0), Buffer.alloc(0),
  ]
  for (const view of views) assert.deepStrictEqual(roundTrip(view), view)
  assert.deepStrictEqual(roundTrip(views), views)
  t.ok(Buffer.isBuffer(roundTrip(Buffer.from('hello'))))
  t.notOk(Buffer.isBuffer(roundTrip(new Uint8Array(3))))
})

t.test('views that share a buffer share it again, at the same distance from each other', async t => {
  fc.assert(fc.property(fc.array(fc.tuple(fc.nat(40), fc.nat(23)), { minLength: 1, maxLength: 6 }), ranges => {
    const buffer = new Uint8Array(64).map((_, i) => i + 1).buffer
    const views = ranges.map(([from, length]) => new Uint8Array(buffer, from, length))
    const back = roundTrip(views)
    assert.deepStrictEqual(back, views)
    const first = back[0] as Uint8Array
    for (const [i, view] of back.entries()) {
      assert.equal(view.buffer, first.buffer)
      assert.equal(view.byteOffset - first.byteOffset, (views[i] as Uint8Array).byteOffset - (views[0] as Uint8Array).byteOffset)
    }
  }))
  const buffer = new ArrayBuffer(24)
  const back = roundTrip({ bytes: new Uint8Array(buffer, 3, 5), numbers: new Float64Array(buffer, 8, 2), twice: new Uint8Array(buffer, 8, 16) })
  back.numbers[0] = Math.PI
  t.equal(new DataView(back.twice.buffer, back.twice.byteOffset).getFloat64(0, true), Math.PI)
})

t.test('a buffer that is part of the value is whole, and its views keep their place in it', async t => {
  const buffer = new Uint8Array(1000).map((_, i) => i).buffer
  const back = roundTrip({ view: new Uint8Array(buffer, 100, 10), buffer })
  t.equal(back.view.buffer, back.buffer)
  t.equal(back.view.byteOffset, 100)
  t.equal(back.buffer.byteLength, 1000)
  assert.deepStrictEqual(back.buffer, buffer)
})

t.test('a small view stores neither the rest of its buffer nor its neighbours', async t => {
  const pool = Buffer.alloc(1 << 20, 'SECRET')
  const parts = [pool.subarray(100, 110), pool.subarray(1 << 19, (1 << 19) + 10)]
  for (const part of parts) part.fill('.')
  const bytes = Buffer.from(encodeValue(parts, owner))
  t.ok(bytes.length < 100, `${bytes.length} bytes`)
  t.notOk(bytes.includes('SECRET'))
  const back = roundTrip(parts)
  assert.deepStrictEqual(back, parts)
  t.notOk(Buffer.from((back[0] as Buffer).buffer).includes('SECRET'))
  t.ok(encodeValue(Buffer.from('hi'), owner).length < 20)
  t.equal(roundTrip(Buffer.from('hi')).buffer.byteLength, 2)
})

t.test('what is decoded shares memory with nothing: writing to it changes neither the bytes nor a second decoding', async t => {
  const bytes = encodeValue({ data: Buffer.from('untouched') }, owner)
  const first = decodeValue(bytes) as { readonly data: Buffer }
  first.data.fill('x')
  t.equal((decodeValue(bytes) as { readonly data: Buffer }).data.toString(), 'untouched')
  const source = Buffer.from('before')
  const stored = encodeValue(source, owner)
  source.fill('x')
  t.equal(String(decodeValue(stored)), 'before')
})

t.test('the bytes are alone in their memory, so that they can be moved between threads', async t => {
  for (const value of [1, 'text', { a: [1] }, Buffer.from('pooled'), { big: Buffer.alloc(100_000), e: new Error('x') }]) {
    const bytes = encodeValue(value, owner)
    t.equal(bytes.constructor, Uint8Array)
    t.equal(bytes.buffer.byteLength, bytes.length)
    const moved = structuredClone(bytes, { transfer: [bytes.buffer as ArrayBuffer] })
    t.equal(bytes.length, 0)
    t.match(decodeValue(moved), value)
  }
})

t.test('sharing survives beside errors, getters and objects without a prototype', async t => {
  const buffer = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]).buffer
  const view = new Uint8Array(buffer, 2, 2)
  const bare = Object.assign(Object.create(null) as Record<string, unknown>, { view })
  const error = Object.assign(new Error('x'), { view, buffer })
  const back = roundTrip({ error, view, get again() { return view }, bare, words: new Uint16Array(buffer) })
  t.equal(back.again, back.view)
  t.equal(back.error.view, back.view)
  t.equal(back.bare.view, back.view)
  t.equal(Object.getPrototypeOf(back.bare), null)
  t.equal(back.error.buffer, back.view.buffer)
  t.equal(back.words.buffer, back.view.buffer)
  assert.deepStrictEqual(back.error.buffer, buffer)
  const twice = roundTrip([bare, bare, view])
  t.equal(twice[0], twice[1])
  t.equal((twice[0] as typeof bare).view, twice[2])
})

t.test('a detached buffer is refused; a resizable one stays resizable', async t => {
  const buffer = new ArrayBuffer(8)
  const view = new Uint8Array(buffer)
  structuredClone(buffer, { transfer: [buffer] })
  t.throws(() => encodeValue({ buffer }, owner), { path: 'result.buffer', message: /transferred/ })
  t.throws(() => encodeValue({ view }, owner), { path: 'result.view', message: /transferred/ })
  const Resizable = ArrayBuffer as new (length: number, options: { readonly maxByteLength: number }) => ArrayBuffer
  const back = roundTrip(new Resizable(8, { maxByteLength: 64 })) as ArrayBuffer & { readonly maxByteLength: number }
  t.equal(back.byteLength, 8)
  t.equal(back.maxByteLength, 64)
})

t.test('100 MB go through', async t => {
  const big = Buffer.alloc(100_000_000)
  big.writeDoubleLE(Math.PI, 99_999_000)
  const back = roundTrip({ big }).big
  t.equal(back.length, big.length)
  t.equal(back.readDoubleLE(99_999_000), Math.PI)
  t.ok(back.equals(big))
})
