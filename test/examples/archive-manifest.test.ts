import t from 'tap'
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ArchiveError } from '../../examples/archive/failures.ts'
import { manifestFile } from '../../examples/archive/layout.ts'
import { formatManifest, generationsOf, parseManifest, publishManifest, readManifest, type Entry, type Manifest } from '../../examples/archive/manifest.ts'

const hash = 'ab'.repeat(32)
const top: Entry = { type: 'folder', path: '.', mode: 0o755, mtimeNs: '1' }
const entries: Entry[] = [
  { type: 'file', path: 'd/a\nb', mode: 0o644, mtimeNs: '1700000000123456789', size: 3, hash },
  { type: 'folder', path: 'd', mode: 0o700, mtimeNs: '-5' },
  { type: 'link', path: 'l', target: '../else\udcff', mtimeNs: '0' },
  top
]
const manifest: Manifest = { folder: '/some/where', entries, problems: [{ path: 'gone', reason: 'it is not there (any more)' }] }

/** A manifest whose text is whole, so that only what it says can be refused. */
function sealed(some: readonly object[]): string {
  const body = `{"format":"troupe-archive","version":1,"folder":"/x",\n"entries":${JSON.stringify(some)},\n"problems":[],\n`
  return `${body}"sha256":"${createHash('sha256').update(body).digest('hex')}"}\n`
}

t.test('a manifest comes back as it was written, ordered, whatever the order it was made in', async t => {
  const text = formatManifest(manifest)
  t.same(parseManifest(text).entries.map(entry => entry.path), ['.', 'd', 'd/a\nb', 'l'])
  t.same(parseManifest(text).problems, manifest.problems)
  t.equal(formatManifest({ ...manifest, entries: entries.toReversed() }), text)
  t.equal(text.split('\n').length, 12, 'an entry a line')
})

t.test('a changed byte anywhere is found', async t => {
  const text = formatManifest(manifest)
  for (let at = 0; at < text.length - 1; at += 1) {
    const changed = `${text.slice(0, at)}${text[at] === '7' ? '8' : '7'}${text.slice(at + 1)}`
    t.throws(() => parseManifest(changed), ArchiveError, `byte ${at}`)
  }
  t.throws(() => parseManifest(text.slice(0, 100)), /not JSON/)
})

t.test('a manifest made to break out of the folder is refused', async t => {
  const file = { type: 'file', path: 'x', mode: 0o644, mtimeNs: '1', size: 1, hash }
  const bad: readonly (readonly [object[], RegExp])[] = [
    [[top, { ...file, path: '../x' }], /leads out/], [[top, { ...file, path: '/etc/passwd' }], /leads out/], [[top, { ...file, path: 'a/../../x' }], /leads out/],
    [[top, { ...file, path: 'a\0' }], /leads out/], [[top, { ...file, path: '' }], /leads out/], [[top, { ...file, path: '.' }], /leads out/],
    [[top, { type: 'link', path: 'l', target: '/etc', mtimeNs: '1' }, { ...file, path: 'l/passwd' }], /not a folder of the manifest/],
    [[top, file, { ...file, path: 'x/y' }], /not a folder/], [[top, { ...file, path: 'nowhere/y' }], /not a folder/], [[top, file, file], /twice/],
    [[top, { ...file, hash: '../../x' }], /not a SHA-256/], [[top, { ...file, hash: hash.toUpperCase() }], /not a SHA-256/], [[top, { ...file, size: -1 }], /size/], [[top, { ...file, mode: 0o10000 }], /mode/],
    [[top, { ...file, mtimeNs: 1 }], /mtimeNs/], [[top, { ...file, type: 'device' }], /unknown/], [[top, { type: 'link', path: 'l', target: '', mtimeNs: '1' }], /target/], [[file], /folder itself/], [[top, {}], /no path/]
  ]
  for (const [some, message] of bad) t.throws(() => parseManifest(sealed(some)), { name: 'ArchiveError', message }, JSON.stringify(some))
  t.ok(parseManifest(sealed([top, file])))
})

t.test('a foreign or newer manifest is refused as such', async t => {
  t.throws(() => parseManifest('{}'), /not the manifest/)
  t.throws(() => parseManifest('[]'), /not the manifest/)
  t.throws(() => parseManifest(formatManifest(manifest).replace('"version":1', '"version":2')), /version 2/)
  t.throws(() => readManifest(join(t.testdir({}), 'manifest.json')), /there is no such manifest/)
})

t.test('a generation is only made for a change, and publishing again has the same outcome', async t => {
  const output = t.testdir({})
  t.equal(await publishManifest(output, 1, 'one'), 'new')
  t.equal(await publishManifest(output, 1, 'one'), 'new', 'as after a crash in between')
  t.equal(await publishManifest(output, 2, 'one'), 'unchanged')
  t.same(generationsOf(output), [1])
  t.equal(await publishManifest(output, 2, 'two'), 'new')
  writeFileSync(manifestFile(output), 'damaged')
  t.equal(await publishManifest(output, 3, 'two'), 'unchanged')
  t.equal(readFileSync(manifestFile(output), 'utf8'), 'two', 'repaired')
  t.same(generationsOf(output), [1, 2])
})
