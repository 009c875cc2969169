import t from 'tap'
import { appendFileSync, chmodSync, existsSync, linkSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cutIntoParts, fingerprintOf, publish, readPart, storeContents, writeOutcomes, writePlan, type Archived, type Outcome, type StartedJob } from '../../examples/archive/archiving.ts'
import { codeOf, reasonOf } from '../../examples/archive/failures.ts'
import { bytesFromName, pathBelow } from '../../examples/archive/file-names.ts'
import { inLanes } from '../../examples/archive/lanes.ts'
import { manifestFile, objectFile, objectsFolder, workFolder } from '../../examples/archive/layout.ts'
import { readManifest } from '../../examples/archive/manifest.ts'
import { checkObjects, nameDamage, planVerification } from '../../examples/archive/verifying.ts'
import { listFolder } from '../../examples/archive/walking.ts'
import { system } from './archive-program.ts'

const isRoot = process.getuid?.() === 0

/** A job on the folder `in` of a new test folder, with the archive in `out`. */
function makeJob(top: string): StartedJob {
  const job = { folder: join(top, 'in'), output: join(top, 'out'), quality: 1, key: 'job', startedAtMs: Date.now() - 1000 }
  mkdirSync(job.folder, { recursive: true })
  mkdirSync(workFolder(job.output), { recursive: true })
  mkdirSync(objectsFolder(job.output), { recursive: true })
  return job
}

async function archiveOne(job: StartedJob, path: string): Promise<Archived> {
  const outcome = await storeContents(job, { path, expected: await fingerprintOf(job, path), round: 'first' })
  if (outcome === 'unsettled') throw new Error(`${path} is unsettled`)
  return outcome
}

/** All the steps of an archive run in a row, without runs. */
async function archiveAll(job: StartedJob): ReturnType<typeof publish> {
  const plan = await writePlan(job, () => {})
  for (let part = 0; part < plan.parts; part += 1) {
    const outcomes: Outcome[] = []
    for (const { path } of readPart(job, part)) {
      try {
        outcomes.push(await archiveOne(job, path))
      } catch (error) {
        outcomes.push({ status: 'not-archived', path, reason: reasonOf(error) })
      }
    }
    await writeOutcomes(job, part, outcomes)
  }
  return await publish(job, plan, [])
}

t.test('a folder is listed with hard names, links, empty folders, and without the archive itself', async t => {
  const top = t.testdir({ in: { 'a.txt': 'a', 'new\nline': 'b', empty: {}, deep: { er: { 'ü日': 'c' } }, out: { 'not me': 'x' } } })
  writeFileSync(pathBelow(join(top, 'in'), 'bad\udcff'), 'd')
  symlinkSync('nowhere', join(top, 'in', 'dangling'))
  symlinkSync('.', join(top, 'in', 'deep', 'loop'))
  system('mkfifo', join(top, 'in', 'pipe'))
  const listing = listFolder(join(top, 'in'), join(top, 'in', 'out'))
  t.same(listing.files.map(file => file.path).sort(), ['a.txt', 'bad\udcff', 'deep/er/ü日', 'new\nline'])
  t.same(listing.others.map(entry => `${entry.type} ${entry.path}`).sort(), ['folder .', 'folder deep', 'folder deep/er', 'folder empty', 'link dangling', 'link deep/loop'])
  t.same(listing.problems, [{ path: 'pipe', reason: 'a pipe cannot be archived' }])
})

t.test('a folder that cannot be listed is a problem by name; the top one is an error', async t => {
  t.throws(() => listFolder(join(t.testdir({}), 'gone'), '/nowhere'), { code: 'ENOENT' })
  if (isRoot) return t.comment('root reads everything: the rest needs another user')
  const top = t.testdir({ secret: { file: 'x' }, open: 'y' })
  chmodSync(join(top, 'secret'), 0)
  const listing = listFolder(top, '/nowhere')
  chmodSync(join(top, 'secret'), 0o700) // so that it can be removed
  t.match(listing.problems, [{ path: 'secret', reason: /permission denied/ }])
  t.same(listing.files, [{ path: 'open', size: 1 }])
})

t.test('parts are bounded, large files come first, and none is lost', async t => {
  const files = Array.from({ length: 450 }, (_, index) => ({ path: `f${index}`, size: index === 300 ? 5_000_000 : index === 440 ? 9_000_000 : index }))
  const parts = cutIntoParts(files)
  t.same(parts.map(part => part.length), [200, 200, 50])
  t.same(parts[0]?.slice(0, 3).map(file => file.path), ['f440', 'f300', 'f0'])
  t.equal(new Set(parts.flat().map(file => file.path)).size, 450)
  t.same(cutIntoParts([]), [])
})

t.test('only a regular file is opened, and opening never waits', async t => {
  const job = makeJob(t.testdir({}))
  symlinkSync('x', join(job.folder, 'link'))
  system('mkfifo', join(job.folder, 'pipe'))
  mkdirSync(join(job.folder, 'folder'))
  await t.rejects(fingerprintOf(job, 'link'), { code: 'ELOOP' })
  await t.rejects(fingerprintOf(job, 'pipe'), { code: 'ENXIO' })
  await t.rejects(fingerprintOf(job, 'folder'), { code: 'ENXIO' })
  await t.rejects(fingerprintOf(job, 'gone'), { code: 'ENOENT' })
})

t.test('a file that changes between hash and compress is stored as it is now, and named', async t => {
  const job = makeJob(t.testdir({}))
  const file = join(job.folder, 'file')
  writeFileSync(file, 'before')
  const expected = await fingerprintOf(job, 'file')
  writeFileSync(file, 'behind')
  const outcome = await storeContents(job, { path: 'file', expected, round: 'first' })
  t.match(outcome, { status: 'archived', warning: /changed while it was archived/ })
  t.not(outcome === 'unsettled' ? '' : outcome.hash, expected.hash)
  const known = expected.hash
  t.notOk(existsSync(objectFile(job.output, known)), 'nothing is stored under a hash that is not its own')
})

t.test('the same size and time with other bytes is found as well: the hash is taken again', async t => {
  const job = makeJob(t.testdir({}))
  const file = join(job.folder, 'file')
  writeFileSync(file, 'before')
  utimesSync(file, 1000, 1000)
  const expected = await fingerprintOf(job, 'file')
  writeFileSync(file, 'behind')
  utimesSync(file, 1000, 1000)
  t.match(await storeContents(job, { path: 'file', expected, round: 'first' }), { warning: /changed/ })
})

t.test('a file that is touched but not changed is no problem', async t => {
  const job = makeJob(t.testdir({}))
  const file = join(job.folder, 'file')
  writeFileSync(file, 'text')
  const expected = await fingerprintOf(job, 'file')
  utimesSync(file, 2000, 2000)
  const outcome = await storeContents(job, { path: 'file', expected, round: 'first' })
  t.match(outcome, { status: 'archived', hash: expected.hash, mtimeNs: '2000000000000' })
  t.notOk(outcome !== 'unsettled' && outcome.warning)
})

t.test('a file that changes under the read is tried again, and in the end stored as it was read, with a warning', async t => {
  const job = makeJob(t.testdir({}))
  const file = join(job.folder, 'growing')
  writeFileSync(file, Buffer.alloc(6_000_000, 1))
  const expected = await fingerprintOf(job, 'growing')
  let left = 1
  const grow = (): void => { if (left-- > 0) appendFileSync(file, 'more') }
  t.equal(await storeContents(job, { path: 'growing', expected, round: 'first' }, undefined, grow), 'unsettled')
  t.same(readdirSync(workFolder(job.output)), [], 'and leaves nothing behind')
  t.match(await storeContents(job, { path: 'growing', expected, round: 'again' }, undefined, () => {}), { size: 6_000_004, warning: /later state/ })
  left = 1
  t.match(await storeContents(job, { path: 'growing', expected, round: 'last' }, undefined, grow), { size: 6_000_004, warning: /kept changing/ })
  left = 1
  const cut = (): void => { if (left-- > 0) truncateSync(file, 5_500_000) }
  t.equal(await storeContents(job, { path: 'growing', expected, round: 'first' }, undefined, cut), 'unsettled')
})

t.test('equal contents are one object; an object from before is reused, unless it is damaged: then it is replaced', async t => {
  const job = makeJob(t.testdir({ in: { one: 'same', two: 'same', big: 'x'.repeat(5_000_000) } }))
  const one = await archiveOne(job, 'one')
  t.match(await archiveOne(job, 'two'), { hash: one.hash, isNew: true })
  const big = await archiveOne(job, 'big')
  const later = { ...job, startedAtMs: Date.now() + 60_000 }
  t.match(await archiveOne(later, 'two'), { hash: one.hash, isNew: false })
  t.match(await archiveOne(later, 'big'), { hash: big.hash, isNew: false })
  const object = objectFile(job.output, one.hash)
  chmodSync(object, 0o600)
  writeFileSync(object, 'rubbish')
  t.match(planVerification(job.output).totals, { items: 2 })
  t.match(await checkObjects(job.output, one.hash.slice(0, 2)), { objects: 1, damaged: [{ hash: one.hash }] })
  await archiveOne(later, 'one')
  t.match(await checkObjects(job.output, one.hash.slice(0, 2)), { objects: 1, damaged: [] })
})

t.test('the same folder gives the same manifest, whatever happened to the archive before', async t => {
  const job = makeJob(t.testdir({ in: { one: 'same', two: 'same', deep: { three: '3' }, empty: {} } }))
  const first = await archiveAll(job)
  t.match(first, { generation: 1, outcome: 'new', files: 3, folders: 3, links: 0, objects: 2, bytes: 9, reusedObjects: 0, problems: 0 })
  const text = readFileSync(manifestFile(job.output), 'utf8')
  const second = await archiveAll({ ...job, startedAtMs: Date.now() + 60_000 })
  t.match(second, { generation: 1, outcome: 'unchanged', reusedObjects: 2 })
  t.equal(readFileSync(manifestFile(job.output), 'utf8'), text)
  writeFileSync(join(job.folder, 'four'), '4')
  // What was stored before this archive is older than it, also by a file system's coarse clock.
  for (const file of readdirSync(objectsFolder(job.output), { recursive: true, encoding: 'utf8' })) utimesSync(join(objectsFolder(job.output), file), 1000, 1000)
  t.match(await archiveAll({ ...job, startedAtMs: Date.now() - 1000 }), { generation: 2, outcome: 'new', files: 4, reusedObjects: 2 })
})

t.test('what vanished, changed or could not be read is named in the manifest, and the rest is archived', async t => {
  const job = makeJob(t.testdir({ in: { gone: 'x', stays: 'y', changes: 'z', vanishes: 'v' } }))
  const plan = await writePlan(job, () => {})
  const outcomes: Outcome[] = [{ status: 'not-archived', path: 'gone', reason: 'it is not there (any more)' }, await archiveOne(job, 'stays'), await archiveOne(job, 'changes'), await archiveOne(job, 'vanishes')]
  await writeOutcomes(job, 0, outcomes)
  appendFileSync(join(job.folder, 'changes'), '!')
  rmSync(join(job.folder, 'vanishes'))
  t.match(await publish(job, plan, []), { files: 3, problems: 3 })
  const { problems, entries } = readManifest(manifestFile(job.output))
  t.match(problems, [{ path: 'changes', reason: /changed after it was archived/ }, { path: 'gone', reason: /not archived: it is not there/ }, { path: 'vanishes', reason: /could not be found again/ }])
  t.same(entries.map(entry => entry.path), ['.', 'changes', 'stays', 'vanishes'])
  renameSync(job.folder, `${job.folder}-elsewhere`)
  await publish(job, { ...plan, generation: 2 }, [])
  t.match(readManifest(manifestFile(job.output)).problems[0], { path: '.', reason: /the folder .* vanished/ })
})

t.test('the files of a part whose run ended badly are named with its reason', async t => {
  const job = makeJob(t.testdir({ in: { one: '1', two: '2' } }))
  const plan = await writePlan(job, () => {})
  t.match(await publish(job, plan, [{ part: 0, reason: 'crashed' }]), { files: 0, problems: 2 })
  t.match(readManifest(manifestFile(job.output)).problems, [{ path: 'one', reason: 'not archived: crashed' }, { path: 'two', reason: 'not archived: crashed' }])
})

t.test('verification names missing and damaged objects with the files that need them, and damaged manifests', async t => {
  const job = makeJob(t.testdir({ in: { one: 'first', again: 'first', two: 'second' } }))
  await archiveAll(job)
  t.match(planVerification(job.output), { missing: [], unreadable: [], totals: { items: 2 } })
  const { entries } = readManifest(manifestFile(job.output))
  const hashOf = (path: string): string => entries.flatMap(entry => entry.type === 'file' && entry.path === path ? [entry.hash] : [])[0] ?? ''
  rmSync(objectFile(job.output, hashOf('one')))
  t.same(planVerification(job.output).missing, [hashOf('one')])
  const [problem] = nameDamage(job.output, [{ hash: hashOf('one'), reason: 'the object is missing' }])
  t.match(problem, { path: objectFile('.', hashOf('one')), reason: 'the object is missing; it is needed for again, one' })
  writeFileSync(manifestFile(job.output), '{')
  t.match(planVerification(job.output).unreadable, [{ path: manifestFile(job.output), reason: /not JSON/ }])
})

t.test('reasons are words, also for an error that a retry policy wrapped', async t => {
  const cause = Object.assign(new Error('ENOSPC: no space'), { code: 'ENOSPC' })
  t.equal(reasonOf(cause), 'no space left on the disk')
  t.equal(reasonOf(Object.assign(new Error('gave up', { cause }), { code: 'TROUPE_STEP_RETRIES_EXHAUSTED' })), 'no space left on the disk')
  t.equal(reasonOf('thrown text'), 'thrown text')
  t.equal(codeOf(new Error('none')), undefined)
})

t.test('hard links are archived as files, and an unreadable file has its reason', async t => {
  const job = makeJob(t.testdir({ in: { one: 'x' } }))
  linkSync(join(job.folder, 'one'), join(job.folder, 'two'))
  t.match(await archiveAll(job), { files: 2, objects: 1, problems: 0 })
  if (isRoot) return t.comment('root reads everything: the rest needs another user')
  chmodSync(join(job.folder, 'one'), 0)
  await t.rejects(fingerprintOf(job, 'one'), { code: 'EACCES' })
})

t.test('a name that is not UTF-8 is archived under its bytes', async t => {
  const job = makeJob(t.testdir({}))
  const name = 'bad\udcff\udc80name'
  writeFileSync(Buffer.concat([Buffer.from(`${job.folder}/`), bytesFromName(name)]), 'x')
  t.match(await archiveAll(job), { files: 1, problems: 0 })
  t.equal(readManifest(manifestFile(job.output)).entries[1]?.path, name)
})

t.test('lanes do all the work once, in order, and never more at once than there are', async t => {
  const begun: number[] = []
  let atOnce = 0
  let most = 0
  await inLanes(20, 3, async index => {
    begun.push(index)
    most = Math.max(most, atOnce += 1)
    for (let turn = 0; turn < index % 4; turn += 1) await Promise.resolve()
    atOnce -= 1
  })
  t.same(begun, Array.from({ length: 20 }, (_, index) => index))
  t.equal(most, 3)
  await inLanes(0, 3, async () => { t.fail('there is nothing to do') })
  await t.rejects(inLanes(3, 2, async () => { throw new Error('as it is') }), /as it is/)
})
