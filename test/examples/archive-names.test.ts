import t from 'tap'
import fc from 'fast-check'
import { bytesFromName, compareNames, isSafePath, nameFromBytes, parentOf, quoteName } from '../../examples/archive/file-names.ts'

t.test('any bytes become a string and come back as the same bytes', async t => {
  const anyBytes = fc.uint8Array({ minLength: 1, maxLength: 40 }).map(bytes => Buffer.from(bytes))
  fc.assert(fc.property(anyBytes, bytes => bytesFromName(nameFromBytes(bytes)).equals(bytes)))
  const nearlyText = fc.array(fc.oneof(fc.string({ unit: 'binary' }).map(text => Buffer.from(text)), fc.uint8Array({ maxLength: 3 }).map(bytes => Buffer.from(bytes)))).map(parts => Buffer.concat(parts))
  fc.assert(fc.property(nearlyText, bytes => bytesFromName(nameFromBytes(bytes)).equals(bytes)))
  t.equal(nameFromBytes(Buffer.from('grüße 日本 🎭')), 'grüße 日本 🎭')
  t.equal(nameFromBytes(Buffer.from([0x61, 0xff, 0xc3, 0x62])), 'a\udcff\udcc3b')
  t.ok(bytesFromName(nameFromBytes(Buffer.from([0xed, 0xb2, 0x80]))).equals(Buffer.from([0xed, 0xb2, 0x80])), 'a surrogate written as UTF-8 is not UTF-8')
})

t.test('a name survives JSON', async t => {
  const name = nameFromBytes(Buffer.from([0x0a, 0x22, 0xfe, 0x5c]))
  t.equal(JSON.parse(JSON.stringify(name)), name)
})

t.test('a lone surrogate that stands for no byte is refused', async t => {
  t.throws(() => bytesFromName('a\ud800'), RangeError)
})

t.test('paths that lead out, or have a second spelling, are not safe', async t => {
  for (const path of ['a', 'a/b', '..a', 'a..', '...', ' ', 'a\nb', 'a\udcffb', '-rf']) t.ok(isSafePath(path), quoteName(path))
  for (const path of ['', '.', '..', '/a', 'a/', 'a//b', 'a/../b', './a', 'a/.', '../a', 'a\0b', 'a\ud800', 'a\udcc3\udca9']) t.notOk(isSafePath(path), quoteName(path))
})

t.test('names are ordered by their bytes', async t => {
  t.same(['b', 'a', 'B', 'é', 'a/b', 'a-b'].sort(compareNames), ['B', 'a', 'a-b', 'a/b', 'b', 'é'])
  t.equal(parentOf('a'), '.')
  t.equal(parentOf('a/b/c'), 'a/b')
})

t.test('what is shown of a name cannot move the cursor or hide', async t => {
  t.equal(quoteName('plain name.txt'), 'plain name.txt')
  t.equal(quoteName('two\nlines'), '"two\\nlines"')
  t.equal(quoteName('\u001b[2J"'), '"\\x1b[2J\\""')
  t.equal(quoteName('left\u202eright'), '"left\\u{202e}right"')
  t.equal(quoteName('a\udcff'), '"a\\xff"')
  t.equal(quoteName(' '), '" "')
  fc.assert(fc.property(fc.string({ unit: 'binary' }), name => !/[\p{Cc}\p{Cf}]/u.test(quoteName(name))))
})
