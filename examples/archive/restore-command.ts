import type { RunHandle, Troupe } from 'troupe'
import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from './arguments.ts'
import { makeFolder } from './durable-files.ts'
import { endingLines } from './endings.ts'
import { ArchiveError, reasonOf } from './failures.ts'
import { runOnThreads } from './host.ts'
import { generationFile, keyOf, manifestFile } from './layout.ts'
import { generationsOf, parseManifest, readManifest } from './manifest.ts'
import { absolute, checkMarker, isWithin } from './places.ts'
import { formatCount } from './progress.ts'
import { finishRestore, stateOfTarget, type RestoreJob, type RestorePlan } from './restoring.ts'
import { makeFolders, restoreFolder, restoreFolderPart, type RestoreReport } from './restore-workflows.ts'
import { countDone, numberIn, resultOf } from './resuming.ts'
import type { Screen } from './screen.ts'
import { problemLines, restoreSummary } from './summary.ts'
import type { Tracker } from './tracker.ts'

/** `npm start -- restore OUTPUT FOLDER`: into a folder that is new, empty, or the same restore's, interrupted. */
export async function restore(command: Command & { readonly command: 'restore' }, screen: Screen): Promise<number> {
  const startedAtMs = Date.now()
  const job = await prepareRestore(command)
  const noted = readManifest(job.manifest).problems.length
  if (noted > 0) screen.print(`note: ${formatCount(noted)} ${noted === 1 ? 'problem was' : 'problems were'} noted when this was archived; ${job.manifest} names them`)
  const ending = await runOnThreads<RestoreReport>({
    store: join(job.folder, job.work, 'troupe'),
    threads: command.threads,
    screen,
    firstPhase: 'restoring',
    begin: (troupe, tracker) => beginRestore(troupe, tracker, job, screen)
  })
  if (ending.kind !== 'finished') {
    const { lines, exitCode } = endingLines(ending, 'the same command goes on from here')
    for (const line of lines) screen.print(line)
    return exitCode
  }
  finishRestore(job)
  const { problems } = ending.result
  for (const line of [...restoreSummary(ending.result, (Date.now() - startedAtMs) / 1000, job.folder), ...problemLines(problems)]) screen.print(line)
  return problems.length === 0 ? 0 : 1
}

async function beginRestore(troupe: Troupe, tracker: Tracker, job: RestoreJob, screen: Screen): Promise<RunHandle<RestoreReport>> {
  const handle = await troupe.start(restoreFolder, [job], { id: 'restore' }) // attaches to the one that is there
  const plan = await resultOf<RestorePlan>(troupe, handle.id, makeFolders.stepName)
  if (plan === undefined) return handle
  const done = await countDone(troupe, handle.id, restoreFolderPart.workflowName, result => ({ items: numberIn(result, 'files'), bytes: numberIn(result, 'bytes') }))
  screen.print(`resuming: ${formatCount(done.items)} of ${formatCount(plan.files)} files were already restored`)
  tracker.startFrom('restoring', done, { items: plan.files, bytes: plan.bytes })
  return handle
}

/** Reads and checks the manifest before the first byte is written. */
async function prepareRestore(command: Command & { readonly command: 'restore' }): Promise<RestoreJob> {
  const given = absolute(command.output)
  checkMarker(given)
  const output = realpathSync(given)
  const target = absolute(command.folder)
  if (isWithin(target, output)) throw new ArchiveError(`cannot restore to ${target}: it is inside the archive`)
  const manifest = manifestOf(output, command.generation)
  const text = readFileSync(manifest, 'utf8')
  const work = `.troupe-restore-${keyOf(text)}`
  const { entries } = parseManifest(text)
  if (entries.some(entry => entry.path === work)) throw new ArchiveError(`the archive holds ${work}, the name that this restore needs for itself`)
  if (stateOf(target, work) === 'taken') throw new ArchiveError(`will not restore to ${target}: it is not empty. Nothing was written.`)
  await makeFolder(join(target, work))
  return { output, manifest, folder: realpathSync(target), work }
}

function stateOf(target: string, work: string): 'free' | 'unfinished' | 'taken' {
  try {
    return stateOfTarget(target, work)
  } catch (error) {
    throw new ArchiveError(`cannot restore to ${target}: ${reasonOf(error)}`)
  }
}

function manifestOf(output: string, generation: number | undefined): string {
  const file = generation === undefined ? manifestFile(output) : generationFile(output, generation)
  if (!existsSync(file)) throw new ArchiveError(generation === undefined ? `${output} has no manifest.json yet` : `there is no generation ${generation}; there are ${generationsOf(output).join(', ') || 'none'}`)
  readManifest(file)
  return file
}
