/** The host's options: documented where a user reads them, checked once, at the door. */
import { availableParallelism, totalmem } from 'node:os'
import { isAbsolute, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { checkName, checkNumber, checkOneOf, checkOptions, optionalMs, optionalName, optionalNumber, optionalTimeoutMs, refuse } from '../options.ts'
import type { FinishedStatus } from '../model/run.ts'
import type { StartRequest, SupervisorOptions } from '../protocol/host.ts'
import { defaultLogger, LOG_LEVELS } from '../telemetry/logger.ts'
import type { Logger } from '../telemetry/logger.ts'

export interface TroupeOptions {
  /** A folder (LMDB, made if absent). */
  readonly store: string
  /** Module(s) that define workflows, as file URLs or absolute paths. Every worker thread imports them. */
  readonly workflows: string | URL | readonly (string | URL)[]
  /** Worker threads, 1 to 1024. Default: os.availableParallelism(). */
  readonly threads?: number
  /** Actors that may share one thread. CPU-bound work wants few, work that waits on I/O wants many. Whole number >= 1. Default 64. */
  readonly actorsPerThread?: number
  /** 'power-loss': a step counts once it is synced to disk. 'process-crash': once the kernel has it. Default 'power-loss'. */
  readonly durability?: 'power-loss' | 'process-crash'
  /** Heap bound of each thread in MiB, >= 16; an actor that holds more crashes its thread, and only its thread. With garbage a heap may be larger for a while. Default: V8's. */
  readonly threadHeapMiB?: number
  /**
   * Bound in MiB of what each thread holds outside its heap (ArrayBuffers, Buffers, WebAssembly memory), >= 64; a thread that exceeds it is ended, as by a crash.
   * Default: half the memory that this process may have.
   */
  readonly threadBuffersMiB?: number
  /** Anything with pino's debug/info/warn/error(fields, message). Default: silent but for warn and error on stderr. */
  readonly logger?: Logger
}

export interface StartOptions {
  /** Idempotency key: a second start with the same id and workflow attaches to the first run. At most 512 bytes. Default: a UUIDv7. */
  readonly id?: string
  /** Name of the queue the run joins. Default: its workflow's. */
  readonly queue?: string
  /** Lower first; whole number 0..2^31-1. Default 0. */
  readonly priority?: number
  /** Not before this many seconds from now. Default 0. */
  readonly delaySeconds?: number
  /** Bound on the whole run from its first spawn. Default: its workflow's. */
  readonly timeoutSeconds?: number
  /** At most one unfinished run per queue and deduplication id; a second start attaches to it. */
  readonly deduplicationId?: string
  /** Groups runs of one queue. */
  readonly queueKey?: string
  readonly tags?: Readonly<Record<string, string>>
}

export interface CloseOptions {
  /** 'drain': no new work, wait for runs that hold a thread up to timeoutSeconds, then as 'abandon'. 'abandon': stop now; the next open() resumes. Default 'drain'. */
  readonly mode?: 'drain' | 'abandon'
  /** How long 'drain' waits. Default 30. */
  readonly timeoutSeconds?: number
}

export const OPEN_OPTIONS = ['store', 'workflows', 'threads', 'actorsPerThread', 'durability', 'threadHeapMiB', 'threadBuffersMiB', 'logger']
const START_OPTIONS = ['id', 'queue', 'priority', 'delaySeconds', 'timeoutSeconds', 'deduplicationId', 'queueKey', 'tags']

/** The one place where the host's defaults stand. */
export const HOST_DEFAULTS = { actorsPerThread: 64, durability: 'power-loss', closeMode: 'drain', closeTimeoutSeconds: 30, graceSeconds: 5 } as const
const DURABILITIES = ['power-loss', 'process-crash'] as const
const MAX_TAGS = 64

export interface ResolvedTroupeOptions {
  readonly supervisor: SupervisorOptions
  readonly logger: Logger
}

/** @throws InvalidOptionError */
export function resolveTroupeOptions(options: unknown): ResolvedTroupeOptions {
  const given = checkOptions('Troupe.open()', options, OPEN_OPTIONS)
  const { store, workflows, threads, actorsPerThread, durability, threadHeapMiB, threadBuffersMiB, logger } = given
  const heap = optionalNumber('threadHeapMiB', threadHeapMiB, { min: 16, max: 1_048_576 })
  return {
    logger: checkLogger(logger),
    supervisor: {
      store: checkStore(store),
      modules: checkModules(workflows),
      threads: threads === undefined ? availableParallelism() : checkNumber('threads', threads, { min: 1, max: 1024, whole: true }),
      actorsPerThread: actorsPerThread === undefined ? HOST_DEFAULTS.actorsPerThread
        : checkNumber('actorsPerThread', actorsPerThread, { min: 1, max: 1_000_000, whole: true }),
      durability: durability === undefined ? HOST_DEFAULTS.durability : checkOneOf('durability', durability, DURABILITIES),
      ...(heap !== undefined && { threadHeapMiB: heap }),
      threadBuffersMiB: threadBuffersMiB === undefined ? defaultBuffersMiB() : checkNumber('threadBuffersMiB', threadBuffersMiB, { min: 64, max: 1_048_576 }),
    },
  }
}

/** Half of what the machine, or the container, gives to this process. */
function defaultBuffersMiB(): number {
  const machine = totalmem()
  const constrained = process.constrainedMemory()
  return Math.max(64, Math.round((constrained > 0 && constrained < machine ? constrained : machine) / 2 / 2 ** 20))
}

export function checkFolder(option: string, folder: unknown): string {
  if (typeof folder !== 'string' || folder === '') refuse(option, 'be the path of a folder', folder)
  if (folder.includes('\0')) refuse(option, 'be a path without NUL characters', folder)
  return resolve(folder)
}

function checkStore(store: unknown): string {
  const folder = checkFolder('store', store)
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(String(store))) refuse('store', 'be the path of a folder; other stores are not supported by this version', store)
  return folder
}

function checkModules(workflows: unknown): readonly string[] {
  const list: readonly unknown[] = Array.isArray(workflows) ? workflows : [workflows]
  if (list.length === 0) refuse('workflows', 'name at least one module', workflows)
  return [...new Set(list.map(moduleUrl))]
}

function moduleUrl(module: unknown): string {
  if (module instanceof URL || (typeof module === 'string' && module.startsWith('file:'))) {
    const url = URL.canParse(String(module)) ? new URL(module) : undefined
    if (url?.protocol !== 'file:' || !namesFile(url)) refuse('workflows', 'be file URLs or absolute paths', module)
    return url.href
  }
  if (typeof module !== 'string' || !isAbsolute(module)) refuse('workflows', 'be file URLs or absolute paths', module)
  return pathToFileURL(module).href
}

/** Not with another machine's name, nor with an encoded slash. */
function namesFile(url: URL): boolean {
  try {
    fileURLToPath(url)
    return true
  } catch {
    return false
  }
}

function checkLogger(logger: unknown): Logger {
  if (logger === undefined) return defaultLogger
  const candidate = logger as Partial<Record<string, unknown>> | null
  if (typeof logger !== 'object' || candidate === null || LOG_LEVELS.some(level => typeof candidate[level] !== 'function')) {
    refuse('logger', 'have the methods debug, info, warn and error', logger)
  }
  return logger as Logger
}

/** @throws InvalidOptionError */
export function resolveStartOptions(options: unknown, newId: () => string): Omit<StartRequest, 'workflow' | 'args'> {
  const given = checkOptions('start()', options, START_OPTIONS)
  const queue = optionalName('queue', given['queue'])
  const priority = optionalNumber('priority', given['priority'], { min: 0, max: 2 ** 31 - 1, whole: true })
  const delayMs = optionalMs('delaySeconds', given['delaySeconds'])
  const timeoutMs = optionalTimeoutMs('timeoutSeconds', given['timeoutSeconds'])
  const deduplicationId = optionalName('deduplicationId', given['deduplicationId'])
  const queueKey = optionalName('queueKey', given['queueKey'])
  const tags = given['tags'] === undefined ? undefined : checkTags('tags', given['tags'])
  return {
    ...(given['id'] === undefined ? { id: newId(), idIsNew: true } : { id: checkName('id', given['id']) }),
    ...(queue !== undefined && { queue }),
    ...(priority !== undefined && { priority }),
    ...(delayMs !== undefined && { delayMs }),
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(deduplicationId !== undefined && { deduplicationId }),
    ...(queueKey !== undefined && { queueKey }),
    ...(tags !== undefined && { tags }),
  }
}

export function checkTags(option: string, tags: unknown): Readonly<Record<string, string>> {
  if (typeof tags !== 'object' || tags === null || Array.isArray(tags)) refuse(option, 'be an object of strings', tags)
  const entries = Object.entries(tags)
  if (entries.length > MAX_TAGS) refuse(option, `have at most ${MAX_TAGS} entries`, tags)
  return Object.fromEntries(entries.map(([name, value]) => [checkName(`${option} (a name)`, name), value === '' ? '' : checkName(`${option}.${name}`, value)]))
}

export function resolveCloseOptions(options: unknown): { readonly mode: 'drain' | 'abandon', readonly timeoutMs: number } {
  const given = checkOptions('close()', options, ['mode', 'timeoutSeconds'])
  return {
    mode: given['mode'] === undefined ? HOST_DEFAULTS.closeMode : checkOneOf('mode', given['mode'], ['drain', 'abandon']),
    timeoutMs: optionalMs('timeoutSeconds', given['timeoutSeconds']) ?? HOST_DEFAULTS.closeTimeoutSeconds * 1000,
  }
}

export function resolveCancelOptions(options: unknown): { readonly graceMs: number, readonly children: boolean } {
  const given = checkOptions('cancel()', options, ['graceSeconds', 'children'])
  const children = given['children']
  if (children !== undefined && typeof children !== 'boolean') refuse('children', 'be true or false', children)
  return { graceMs: optionalMs('graceSeconds', given['graceSeconds']) ?? HOST_DEFAULTS.graceSeconds * 1000, children: children === true }
}

const FINISHED = ['succeeded', 'failed', 'cancelled', 'quarantined'] as const satisfies readonly FinishedStatus[]

export function resolvePruneOptions(options: unknown): { readonly finishedBeforeMs: number, readonly statuses: readonly FinishedStatus[] } {
  const given = checkOptions('prune()', options, ['finishedBefore', 'status'])
  const { finishedBefore, status } = given
  if (!(finishedBefore instanceof Date) || Number.isNaN(finishedBefore.getTime())) refuse('finishedBefore', 'be a valid Date', finishedBefore)
  if (status !== undefined && !Array.isArray(status)) refuse('status', 'be an array', status)
  return {
    finishedBeforeMs: finishedBefore.getTime(),
    statuses: status === undefined ? FINISHED : status.map(word => checkOneOf('status', word, FINISHED)),
  }
}
