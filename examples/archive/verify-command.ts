import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from './arguments.ts'
import { endingLines } from './endings.ts'
import { ArchiveError } from './failures.ts'
import { runOnThreads } from './host.ts'
import { absolute, checkMarker, hasManifest, isUnfinished } from './places.ts'
import type { Screen } from './screen.ts'
import { problemLines, verifySummary } from './summary.ts'
import { verifyArchive, type Verification } from './workflows.ts'

/** `npm start -- verify OUTPUT`. Writes nothing to the archive, which may be on a medium that is read-only. */
export async function verify(command: Command & { readonly command: 'verify' }, screen: Screen): Promise<number> {
  const startedAtMs = Date.now()
  const given = absolute(command.output)
  checkMarker(given)
  const output = realpathSync(given)
  if (isUnfinished(output)) screen.print('note: an archive run is unfinished here; what it has stored so far is checked too')
  else if (!hasManifest(output)) throw new ArchiveError(`${output} has no manifest.json: it is damaged, or nothing was archived into it yet`)
  const store = mkdtempSync(join(tmpdir(), 'troupe-verify-'))
  try {
    // Quick to do again: that a checked object stays checked over a power cut is not worth a flush.
    const ending = await runOnThreads<Verification>({
      store, screen, threads: command.threads, durability: 'process-crash', firstPhase: 'verifying',
      begin: troupe => troupe.start(verifyArchive, [output], { id: 'verify' })
    })
    if (ending.kind !== 'finished') {
      const { lines, exitCode } = endingLines(ending, 'the same command starts over')
      for (const line of lines) screen.print(line)
      return exitCode
    }
    const problems = isUnfinished(output) && !hasManifest(output) ? ending.result.problems.filter(problem => !problem.path.endsWith('manifest.json')) : ending.result.problems
    for (const line of [...verifySummary({ ...ending.result, problems }, (Date.now() - startedAtMs) / 1000), ...problemLines(problems)]) screen.print(line)
    return problems.length === 0 ? 0 : 1
  } finally {
    rmSync(store, { recursive: true, force: true })
  }
}
