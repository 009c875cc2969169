import { StoreFormatError, StoreInUseError, StoreUnavailableError, TroupeError } from 'troupe'
import { ArchiveError, codeOf, reasonOf } from './failures.ts'
import { quoteName } from './file-names.ts'
import { exitCodeOf, type Ending } from './host.ts'
import { plainLine } from './progress.ts'

export interface Told {
  readonly lines: readonly string[]
  readonly exitCode: number
}

/** What to say when the work did not come to its end, and the exit code. */
export function endingLines(ending: Exclude<Ending<unknown>, { readonly kind: 'finished' }>, hint: string): Told {
  switch (ending.kind) {
    case 'interrupted':
      return { lines: [`stopped while ${plainLine(ending.progress)}. ${hint}`], exitCode: exitCodeOf(ending.signal) }
    case 'disk-full':
      return { lines: ['the disk is full. There was no room for:', ...ending.paths.map(path => `  ${quoteName(path)}`), `Make room; then ${hint}`], exitCode: 1 }
    case 'failed':
      return { lines: [`failed: ${failureText(ending.error)}`], exitCode: 1 }
  }
}

/** One line for an error; a stack only for one that nobody foresaw. */
export function failureText(error: unknown): string {
  if (error instanceof StoreInUseError) return `another process is at work on it. ${error.message}`
  if (error instanceof StoreFormatError || error instanceof StoreUnavailableError || error instanceof ArchiveError) return error.message
  const place = error instanceof Error && 'path' in error && typeof error.path === 'string' ? ` (${error.path})` : ''
  if (error instanceof TroupeError || codeOf(error) !== undefined || (error instanceof Error && error.name === 'NonRetryableError')) return `${reasonOf(error)}${place}`
  return error instanceof Error ? error.stack ?? error.message : String(error)
}
