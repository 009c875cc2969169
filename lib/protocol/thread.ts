/** What the supervisor and a worker thread say to each other beside what they say to and of actors. */
import type { MessagePort } from 'node:worker_threads'
import type { Encoded } from '../codec/encoded.ts'
import type { RunKey } from '../model/run.ts'

/** The one task of the pool for each thread: everything else, actors' lives among it, goes over the port. */
export interface BootTask {
  readonly port: MessagePort
  readonly modules: readonly string[]
  readonly recorder?: SharedArrayBuffer
  readonly presence: SharedArrayBuffer
  readonly time?: SharedArrayBuffer
}

/** One life of one actor begins. */
export interface SpawnTask {
  readonly type: 'spawn-actor'
  readonly key: RunKey
  readonly incarnation: number
  readonly id: string
  readonly workflow: string
  readonly args: Encoded
  /** The journal so far, in order. */
  readonly journal: PackedEntries
  readonly waits: readonly { readonly index: number, readonly wait: Encoded }[]
  /** What is not recorded is not done: the actor stops there, as one that waits. */
  readonly isDry?: boolean
}

/** A life is over for good: its last word was said before, and nothing of it runs in the thread any more. */
export interface ActorReleased {
  readonly type: 'actor-released'
}

/** Many entries as one buffer that can be moved: entry i is bytes ends[i-1]..ends[i]. */
export interface PackedEntries {
  readonly bytes: Uint8Array
  readonly ends: Float64Array
}

export function packEntries(entries: readonly Encoded[]): PackedEntries {
  const ends = new Float64Array(entries.length)
  let size = 0
  for (const [i, entry] of entries.entries()) ends[i] = size += entry.length
  const bytes = new Uint8Array(size)
  for (const [i, entry] of entries.entries()) bytes.set(entry, i === 0 ? 0 : ends[i - 1]!)
  return { bytes, ends }
}

/** What a thread's module says about the workflows it defines. */
export interface WorkflowReport {
  readonly name: string
  readonly maxRespawns: number
  readonly respawnWindowMs: number
  readonly isolated: boolean
  readonly timeoutMs?: number
  readonly queue?: string
  /** A digest of the file of its module. */
  readonly version: string
  /** start() has its arguments checked by the workflow's schema, in a thread. */
  readonly checksArgs: boolean
}

export type BootReport =
  | { readonly type: 'booted', readonly workflows: readonly WorkflowReport[] }
  | { readonly type: 'boot-failed', readonly error: Encoded }

export interface Load {
  readonly heapBytes: number
  readonly heapLimitBytes: number
  readonly bufferBytes: number
  /** It has just collected its garbage, which took so long. */
  readonly collectedMs?: number
}

export type ThreadMessage =
  /** From now on this number stands for a step's name in its flight recorder. */
  | { readonly type: 'step-named', readonly nameId: number, readonly name: string }
  /** How large its heap is and may be, and what it holds outside of it (ArrayBuffers and the like): now and then, and when it is asked. */
  | ({ readonly type: 'thread-measured' } & Load)
  /** Last words of a thread that ends by its own code: which actor's, and which step's, if the code still knew. */
  | { readonly type: 'thread-dying', readonly key: RunKey | undefined, readonly incarnation: number, readonly index: number | undefined, readonly cause: string }
  | { readonly type: 'args-checked', readonly requestId: number, readonly args: Encoded }
  | { readonly type: 'args-refused', readonly requestId: number, readonly error: Encoded }

export type ThreadOrder =
  /** Whether it answers, too. */
  | { readonly type: 'tell-load' }
  /** The same, but garbage is to be collected first. */
  | { readonly type: 'collect-garbage' }
  | { readonly type: 'check-args', readonly requestId: number, readonly workflow: string, readonly args: Encoded }
