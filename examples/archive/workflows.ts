import { currentStep, now, sleep, startChild, step, workflow } from 'troupe/workflow'
import {
  fingerprintOf, publish, readPart, removeWork, storeContents, writeOutcomes, writePlan,
  type ArchiveJob, type ManifestSummary, type Outcome, type Plan, type StartedJob, type StoreOutcome, type StoreRequest
} from './archiving.ts'
import { DISK_STEP, isDiskFull, reasonOf, withReasons, type Problem } from './failures.ts'
import { inLanes } from './lanes.ts'
import { announce, type Totals } from './news.ts'
import type { Fingerprint } from './reading.ts'
import { checkObjects, nameDamage, planVerification, type CheckedObjects, type DamagedObject, type VerifyPlan } from './verifying.ts'

/**
 * The archive as durable runs. Every worker thread loads this file.
 *
 *     archiveFolder             one for each start: lists, waits for its parts, publishes the manifest, verifies
 *       archivePart             some 200 files: keeps each journal short, however large the folder
 *         archiveFile           one for each file: hash, compress and store
 *       verifyArchive
 *         verifyPart            some 200 objects: each decompresses to its hash
 *
 * Steps do the work and can be killed at any moment; the bodies only say what comes after what.
 */

/** Parts at work at once: enough runs to keep every thread busy, few enough to stay small. */
const PARTS_AT_ONCE = 4

const listFiles = step(async function listFiles(job: ArchiveJob): Promise<Plan> {
  announce({ type: 'phase', phase: 'listing' })
  const tell = (items: number): void => announce({ type: 'phase', phase: 'listing', totals: { items, bytes: 0 } })
  const plan = await reporting(job.folder, () => withReasons(job.output, () => writePlan(job, tell), `${job.folder} cannot be listed: `))
  announce({ type: 'phase', phase: 'archiving', totals: { items: plan.files, bytes: plan.bytes } })
  return plan
}, DISK_STEP)

const readPaths = step(function readPaths(job: ArchiveJob, part: number): string[] {
  return readPart(job, part).map(file => file.path)
}, DISK_STEP)

const hashFile = step(async function hashFile(job: ArchiveJob, path: string): Promise<Fingerprint> {
  return await withReasons(job.output, () => fingerprintOf(job, path, currentStep()?.signal))
}, DISK_STEP)

const storeFile = step(async function storeFile(job: StartedJob, request: StoreRequest): Promise<StoreOutcome> {
  let bytes = 0
  const tell = (items: number, count: number): void => announce({ type: 'work', phase: 'archiving', items, bytes: count })
  try {
    const outcome = await reporting(request.path, () => withReasons(job.output, () => storeContents(job, request, currentStep()?.signal, count => {
      bytes += count
      tell(0, count)
    })))
    if (outcome === 'unsettled') tell(0, -bytes)
    return outcome
  } catch (error) {
    tell(0, -bytes)
    throw error
  }
}, DISK_STEP)

const saveOutcomes = step(async function saveOutcomes(job: ArchiveJob, part: number, outcomes: readonly Outcome[]): Promise<void> {
  await reporting('.', () => writeOutcomes(job, part, outcomes))
}, DISK_STEP)

const publishManifest = step(async function publishManifest(job: StartedJob, plan: Plan, failed: readonly FailedPart[]): Promise<ManifestSummary> {
  announce({ type: 'phase', phase: 'writing the manifest' })
  return await reporting('manifest.json', () => publish(job, plan, failed))
}, DISK_STEP)

const cleanUp = step(function cleanUp(output: string): void {
  removeWork(output)
}, DISK_STEP)

/** Lets the host know of a full disk, by the name of what did not fit; the step is retried until there is room. */
async function reporting<R>(path: string, work: () => Promise<R>): Promise<R> {
  try {
    return await work()
  } catch (error) {
    if (isDiskFull(error)) announce({ type: 'disk-full', path })
    throw error
  }
}

/** Archives one file. A problem with it is its outcome, not a failure: the others go on, and the manifest names it. */
export const archiveFile = workflow(async function archiveFile(job: StartedJob, path: string): Promise<Outcome> {
  try {
    return await settleFile(job, path)
  } catch (error) {
    return { status: 'not-archived', path, reason: reasonOf(error) }
  } finally {
    announce({ type: 'work', phase: 'archiving', items: 1, bytes: 0, path })
  }
})

async function settleFile(job: StartedJob, path: string): Promise<Outcome> {
  const expected = await hashFile(job, path)
  for (const round of ['first', 'again', 'last'] as const) {
    const outcome = await storeFile(job, { path, expected, round })
    if (outcome !== 'unsettled') return outcome
    await sleep(0.5) // whoever writes it may be done by then
  }
  throw new Error('the last round always comes to an outcome')
}

export interface PartOutcome {
  readonly files: number
  readonly problems: number
}

export const archivePart = workflow(async function archivePart(job: StartedJob, part: number): Promise<PartOutcome> {
  const paths = await readPaths(job, part)
  const children = await Promise.all(paths.map(path => startChild(archiveFile, [job, path])))
  const outcomes = await Promise.all(children.map(async (child, index) => {
    try {
      return await child.result()
    } catch (error) { // quarantined: it took its thread down again and again
      return { status: 'not-archived', path: paths[index] ?? '', reason: reasonOf(error) } as const
    }
  }))
  await saveOutcomes(job, part, outcomes)
  return { files: outcomes.length, problems: outcomes.filter(outcome => outcome.status !== 'archived' || outcome.warning !== undefined).length }
})

export interface FailedPart {
  readonly part: number
  readonly reason: string
}

export interface ArchiveReport {
  readonly manifest: ManifestSummary
  readonly verification: Verification
}

export const archiveFolder = workflow(async function archiveFolder(request: ArchiveJob): Promise<ArchiveReport> {
  const job = { ...request, startedAtMs: await now() }
  const plan = await listFiles(job)
  const failed: FailedPart[] = []
  await inLanes(plan.parts, PARTS_AT_ONCE, async part => {
    try {
      await archivePart(job, part)
    } catch (error) {
      failed.push({ part, reason: reasonOf(error) })
    }
  })
  const manifest = await publishManifest(job, plan, failed)
  const verification = await verifyArchive(job.output)
  await cleanUp(job.output)
  return { manifest, verification }
})

// ---- verification ------------------------------------------------------------------------------------------------

export interface Verification {
  readonly objects: number
  readonly bytes: number
  readonly problems: readonly Problem[]
}

const planChecks = step(function planChecks(output: string): VerifyPlan {
  announce({ type: 'phase', phase: 'verifying' })
  const plan = planVerification(output)
  announce({ type: 'phase', phase: 'verifying', totals: plan.totals })
  return plan
}, DISK_STEP)

const checkFolder = step(async function checkFolder(output: string, prefix: string, totals: Totals): Promise<CheckedObjects> {
  return await checkObjects(output, prefix, currentStep()?.signal, bytes => announce({ type: 'work', phase: 'verifying', items: 1, bytes, totals }))
}, DISK_STEP)

const findOwners = step(function findOwners(output: string, damaged: readonly DamagedObject[]): Problem[] {
  return nameDamage(output, damaged)
}, DISK_STEP)

export const verifyPart = workflow(async function verifyPart(output: string, prefixes: readonly string[], totals: Totals): Promise<CheckedObjects> {
  const checked: CheckedObjects[] = []
  for (const prefix of prefixes) checked.push(await checkFolder(output, prefix, totals))
  const sum = (valueOf: (part: CheckedObjects) => number): number => checked.reduce((total, part) => total + valueOf(part), 0)
  return { objects: sum(part => part.objects), bytes: sum(part => part.bytes), damaged: checked.flatMap(part => part.damaged) }
})

/** Checks that every object decompresses to its hash, and that no manifest needs one that is not there. */
export const verifyArchive = workflow(async function verifyArchive(output: string): Promise<Verification> {
  const plan = await planChecks(output)
  const damaged: DamagedObject[] = plan.missing.map(hash => ({ hash, reason: 'the object is missing' }))
  const unchecked: Problem[] = []
  await inLanes(plan.parts.length, PARTS_AT_ONCE * 4, async index => {
    const prefixes = plan.parts[index] ?? []
    try {
      damaged.push(...(await verifyPart(output, prefixes, plan.totals)).damaged)
    } catch (error) {
      unchecked.push({ path: `objects/${prefixes.join(', objects/')}`, reason: `could not be checked: ${reasonOf(error)}` })
    }
  })
  const named = damaged.length === 0 ? [] : await findOwners(output, damaged.toSorted((left, right) => left.hash < right.hash ? -1 : 1))
  return { objects: plan.totals.items, bytes: plan.totals.bytes, problems: [...plan.unreadable, ...named, ...unchecked] }
})
