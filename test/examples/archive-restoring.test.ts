import t from 'tap'
import fc from 'fast-check'
import { chmodSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, symlinkSync, utimesSync, lutimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fingerprintOf, publish, readPart, storeContents, writeOutcomes, writePlan, type Outcome, type StartedJob } from '../../examples/archive/archiving.ts'
import { pathBelow } from '../../examples/archive/file-names.ts'
import { manifestFile, objectFile, workFolder } from '../../examples/archive/layout.ts'
import { readManifest, type FileEntry } from '../../examples/archive/manifest.ts'
import { cutIntoParts, finishRestore, finishTree, planRestore, restorePart, stateOfTarget, timesOf, type RestoreJob } from '../../examples/archive/restoring.ts'

async function makeArchive(top: string): Promise<StartedJob> {
  const job = { folder: join(top, 'in'), output: join(top, 'out'), quality: 1, key: 'job', startedAtMs: 0 }
  mkdirSync(workFolder(job.output), { recursive: true })
  const plan = await writePlan(job, () => {})
  for (let part = 0; part < plan.parts; part += 1) {
    const outcomes: Outcome[] = []
    for (const { path } of readPart(job, part)) {
      const outcome = await storeContents(job, { path, expected: await fingerprintOf(job, path), round: 'last' })
      if (outcome !== 'unsettled') outcomes.push(outcome)
    }
    await writeOutcomes(job, part, outcomes)
  }
  await publish(job, plan, [])
  return job
}

function restoreJob(job: StartedJob, folder: string): RestoreJob {
  mkdirSync(join(folder, '.work-here'), { recursive: true })
  return { output: job.output, manifest: manifestFile(job.output), folder, work: '.work-here' }
}

/** All that can be seen of a tree from outside; times to the microsecond, which is what Node can set. */
function look(folder: string, path = '.'): string[] {
  const stats = lstatSync(pathBelow(folder, path), { bigint: true })
  const microseconds = stats.mtimeNs / 1000n
  const what = stats.isSymbolicLink() ? `-> ${readlinkSync(pathBelow(folder, path))}` : stats.isFile() ? readFileSync(pathBelow(folder, path)).toString('base64') : ''
  const mode = stats.isSymbolicLink() ? '' : (Number(stats.mode) & 0o7777).toString(8)
  const below = stats.isDirectory() ? readdirSync(pathBelow(folder, path)).sort().flatMap(name => look(folder, path === '.' ? name : `${path}/${name}`)) : []
  return [`${path} ${mode} ${microseconds} ${what}`, ...below]
}

t.test('a restored folder is the same: bytes, modes, times, links, empty folders', async t => {
  const top = t.testdir({ in: { a: 'text', 'new\nline': 'b', empty: {}, deep: { er: { big: Buffer.alloc(5_000_000, 3).toString() } } } })
  const inside = join(top, 'in')
  symlinkSync('../outside', join(inside, 'deep', 'link'))
  lutimesSync(join(inside, 'deep', 'link'), 1234.5, 1234.5)
  writeFileSync(join(inside, 'run.sh'), '#!/bin/sh')
  chmodSync(join(inside, 'run.sh'), 0o4751)
  chmodSync(join(inside, 'a'), 0o400)
  utimesSync(join(inside, 'a'), 981_173_106.654321, 981_173_106.654321)
  utimesSync(join(inside, 'empty'), new Date(-86_400_000), new Date(-86_400_000))
  chmodSync(join(inside, 'deep', 'er'), 0o500)
  const job = restoreJob(await makeArchive(top), join(top, 'back'))
  const plan = await planRestore(job)
  t.match(plan, { files: 4 })
  await planRestore(job)
  for (let part = 0; part < plan.parts; part += 1) t.same((await restorePart(job, part)).problems, [])
  t.same((await restorePart(job, 0)).problems, [], 'a part that was interrupted is done again')
  t.same(await finishTree(job), [])
  t.same(await finishTree(job), [], 'and so is the end')
  finishRestore(job)
  t.same(look(join(top, 'back')), look(inside))
  for (const folder of [inside, join(top, 'back')]) chmodSync(join(folder, 'deep', 'er'), 0o700) // so that it can be removed
})

t.test('a damaged object keeps its own files back, by name, and no others', async t => {
  const top = t.testdir({ in: { one: 'first', two: 'second', three: 'first' } })
  const archive = await makeArchive(top)
  const entry = readManifest(manifestFile(archive.output)).entries.find(some => some.path === 'one') as FileEntry
  rmSync(objectFile(archive.output, entry.hash))
  const job = restoreJob(archive, join(top, 'back'))
  await planRestore(job)
  const { problems } = await restorePart(job, 0)
  t.match(problems.toSorted((left, right) => left.path < right.path ? -1 : 1), [{ path: 'one', reason: 'not restored: the object is missing' }, { path: 'three', reason: /missing/ }])
  t.same(readdirSync(job.folder).sort(), ['.work-here', 'two'])
})

t.test('a folder is only restored to where nothing is, or where the same restore was interrupted', async t => {
  const top = t.testdir({ empty: {}, taken: { file: 'x' }, half: { '.work-here': {}, some: 'x' }, file: 'x' })
  t.equal(stateOfTarget(join(top, 'new'), '.work-here'), 'free')
  t.equal(stateOfTarget(join(top, 'empty'), '.work-here'), 'free')
  t.equal(stateOfTarget(join(top, 'taken'), '.work-here'), 'taken')
  t.equal(stateOfTarget(join(top, 'half'), '.work-here'), 'unfinished')
  t.equal(stateOfTarget(join(top, 'half'), '.another'), 'taken')
  t.equal(stateOfTarget(join(top, 'file'), '.work-here'), 'taken')
})

t.test('parts are bounded in files and in bytes', async t => {
  const file = (size: number): FileEntry => ({ type: 'file', path: 'x', mode: 0, mtimeNs: '0', size, hash: '' })
  t.same(cutIntoParts(Array.from({ length: 250 }, () => file(1))).map(part => part.length), [100, 100, 50])
  t.same(cutIntoParts([file(20_000_000), file(9_000_000), file(9_000_000), file(1)]).map(part => part.length), [1, 1, 2])
})

t.test('times are set to the microsecond, whatever they are', async t => {
  const file = join(t.testdir({ file: 'x' }), 'file')
  const anyTime = fc.bigInt({ min: 0n, max: 4_000_000_000_000_000_000n })
  const hardTime = anyTime.chain(time => fc.constantFrom(time, time - time % 1000n, time - time % 1_000_000n, time - time % 1000n + 999n, time - time % 1_000_000_000n))
  fc.assert(fc.property(hardTime, time => {
    utimesSync(file, ...timesOf(String(time)))
    return lstatSync(file, { bigint: true }).mtimeNs / 1000n === time / 1000n
  }), { numRuns: 2000 })
  for (const exact of ['1700000000000000000', '1700000000250000000', '0', '-86400000000000', '-1500000000']) {
    utimesSync(file, ...timesOf(exact))
    t.equal(String(lstatSync(file, { bigint: true }).mtimeNs), exact)
  }
})
