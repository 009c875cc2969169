import assert from 'node:assert/strict'
import net from 'node:net'
import { types } from 'node:util'
import vm from 'node:vm'
import fc from 'fast-check'
import t from 'tap'
import { decodeError, encodeError, registerErrorClasses } from '../../lib/codec/error.ts'
import { decodeValue, encodeValue } from '../../lib/codec/value.ts'
import { ERROR_CODES, InvalidOptionError, NonRetryableError, RetryAfterError, StepRetriesExhaustedError, TroupeError } from '../../lib/errors.ts'

const seed = Date.now() % 2 ** 31
t.comment(`fast-check seed: ${seed}`)
fc.configureGlobal({ seed, numRuns: 300 })

class PaymentError extends Error {
  override name = 'PaymentError'
  readonly amount: number
  constructor(amount: number) {
    if (typeof amount !== 'number') throw new TypeError('the constructor must not be called by the codec')
    super(`could not pay ${amount}`)
    this.amount = amount
  }
  get isLarge(): boolean { return this.amount > 1000 }
}
class CardError extends PaymentError {
  override name = 'CardError'
}
class ParseError extends SyntaxError {
  readonly line: number
  constructor(message: string, line: number) {
    super(message)
    this.line = line
  }
}
class Unregistered extends RangeError {
  override get name(): string { return 'Unregistered' }
  limit = 5
}
registerErrorClasses(PaymentError, ParseError)

function roundTrip<T>(thrown: T): T {
  return decodeError(encodeError(thrown)) as T
}

t.test('a registered class is itself again: instanceof, fields, getters, stack, no call of its constructor', async t => {
  const error = new PaymentError(5000)
  const back = roundTrip(error)
  t.ok(back instanceof PaymentError)
  t.ok(types.isNativeError(back), 'so that logs print it as the error it is')
  t.equal(back.constructor, PaymentError)
  t.equal(back.message, 'could not pay 5000')
  t.equal(back.name, 'PaymentError')
  t.equal(back.stack, error.stack)
  t.equal(back.amount, 5000)
  t.ok(back.isLarge)
  t.strictSame(Object.keys(back), Object.keys(error))
  const parse = roundTrip(new ParseError('bad token', 7))
  t.ok(parse instanceof ParseError && parse instanceof SyntaxError)
  t.equal(parse.line, 7)
  t.equal(parse.name, 'SyntaxError')
})

t.test('an unregistered class comes back as its nearest registered or built-in ancestor, with its name', async t => {
  const card = roundTrip(new CardError(3))
  t.ok(card instanceof PaymentError)
  t.notOk(card instanceof CardError)
  t.equal(card.name, 'CardError')
  const plain = roundTrip(new Unregistered('too much'))
  t.ok(plain instanceof RangeError)
  t.notOk(plain instanceof Unregistered)
  t.match(plain, { name: 'Unregistered', message: 'too much', limit: 5 })
  t.strictSame(Object.keys(plain), ['limit'])
  t.equal(String(plain), 'Unregistered: too much')
})

t.test('built-in errors keep their type, code and hidden fields', async t => {
  for (const Class of [Error, TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError]) {
    const back = roundTrip(new Class('m', { cause: 'c' }))
    t.equal(Object.getPrototypeOf(back), Class.prototype, Class.name)
    t.match(back, { message: 'm', cause: 'c', name: Class.name })
    t.strictSame(Object.keys(back), [])
  }
  const system = await new Promise<Error>(resolve => net.connect({ port: 1, host: '127.0.0.1' }).on('error', resolve))
  t.match(roundTrip(system), { code: 'ECONNREFUSED', syscall: 'connect', errno: Number })
  const nodes = (() => { try { return Buffer.alloc('x' as unknown as number) } catch (error) { return error as TypeError } })()
  t.match(roundTrip(nodes), { code: 'ERR_INVALID_ARG_TYPE', name: 'TypeError' })
  const all = roundTrip(new AggregateError([new PaymentError(1), null, new TypeError('t')], 'several', { cause: new PaymentError(2) }))
  t.ok(all instanceof AggregateError)
  t.ok(all.errors[0] instanceof PaymentError)
  t.equal(all.errors[1], null)
  t.ok(all.errors[2] instanceof TypeError)
  t.ok(all.cause instanceof PaymentError)
  const foreign = roundTrip(vm.runInNewContext('new TypeError("from elsewhere")') as TypeError)
  t.ok(foreign instanceof TypeError)
  t.equal(foreign.message, 'from elsewhere')
})

t.test('an error without a prototype is an Error with its message', async t => {
  const lost = (): TypeError => Object.setPrototypeOf(Object.assign(new TypeError('the message', { cause: new PaymentError(1) }), { code: 'LOST' }), null) as TypeError
  const error = lost()
  const back = roundTrip(error)
  t.equal(Object.getPrototypeOf(back), Error.prototype)
  t.match(back, { name: 'Error', message: 'the message', code: 'LOST' })
  t.equal(String(back), 'Error: the message')
  t.equal(back.stack, error.stack)
  t.ok(back.cause instanceof PaymentError)
  t.strictSame(Object.keys(back), ['code'])
  t.match(roundTrip(new AggregateError([lost()], 'several', { cause: lost() })), { cause: { name: 'Error', message: 'the message' }, errors: [{ name: 'Error', message: 'the message' }] })
  const { inside } = decodeValue(encodeValue({ inside: lost() }, { what: 'the result', root: 'result' })) as { readonly inside: Error }
  t.ok(inside instanceof Error)
  t.match(inside, { name: 'Error', message: 'the message' })
  t.match(roundTrip(Object.setPrototypeOf(new Error('named', { cause: undefined }), Object.create(null) as object)), { name: 'Error', message: 'named' })
})

t.test('a DOMException is a DOMException again', async t => {
  const error = new DOMException('stopped', 'AbortError')
  const back = roundTrip(error)
  t.ok(back instanceof DOMException && back instanceof Error)
  t.match(back, { name: 'AbortError', message: 'stopped', code: 20 })
  t.equal(back.stack, error.stack)
  t.match(roundTrip(AbortSignal.abort().reason as unknown), { name: 'AbortError' })
  t.match(roundTrip(new Error('outer', { cause: error })), { cause: { name: 'AbortError', code: 20 } })
  t.ok(roundTrip(Object.create(DOMException.prototype) as unknown) instanceof Error, 'an imitation without insides')
})

t.test("troupe's own errors and the errors that steer retries are registered from the start", async t => {
  const exhausted = roundTrip(new StepRetriesExhaustedError({ stepName: 'pay', attempts: 2, errors: [new PaymentError(1), new PaymentError(2)] }))
  t.ok(exhausted instanceof StepRetriesExhaustedError && exhausted instanceof TroupeError)
  t.match(exhausted, { code: 'TROUPE_STEP_RETRIES_EXHAUSTED', name: 'StepRetriesExhaustedError', stepName: 'pay', attempts: 2 })
  t.ok(exhausted.errors.every(error => error instanceof PaymentError))
  t.equal(exhausted.cause, exhausted.errors[1], 'identity within one error is kept')
  t.ok(roundTrip(new NonRetryableError('no')) instanceof NonRetryableError)
  t.equal(roundTrip(new RetryAfterError('later', { afterSeconds: 3 })).afterSeconds, 3)
  for (const { class: Class } of ERROR_CODES) {
    const back = roundTrip(Object.create(Class.prototype) as Error)
    t.ok(back instanceof Class, Class.name)
    t.equal(back.name, Class.name)
  }
})

t.test('anything can be thrown', async t => {
  for (const thrown of [null, undefined, 'text', 0, -0, 12n, true, '', { code: 1 }, [1, [2]]]) {
    assert.deepStrictEqual(roundTrip<unknown>(thrown), thrown)
  }
  t.equal(roundTrip<unknown>(function stop() {}), '[function stop]')
  t.equal(roundTrip<unknown>(Symbol('x')), '[Symbol(x)]')
  t.equal(roundTrip<unknown>(new Proxy(new Error('x'), {})), '[Proxy]')
  t.equal(roundTrip<unknown>(Promise.resolve()), '[Promise]')
  t.strictSame(roundTrip<unknown>({ status: 500, retry: () => 1, nested: { socket: new net.Socket(), n: 1 } }), {
    status: 500, retry: '[function retry]', nested: { socket: '[Socket]', n: 1 },
  })
})

t.test('hostile errors survive as far as they can be read', async t => {
  const frozen = Object.freeze(Object.assign(new TypeError('frozen'), { code: 'F' }))
  t.match(roundTrip(frozen), { message: 'frozen', code: 'F' })
  const cyclic = new Error('a')
  cyclic.cause = new Error('b', { cause: cyclic })
  const back = roundTrip(cyclic)
  t.equal((back.cause as Error).cause, back)
  const hostile = Object.defineProperties(new Error('kept'), {
    stack: { get() { throw new Error('no stack') } }, // first: V8 makes the old stack, with the name, when it is replaced
    bad: { enumerable: true, get() { throw new Error('boom') } },
    name: { enumerable: true, get() { throw new Error('no name') } },
    toString: { value() { throw new Error('no text') } },
    constructor: { get() { throw new Error('no constructor') } },
    fine: { enumerable: true, value: 1 },
  })
  t.match(roundTrip(hostile), { message: 'kept', fine: 1, bad: '[unreadable: Error: boom]' })
  const strange = Object.create(new Proxy(Error.prototype, { getPrototypeOf() { throw new Error('no prototype') } })) as unknown
  t.match(roundTrip(strange), /unreadable/)
  let chain = new Error('innermost')
  for (let i = 0; i < 100_000; i++) chain = new Error('outer', { cause: chain })
  t.equal((roundTrip(chain).cause as Error).message, 'outer')
  const buffer = new ArrayBuffer(8)
  const vanishing = { buffer, get then_gone() { return structuredClone(buffer, { transfer: [buffer] }) } }
  t.match(roundTrip<unknown>(vanishing), /unreadable/)
  const noStack = roundTrip(Object.create(PaymentError.prototype) as PaymentError)
  t.ok(noStack instanceof PaymentError)
  t.type(noStack.stack, 'string')
})

t.test('whatever is thrown, encodeError gives bytes that decodeError reads', async () => {
  const thrown = fc.letrec(tie => ({
    thing: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom<unknown>(null, undefined, () => 1, Symbol('s'), new Map(), new URL('http://a'), Promise.resolve(), new Proxy({}, {})),
      fc.anything(),
      fc.record({ name: fc.string(), message: fc.string(), cause: tie('thing'), fields: fc.dictionary(fc.string(), tie('thing')) })
        .map(({ name, message, cause, fields }) => Object.assign(new Error(message, { cause }), fields, { name })),
      fc.array(tie('thing'), { maxLength: 3 }).map(errors => new AggregateError(errors, 'several')),
    ),
  })).thing
  fc.assert(fc.property(thrown, thing => {
    const bytes = encodeError(thing)
    const back = decodeError(bytes)
    // A field called "__proto__" may have given an error another prototype: it is one all the same, but for none at all.
    const isError = types.isNativeError(thing) ? Object.getPrototypeOf(thing) !== null : thing instanceof Error && !types.isProxy(thing)
    assert.equal(back instanceof Error, isError)
    if (thing instanceof Error) assert.equal((back as Error).message, thing.message)
    assert.deepStrictEqual(decodeError(encodeError(back)), back, 'what was described once is not described again')
  }), { examples: [[Object.setPrototypeOf(new Error('of a map'), Map.prototype)]] })
})

t.test('errors inside values keep their class and identity, wherever they are', async t => {
  const error = new PaymentError(1)
  const value = { list: [error, { again: error }], map: new Map([[error, new TypeError('v')]]), set: new Set([error]), root: new Error('r', { cause: error }) }
  const back = decodeValue(encodeValue(value, { what: 'x', root: 'result' })) as typeof value
  const first = back.list[0] as PaymentError
  t.ok(first instanceof PaymentError)
  t.equal((back.list[1] as { again: Error }).again, first)
  t.ok(back.map.has(first))
  t.ok(back.map.get(first) instanceof TypeError)
  t.ok(back.set.has(first))
  t.equal(back.root.cause, first)
  t.ok(decodeValue(encodeValue(error, { what: 'x', root: 'result' })) instanceof PaymentError)
})

t.test('what an error may leave out, the value around it may not', async t => {
  const context = { deep: { handler: () => 1 } }
  const error = Object.assign(new Error('x'), { context })
  const owner = { what: 'the result', root: 'result' }
  t.match(decodeValue(encodeValue({ error }, owner)), { error: { context: { deep: { handler: '[function handler]' } } } })
  for (const value of [{ error, context }, { context, error }, { error, list: [context.deep] }]) {
    t.throws(() => encodeValue(value, owner), { path: value.list ? 'result.list[0].handler' : 'result.context.deep.handler', message: /is a function/ })
  }
})

t.test('registering refuses what is no error class, has no name, or takes a name; and then registers none of the list', async t => {
  class Other extends Error {}
  const Imposter = { PaymentError: class PaymentError extends Error {} }.PaymentError
  const Shadow = { TypeError: class TypeError extends Error {} }.TypeError
  const refusals = [Imposter, Shadow, class extends Error {}, class NoError {}, () => 1, null, 'PaymentError'] as unknown as readonly (typeof PaymentError)[]
  for (const refused of refusals) {
    t.throws(() => registerErrorClasses(Other, refused), InvalidOptionError)
    t.notOk(roundTrip(new Other('x')) instanceof Other)
  }
  t.doesNotThrow(() => registerErrorClasses(PaymentError, TypeError), 'again, or built in')
  registerErrorClasses(Other)
  t.ok(roundTrip(new Other('x')) instanceof Other)
})

t.test('bytes that name a class this thread has not registered are read as the built-in ancestor with the name', async t => {
  const bytes = Buffer.from(encodeError(new PaymentError(9)))
  const at = bytes.indexOf('PaymentError')
  bytes.write('Paymen_Error', at) // the class in the record; the field `name` comes later
  const back = decodeError(bytes) as PaymentError
  t.notOk(back instanceof PaymentError)
  t.match(back, { name: 'PaymentError', amount: 9, message: 'could not pay 9' })
})
