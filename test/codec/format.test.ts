import assert from 'node:assert/strict'
import { types } from 'node:util'
import v8 from 'node:v8'
import fc from 'fast-check'
import t from 'tap'
import { decodeError, encodeError } from '../../lib/codec/error.ts'
import { decodeValue, encodeValue } from '../../lib/codec/value.ts'

const seed = Date.now() % 2 ** 31
t.comment(`fast-check seed: ${seed}`)
fc.configureGlobal({ seed, numRuns: 300 })

const owner = { what: 'the result', root: 'result' }

/** A field that keeps a value from being a small tree, which v8 has no part in. */
const V8_ONLY = { date: new Date(0) }

/** Stored by the first version of this format, on Node 20 and on Node 24 alike. */
const STORED = {
  graph: 'EP8PbyIEdGV4dGMG6QA92ADeIgRsaXN0QQZJAk4AAAAAAAAAgE4AAAAAAAD4P18wVCQABiIDbWFwOyIBa28iAW5aEAEAAAAAAAAAewE6AiIDc2V0J14DLAEiBGRhdGVEAAAAAAAAAAAiBnJlZ2V4cFIiAmErA3sG',
  hosts: 'EQACBQABAAUQAAEAEAIBAAAFCwEAAmhlbGxvAAAAAAAA8D8YLURU+yEJQP8PbyIEZGF0YVwAIgdudW1iZXJzXAF7Ag==',
  bare: 'EgADBQABAAUQAAEAEAMAAQADAwEAAAULAQACAAJoZWxsbwAAAAAAAPA/GC1EVPshCUABAgP/D0EDbyIEZGF0YVwAIgdudW1iZXJzXAEiBGJhcmVvIgFiSQJ7ASIGYnVmZmVyXAJ7BEEBXgQkAAFBACQAACQAAw==',
  tree: 'CgUIdGV4dAgMw6nwn5iACGxpc3QLB4EHAAAAAAAAAIAHAAAAAAAA+D8BAgMECGRlZXAKAQZlZXALAQoBBmJpZwkEN2IGZmFyBegHCG5lYXIGyAE=',
  error: 'EgIBAAUKc3RhY2sBDm1lc3NhZ2UBCmNhdXNlAQhjb2RlAAhuYW1lAgIAAwpzdGFjawEObWVzc2FnZQEIbmFtZQIAAP8PQQNcAEEAJAAAQQJBBSIQVHlwZUVycm9yOiB3cm9uZyIFd3JvbmdcASIDRV9YIglUeXBlRXJyb3IkAAVBAyIRUmFuZ2VFcnJvcjogaW5uZXIiBWlubmVyIgpSYW5nZUVycm9yJAADJAACJAAD',
}

const TREE = { text: 'é\u{1f600}', list: [1, -0, 1.5, undefined, null, true, false], deep: { eep: [{ big: 123n }] }, far: 1000, near: -200 }

t.test('what earlier versions stored can be read', async t => {
  const shared = { n: 1n }
  assert.deepStrictEqual(decodeValue(Buffer.from(STORED.graph, 'base64')), {
    text: 'é\u{1f600}', list: [1, -0, 1.5, undefined, null, true], map: new Map([['k', shared]]), set: new Set([shared]), date: new Date(0), regexp: /a+/gi,
  })
  const hosts = { data: Buffer.from('hello'), numbers: new Float64Array([1, Math.PI]) }
  assert.deepStrictEqual(decodeValue(Buffer.from(STORED.hosts, 'base64')), hosts)
  assert.deepStrictEqual(decodeValue(Buffer.from(STORED.bare, 'base64')), {
    ...hosts, bare: Object.assign(Object.create(null) as object, { b: 1 }), buffer: new Uint8Array([1, 2, 3]).buffer,
  })
  assert.deepStrictEqual(decodeValue(Buffer.from(STORED.tree, 'base64')), TREE)
  assert.equal(Buffer.from(encodeValue(TREE, owner)).toString('base64'), STORED.tree)
  const error = decodeError(Buffer.from(STORED.error, 'base64'))
  t.ok(error instanceof TypeError && error.cause instanceof RangeError)
  t.match(error, { message: 'wrong', code: 'E_X', stack: 'TypeError: wrong', cause: { message: 'inner', stack: 'RangeError: inner' } })
})

t.test("plain values are v8's own data behind the format byte", async () => {
  // No invalid dates: deepStrictEqual holds two of them for different.
  const graph = fc.anything({ withBigInt: true, withBoxedValues: true, withMap: true, withSet: true, withSparseArray: true })
  const plain = fc.record({ graph, dates: fc.array(fc.date({ noInvalidDate: true })) }, { noNullPrototype: true })
  fc.assert(fc.property(plain, value => {
    assert.deepStrictEqual(v8.deserialize(encodeValue({ value, ...V8_ONLY }, owner).subarray(1)), v8.deserialize(v8.serialize({ value, ...V8_ONLY })))
  }))
})

t.test('data of a version of v8 that this one does not know is said to be that', async t => {
  const bytes = encodeValue(V8_ONLY, owner).slice()
  bytes[2] = 99
  t.throws(() => decodeValue(bytes), { name: 'StoreFormatError', message: /newer version of Node/ })
})

t.test('no error is ever handed to v8: one with a cause, written on Node 20, could not be read on Node 22', async t => {
  const written: unknown[] = []
  const original = v8.Serializer.prototype.writeValue
  v8.Serializer.prototype.writeValue = function (value: unknown) {
    written.push(value)
    return original.call(this, value)
  }
  t.teardown(() => { v8.Serializer.prototype.writeValue = original })
  const error = (): Error => new TypeError('x', { cause: new Error('cause', { cause: new AggregateError([new Error('part')], 'all') }) })
  class Holder { held = error() }
  const withError = Object.assign([1, 2, 3], { error: error() })
  const values: unknown[] = [
    error(), { deep: [{ error: error() }] }, new Map([[error(), error()]]), new Set([error()]), new Holder(), withError,
    Object.assign(Array.from({ length: 200 }, (_, i) => i), { error: error() }), Object.assign(Object.create(null) as object, { error: error() }),
    { get error() { return error() } }, Object.setPrototypeOf(error(), Object.prototype), Object.setPrototypeOf(error(), null), Object.setPrototypeOf(error(), Holder.prototype),
    { late: Array.from({ length: 2000 }, (_, i) => i === 1999 ? { error: error() } : { i }) }, Object.assign([], { 1: error() }), new DOMException('x', 'AbortError'),
  ]
  for (const value of values) {
    decodeValue(encodeValue({ value }, owner))
    decodeError(encodeError(value))
  }
  t.ok(written.length >= values.length * 2)
  t.strictSame([...reachable(written)].filter(part => types.isNativeError(part) || part instanceof DOMException), [])
})

/** Every object v8 meets on its way through these. */
function reachable(roots: readonly unknown[]): Set<object> {
  const found = new Set<object>()
  const open: unknown[] = [...roots]
  while (open.length > 0) {
    const value = open.pop()
    if (typeof value !== 'object' || value === null || found.has(value)) continue
    found.add(value)
    if (value instanceof Map) open.push(...value.keys(), ...value.values())
    else if (value instanceof Set) open.push(...value)
    else if (!ArrayBuffer.isView(value)) open.push(...Object.values(value))
  }
  return found
}
