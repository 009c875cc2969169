import { currentStep, step, workflow } from 'troupe/workflow'
import { DISK_STEP, isDiskFull, reasonOf, withReasons, type Problem } from './failures.ts'
import { inLanes } from './lanes.ts'
import { announce, type Totals } from './news.ts'
import { finishTree, planRestore, restorePart, type RestoredPart, type RestoreJob, type RestorePlan } from './restoring.ts'

/** Bringing a folder back, as durable runs: killed at any moment, the same command goes on. */

const PARTS_AT_ONCE = 16

export const makeFolders = step(async function makeFolders(job: RestoreJob): Promise<RestorePlan> {
  const plan = await withReasons(job.output, () => planRestore(job))
  announce({ type: 'phase', phase: 'restoring', totals: { items: plan.files, bytes: plan.bytes } })
  return plan
}, DISK_STEP)

const restoreFiles = step(async function restoreFiles(job: RestoreJob, part: number, totals: Totals): Promise<RestoredPart> {
  const done = { items: 0, bytes: 0 }
  let current = job.folder
  const tell = (items: number, bytes: number): void => announce({ type: 'work', phase: 'restoring', items, bytes, totals, path: current })
  const follower = {
    begin: (path: string) => { current = path },
    end: (bytes: number) => {
      done.items += 1
      done.bytes += bytes
      tell(1, bytes)
    }
  }
  try {
    return await withReasons(job.output, () => restorePart(job, part, currentStep()?.signal, follower))
  } catch (error) {
    tell(-done.items, -done.bytes)
    if (isDiskFull(error)) announce({ type: 'disk-full', path: current })
    throw error
  }
}, DISK_STEP)

const finishFolders = step(async function finishFolders(job: RestoreJob): Promise<Problem[]> {
  return await finishTree(job)
}, DISK_STEP)

export const restoreFolderPart = workflow(async function restoreFolderPart(job: RestoreJob, part: number, totals: Totals): Promise<RestoredPart> {
  return await restoreFiles(job, part, totals)
})

export interface RestoreReport extends RestorePlan {
  readonly problems: readonly Problem[]
}

export const restoreFolder = workflow(async function restoreFolder(job: RestoreJob): Promise<RestoreReport> {
  const plan = await makeFolders(job)
  const totals = { items: plan.files, bytes: plan.bytes }
  const problems: Problem[] = []
  await inLanes(plan.parts, PARTS_AT_ONCE, async part => {
    try {
      problems.push(...(await restoreFolderPart(job, part, totals)).problems)
    } catch (error) {
      problems.push({ path: `part ${part}`, reason: reasonOf(error) })
    }
  })
  problems.push(...await finishFolders(job))
  return { ...plan, problems }
})
