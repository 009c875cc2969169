import { problemLine, type Problem } from './failures.ts'
import { formatBytes, formatCount, formatDuration } from './progress.ts'
import type { RestoreReport } from './restore-workflows.ts'
import type { ArchiveReport, Verification } from './workflows.ts'

/** The last lines of each command, as text: nothing here writes. */
export function archiveSummary({ manifest, verification }: ArchiveReport, seconds: number, output: string): string[] {
  const { files, folders, links, bytes, objects, storedBytes, reusedObjects, reusedBytes } = manifest
  const ratio = storedBytes === 0 ? '' : `, ${(bytes / storedBytes).toFixed(2)} to 1`
  return [
    '',
    `files      ${formatCount(files)} (${formatBytes(bytes)}), ${formatCount(folders)} folders, ${formatCount(links)} links`,
    `objects    ${formatCount(objects)} different contents in ${formatBytes(storedBytes)}${ratio}`,
    `reused     ${formatCount(reusedObjects)} objects from before (${formatBytes(reusedBytes)})`,
    `verified   ${formatCount(verification.objects)} objects (${formatBytes(verification.bytes)})`,
    `time       ${formatDuration(seconds)} since this start`,
    manifest.outcome === 'new' ? `written    ${output} generation ${manifest.generation}` : `unchanged  ${output} generation ${manifest.generation} already says all this`
  ]
}

export function verifySummary({ objects, bytes, problems }: Verification, seconds: number): string[] {
  const found = problems.length === 0 ? 'every object decompresses to its hash' : 'damage was found'
  return [`verified ${formatCount(objects)} objects (${formatBytes(bytes)}) in ${formatDuration(seconds)}: ${found}`]
}

export function restoreSummary({ files, bytes, problems }: RestoreReport, seconds: number, folder: string): string[] {
  return [`restored ${formatCount(files - Math.min(files, problems.length))} of ${formatCount(files)} files (${formatBytes(bytes)}) to ${folder} in ${formatDuration(seconds)}`]
}

const SHOWN = 200

/** The problems by name. A very long list is cut on the screen, if `elsewhere` has all of it. */
export function problemLines(problems: readonly Problem[], elsewhere?: string): string[] {
  if (problems.length === 0) return []
  const shown = elsewhere === undefined ? problems : problems.slice(0, SHOWN)
  const more = problems.length - shown.length
  return [
    '',
    `${formatCount(problems.length)} ${problems.length === 1 ? 'problem' : 'problems'}:`,
    ...shown.map(problem => `  ${problemLine(problem)}`),
    ...more > 0 ? [`  and ${formatCount(more)} more, all named in ${elsewhere ?? 'the manifest'}`] : []
  ]
}
