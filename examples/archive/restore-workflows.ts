import { currentStep, startChild, step, workflow } from 'troupe/workflow'
import { DISK_STEP, isDiskFull, reasonOf, withReasons, type Problem } from './failures.ts'
import { announce, type Totals } from './news.ts'
import { finishTree, planRestore, restorePart, type RestoreJob, type RestorePlan } from './restoring.ts'

/** Bringing a folder back, as durable runs: killed at any moment, the same command goes on. */

const PARTS_AT_ONCE = 16

const makeFolders = step(async function makeFolders(job: RestoreJob): Promise<RestorePlan> {
  const plan = await withReasons(job.output, () => planRestore(job))
  announce({ type: 'phase', phase: 'restoring', totals: { items: plan.files, bytes: plan.bytes } })
  return plan
}, DISK_STEP)

const restoreFiles = step(async function restoreFiles(job: RestoreJob, part: number, totals: Totals): Promise<Problem[]> {
  const done = { items: 0, bytes: 0 }
  const tell = (items: number, bytes: number): void => announce({ type: 'work', phase: 'restoring', items, bytes, totals })
  try {
    return await withReasons(job.output, () => restorePart(job, part, currentStep()?.signal, bytes => {
      done.items += 1
      done.bytes += bytes
      tell(1, bytes)
    }))
  } catch (error) {
    tell(-done.items, -done.bytes)
    if (isDiskFull(error)) announce({ type: 'disk-full', path: job.folder })
    throw error
  }
}, DISK_STEP)

const finishFolders = step(async function finishFolders(job: RestoreJob): Promise<Problem[]> {
  return await finishTree(job)
}, DISK_STEP)

export const restoreFolderPart = workflow(async function restoreFolderPart(job: RestoreJob, part: number, totals: Totals): Promise<Problem[]> {
  return await restoreFiles(job, part, totals)
})

export interface RestoreReport extends RestorePlan {
  readonly problems: readonly Problem[]
}

export const restoreFolder = workflow(async function restoreFolder(job: RestoreJob): Promise<RestoreReport> {
  const plan = await makeFolders(job)
  const totals = { items: plan.files, bytes: plan.bytes }
  const problems: Problem[] = []
  const atWork: Promise<void>[] = []
  for (let part = 0; part < plan.parts; part += 1) {
    if (atWork.length >= PARTS_AT_ONCE) await atWork.shift()
    const child = await startChild(restoreFolderPart, [job, part, totals])
    atWork.push(child.result().then(found => { problems.push(...found) }, (error: unknown) => { problems.push({ path: `part ${part}`, reason: reasonOf(error) }) }))
  }
  await Promise.all(atWork)
  problems.push(...await finishFolders(job))
  return { ...plan, problems }
})
