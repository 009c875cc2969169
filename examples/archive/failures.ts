import { NonRetryableError, type StepOptions } from 'troupe/workflow'
import { quoteName } from './file-names.ts'

/** What people read instead of an errno. */
const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'it is not there (any more)',
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  ENOTDIR: 'a part of its path is not a folder',
  EISDIR: 'it is a folder now',
  ELOOP: 'it is a symbolic link now',
  ENXIO: 'it is not a regular file now',
  ENAMETOOLONG: 'its name is too long',
  EROFS: 'the file system is read-only',
  ENOSPC: 'no space left on the disk',
  EDQUOT: 'the disk quota is used up',
  EIO: 'the disk reported a read or write error',
  EMFILE: 'too many files are open',
  EFBIG: 'the file is too large for the file system'
}

/** Asking again does not help. */
const PERMANENT = new Set(['ENOENT', 'EACCES', 'EPERM', 'ENOTDIR', 'EISDIR', 'ELOOP', 'ENXIO', 'ENAMETOOLONG', 'EROFS', 'EFBIG', 'EEXIST'])

/** Tried as often as it takes: the host sees it, says so and stops; the attempts go on where they were at the next start. */
const DISK_FULL = new Set(['ENOSPC', 'EDQUOT'])

export function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : undefined
}

export function isDiskFull(error: unknown): boolean {
  return DISK_FULL.has(codeOf(error) ?? '')
}

/** The reason to print for an error, also for one that a retry policy wrapped. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const known = REASONS[codeOf(error) ?? '']
  if (known !== undefined) return known
  const wraps = codeOf(error)?.startsWith('TROUPE_STEP_RETRIES') === true
  return wraps && error.cause !== undefined ? reasonOf(error.cause) : error.message
}

/**
 * Runs `work` on a file; an error that no further attempt can help becomes a NonRetryableError with the reason as its message.
 * @param output says of an error below it that the archive is the matter, not the file
 * @param what goes before the reason
 */
export async function withReasons<R>(output: string, work: () => R | Promise<R>, what = ''): Promise<R> {
  try {
    return await work()
  } catch (error) {
    if (!PERMANENT.has(codeOf(error) ?? '')) throw error
    const place = error instanceof Error && 'path' in error && typeof error.path === 'string' && error.path.startsWith(output) ? ` (in the archive: ${error.path})` : ''
    throw new NonRetryableError(`${what}${reasonOf(error)}${place}`)
  }
}

/** For every step that touches a disk: four attempts within some seconds; a full disk is waited for. */
export const DISK_STEP = {
  retriesAllowed: true,
  maxAttempts: 10_000,
  intervalSeconds: 0.5,
  backoffRate: 2,
  maxIntervalSeconds: 15,
  shouldRetry: (error: unknown, attempt: number): boolean => isDiskFull(error) || attempt < 4
} as const satisfies StepOptions

/** An error of this example that names what is wrong and what to do; printed without a stack. */
export class ArchiveError extends Error {
  override readonly name = 'ArchiveError'
}

/** One thing that is not as it should be, by name. */
export interface Problem {
  readonly path: string
  readonly reason: string
}

export function problemLine(problem: Problem): string {
  return `${quoteName(problem.path)}: ${problem.reason}`
}
