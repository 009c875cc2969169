import t, { type Test } from 'tap'
import { createHash, randomBytes } from 'node:crypto'
import { appendFileSync, chmodSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync, closeSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync } from 'node:zlib'
import { objectFile, workFolder } from '../../examples/archive/layout.ts'
import { compressObject, faultOf, findObject, unpack, type Store } from '../../examples/archive/objects.ts'
import { fingerprint, SMALL_BYTES } from '../../examples/archive/reading.ts'

function makeStore(output: string): Store {
  mkdirSync(workFolder(output), { recursive: true })
  return { output, work: workFolder(output), quality: 1 }
}

async function put(store: Store, bytes: Buffer): Promise<string> {
  const path = join(store.output, 'source')
  writeFileSync(path, bytes)
  const descriptor = openSync(path, 'r')
  try {
    const pending = await compressObject(store, { descriptor, size: bytes.length })
    await pending.keep()
    return pending.hash
  } finally {
    closeSync(descriptor)
  }
}

async function contents(t: Test, output: string, hash: string): Promise<Buffer> {
  const pieces: Buffer[] = []
  t.equal(await unpack(output, hash, { write: piece => { pieces.push(Buffer.from(piece)) } }), undefined)
  return Buffer.concat(pieces)
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')
const samples = [Buffer.alloc(0), Buffer.from('x'), randomBytes(100_000), Buffer.alloc(SMALL_BYTES, 7), Buffer.concat([randomBytes(SMALL_BYTES), Buffer.alloc(5_000_000, 1)])]

t.test('contents of any size come back, under the name of their SHA-256', async t => {
  const store = makeStore(t.testdir({}))
  for (const bytes of samples) {
    const hash = await put(store, bytes)
    t.equal(hash, sha256(bytes))
    t.ok((await contents(t, store.output, hash)).equals(bytes), `${bytes.length} bytes`)
    t.equal(hash, (await fingerprint(Buffer.from(join(store.output, 'source')))).hash)
  }
  t.same(readdirSync(store.work), [], 'no temporary file is left')
})

t.test('two that store the same contents at once make one object', async t => {
  const store = makeStore(t.testdir({}))
  const bytes = randomBytes(50_000)
  const hashes = await Promise.all([put(store, bytes), put(store, bytes), put(store, bytes)])
  t.equal(new Set(hashes).size, 1)
  const [hash] = hashes
  t.same(readdirSync(join(store.output, 'objects', hash.slice(0, 2))), [`${hash.slice(2)}.br`])
  t.ok((await contents(t, store.output, hash)).equals(bytes))
})

t.test('every kind of damage to an object is found', async t => {
  const store = makeStore(t.testdir({}))
  for (const bytes of samples.slice(1)) {
    const hash = await put(store, bytes)
    const file = objectFile(store.output, hash)
    const sound = readFileSync(file)
    chmodSync(file, 0o600)
    const damage = async (what: string, change: () => void): Promise<void> => {
      writeFileSync(file, sound)
      change()
      t.type(await faultOf(store.output, hash), 'string', `${what}, ${bytes.length} bytes`)
    }
    await damage('cut short', () => truncateSync(file, sound.length - 1))
    await damage('empty', () => truncateSync(file, 0))
    await damage('longer', () => appendFileSync(file, 'x'))
    await damage('other contents', () => writeFileSync(file, brotliCompressSync(Buffer.from('other'))))
    await damage('missing', () => rmSync(file))
    const flipped = Buffer.from(sound)
    flipped[sound.length >> 1] = (flipped[sound.length >> 1] ?? 0) ^ 0x10
    await damage('a flipped bit', () => writeFileSync(file, flipped))
    writeFileSync(file, sound)
    t.equal(await faultOf(store.output, hash), undefined)
  }
})

t.test('an error of the place that is written to is not taken for damage', async t => {
  const store = makeStore(t.testdir({}))
  const hash = await put(store, Buffer.from('fine'))
  const full = Object.assign(new Error('no space'), { code: 'EIO' })
  await t.rejects(unpack(store.output, hash, { write: () => { throw full } }), full)
})

t.test('what is thrown away leaves nothing', async t => {
  const store = makeStore(t.testdir({ source: 'some text' }))
  const descriptor = openSync(join(store.output, 'source'), 'r')
  const pending = await compressObject(store, { descriptor, size: 9 })
  pending.discard()
  closeSync(descriptor)
  t.equal(findObject(store.output, pending.hash), undefined)
  t.same(readdirSync(store.work), [])
})
