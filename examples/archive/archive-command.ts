import type { RunHandle, RunInfo, Troupe } from 'troupe'
import type { Command } from './arguments.ts'
import type { Problem } from './failures.ts'
import { runOnThreads, type Ending } from './host.ts'
import { manifestFile, storeFolder } from './layout.ts'
import { readManifest } from './manifest.ts'
import { prepareArchive, type Places } from './places.ts'
import { formatBytes, formatCount } from './progress.ts'
import { removeWork, type ArchiveJob, type Plan } from './archiving.ts'
import { countDone, hasBegun, numberIn, resultOf } from './resuming.ts'
import type { Screen } from './screen.ts'
import { archiveSummary, problemLines } from './summary.ts'
import { endingLines, type Told } from './endings.ts'
import type { Tracker } from './tracker.ts'
import { archiveFile, archiveFolder, verifyArchive, verifyPart, type ArchiveReport } from './workflows.ts'

/** `npm start -- FOLDER OUTPUT`: starts an archive run, or goes on with the one that is there. Resolves with the exit code. */
export async function archive(command: Command & { readonly command: 'archive' }, screen: Screen): Promise<number> {
  const startedAtMs = Date.now()
  const places = await prepareArchive(command.folder, command.output)
  const again = command.folder === undefined ? 'npm start' : `npm start -- ${quoteArgument(command.folder)} ${quoteArgument(command.output ?? '')}`
  screen.print(`archiving ${places.folder} into ${places.output}`)
  const ending = await runOnThreads<ArchiveReport>({
    store: storeFolder(places.output),
    threads: command.threads,
    screen,
    firstPhase: 'listing',
    begin: (troupe, tracker) => beginArchive(troupe, tracker, places, command.quality, screen)
  })
  if (ending.kind === 'failed') removeWork(places.output)
  if (ending.kind !== 'finished') return tell(screen, endingLines(ending, `"${again}" goes on from here; nothing is lost`))
  return finish(places, ending, (Date.now() - startedAtMs) / 1000, screen)
}

function tell(screen: Screen, { lines, exitCode }: Told): number {
  for (const line of lines) screen.print(line)
  return exitCode
}

function finish(places: Places, ending: Ending<ArchiveReport> & { readonly kind: 'finished' }, seconds: number, screen: Screen): number {
  const { manifest, verification } = ending.result
  const problems: Problem[] = [...verification.problems]
  if (manifest.problems > 0) problems.unshift(...readManifest(manifestFile(places.output)).problems)
  for (const line of archiveSummary(ending.result, seconds, places.output)) screen.print(line)
  for (const line of problemLines(problems, manifestFile(places.output))) screen.print(line)
  return problems.length === 0 ? 0 : 1
}

async function beginArchive(troupe: Troupe, tracker: Tracker, places: Places, quality: number, screen: Screen): Promise<RunHandle<ArchiveReport>> {
  const prefix = `archive-${places.key}-`
  const newest = await newestRun(troupe, prefix)
  if (newest === undefined) return await startArchive(troupe, places, quality, `${prefix}1`)
  if (newest.finishedAt === undefined) {
    await tellResume(troupe, tracker, newest, quality, screen)
    return await troupe.get<ArchiveReport>(newest.id)
  }
  if (newest.status === 'succeeded') screen.print('an archive of this folder is complete; what changed since makes a new generation')
  else screen.print(`the last archive run ended as ${newest.status}; starting anew with what it stored`)
  const beforeThis = new Date()
  const run = await startArchive(troupe, places, quality, `${prefix}${Number(newest.id.slice(prefix.length)) + 1}`)
  // The runs of earlier generations are of no use any more. Beside the work, and again at the next start if this one ends before.
  troupe.prune({ finishedBefore: beforeThis }).catch(() => {})
  return run
}

async function startArchive(troupe: Troupe, { folder, output }: Places, quality: number, id: string): Promise<RunHandle<ArchiveReport>> {
  return await troupe.start(archiveFolder, [{ folder, output, quality, key: id }], { id })
}

async function newestRun(troupe: Troupe, idPrefix: string): Promise<RunInfo | undefined> {
  for await (const run of troupe.list({ idPrefix, workflow: archiveFolder.workflowName, order: 'newest-first', limit: 1, values: true })) return run
  return undefined
}

/** Says what an earlier start had done, and sets the bar to it. */
async function tellResume(troupe: Troupe, tracker: Tracker, root: RunInfo, quality: number, screen: Screen): Promise<void> {
  const plan = await resultOf<Plan>(troupe, root.id, 'listFiles')
  if (plan === undefined) return screen.print('resuming: the folder had not been listed yet')
  const done = await countDone(troupe, root.id, archiveFile.workflowName, result => ({ items: 1, bytes: numberIn(result, 'size') }))
  screen.print(`resuming: ${formatCount(done.items)} of ${formatCount(plan.files)} files were already archived (${formatBytes(done.bytes)} of ${formatBytes(plan.bytes)})`)
  const job = root.args[0] as ArchiveJob | undefined
  if (job !== undefined && job.quality !== quality) screen.print(`it goes on with quality ${job.quality}, as it was started`)
  tracker.startFrom('archiving', done, { items: plan.files, bytes: plan.bytes })
  if (!await hasBegun(troupe, root.id, verifyArchive.workflowName)) return
  const checked = await countDone(troupe, root.id, verifyPart.workflowName, result => ({ items: numberIn(result, 'objects'), bytes: numberIn(result, 'bytes') }))
  tracker.startFrom('verifying', checked, undefined)
}

function quoteArgument(text: string): string {
  return /^[\w./~-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}

