/** Small trees that are written without v8 come back as v8 would have brought them, and all else is left to v8. */
import assert from 'node:assert/strict'
import { types } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { Tag } from '../../lib/codec/format.ts'
import { decodeTree, viewOfTree } from '../../lib/codec/tree.ts'
import { decodeValue, encodeValue } from '../../lib/codec/value.ts'

const seed = Date.now() % 2 ** 31
t.comment(`fast-check seed: ${seed}`)
fc.configureGlobal({ seed, numRuns: 1000 })

const owner = { what: 'the result', root: 'result' }

const leaf = fc.oneof(fc.integer(), fc.double(), fc.string({ unit: 'binary' }), fc.string({ maxLength: 100 }), fc.boolean(), fc.bigInt(), fc.constantFrom(null, undefined, -0, '\ud800'))
const tree = fc.letrec<{ tree: unknown }>(tie => ({
  tree: fc.oneof({ maxDepth: 4 }, leaf, fc.array(tie('tree'), { maxLength: 5 }), fc.dictionary(fc.string({ unit: 'grapheme', maxLength: 20 }), tie('tree'), { maxKeys: 6, noNullPrototype: true })),
})).tree

t.test('a tree that is written comes back as a structured clone of it does', async t => {
  let written = 0
  fc.assert(fc.property(fc.oneof(fc.array(tree), fc.dictionary(fc.string(), tree, { noNullPrototype: true })), value => {
    const bytes = viewOfTree(value)
    if (bytes === undefined) return
    written++
    const back = decodeTree(bytes)
    assert.deepStrictEqual(back, structuredClone(value))
    assert.deepStrictEqual(orderOf(back), orderOf(value), 'fields in their order')
  }))
  t.ok(written > 200, `${written} of them were written`)
})

function orderOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return undefined
  return Object.entries(value).map(([key, part]) => [key, orderOf(part)])
}

function argumentsOf(...given: number[]): object {
  t.equal(given.length, 2)
  return arguments
}

t.test('what is no small tree is left to v8', async t => {
  const shared = { n: 1 }
  const cycle: Record<string, unknown> = {}
  cycle['self'] = cycle
  const sparse = Object.assign([1], { 2: 3 })
  class Point { x = 1 }
  const polluted = Object.assign(Object.create({ inherited: 1 }) as object, { own: 1 })
  const nest = (depth: number): object => depth === 0 ? { leaf: 1 } : { deeper: nest(depth - 1) }
  const values: Record<string, object> = {
    shared: [shared, shared], cycle, sparse, class: new Point(), inheriting: polluted, empty: {}, 'a map that looks like an object': Object.setPrototypeOf(new Map([[1, 2]]), Object.prototype) as object,
    bare: Object.assign(Object.create(null) as object, { a: 1 }), getter: { get a() { return 1 } }, setter: { set a(_: number) {} }, proto: JSON.parse('{"__proto__": 1}') as object,
    'array with fields': Object.assign([1], { extra: 1 }), date: { at: new Date(0) }, error: Object.setPrototypeOf(new Error('x'), Object.prototype) as object,
    arguments: argumentsOf(1, 2), proxy: new Proxy({ a: 1 }, {}), 'array proxy': [new Proxy([1], {})],
    function: { f() {} }, symbol: { s: Symbol('s') }, deep: nest(20), wide: Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`f${i}`, i])), long: Array.from({ length: 200 }, () => 0),
    tagged: { [Symbol.toStringTag]: 'Tagged', a: 1 }, throwing: { get [Symbol.toStringTag](): string { throw new Error('asked') }, a: 1 },
  }
  for (const [name, value] of Object.entries(values)) t.equal(viewOfTree(value), undefined, name)
  t.ok(viewOfTree({ after: ['all', { of: 'this' }] }), 'and a tree after them is written')
  const back = decodeValue(encodeValue([shared, shared], owner)) as object[]
  t.equal(back[0], back[1], 'one object stays one')
})

t.test('what an element asks for while it is read may encode values itself', async t => {
  const inner: unknown[] = []
  const asking = Object.defineProperty([0, 2], 0, { enumerable: true, get: () => {
    inner.push(decodeValue(encodeValue({ inner: [1] }, owner)))
    return 1
  } })
  t.same(decodeValue(encodeValue(asking, owner)), [1, 2])
  t.same(inner[0], { inner: [1] })
})

t.test('damaged trees are refused or read as something else, and never end anything', async t => {
  const bytes = encodeValue({ name: 'some text', list: [1, 2, { deep: null }], number: 1.5 }, owner)
  t.equal(bytes[0], Tag.Object)
  for (let at = 0; at < bytes.length; at++) {
    for (const flip of [1, 0x80, 0xff]) {
      const damaged = bytes.slice()
      damaged[at]! ^= flip
      try {
        decodeValue(damaged)
      } catch (error) {
        if (!types.isNativeError(error) || error.name !== 'StoreFormatError') t.fail(`byte ${at} ^ ${flip}: ${String(error)}`)
      }
    }
    t.throws(() => decodeValue(bytes.subarray(0, at)), { name: 'StoreFormatError' })
  }
  const proto = encodeValue({ __prot0__: 1 }, owner).slice()
  proto[proto.indexOf('0'.charCodeAt(0))] = 'o'.charCodeAt(0)
  t.throws(() => decodeValue(proto), { name: 'StoreFormatError' })
})
