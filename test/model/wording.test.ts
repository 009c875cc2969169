/** Whatever is thrown can be put in words. */
import t from 'tap'
import { describeThrown, messageOf, shortError } from '../../lib/model/wording.ts'

const lost = Object.setPrototypeOf(new RangeError('lost'), null) as unknown
const hostile = new Proxy({}, { get: () => { throw new TypeError('no') }, getPrototypeOf: () => { throw new TypeError('no') } })

t.test('an error is told by its name and message, also where it has lost its prototype', async t => {
  t.equal(messageOf(new RangeError('far')), 'far')
  t.equal(describeThrown(new RangeError('far')), 'RangeError: far')
  t.equal(shortError(new RangeError('far. ')), 'RangeError: far')
  t.same([messageOf(lost), describeThrown(lost), shortError(lost)], ['lost', 'Error: lost', 'Error: lost'])
})

t.test('anything else that is thrown has words, too', async t => {
  for (const thrown of [null, undefined, 'text', Symbol('s'), 5n, {}, Object.create(null) as unknown, { toString: () => { throw new TypeError('no') } }, hostile]) {
    for (const tell of [messageOf, describeThrown, shortError]) t.type(tell(thrown), 'string')
  }
  t.equal(messageOf('text'), 'text')
  t.equal(describeThrown(Object.create(null) as unknown), '[Object: null prototype] {}')
})
