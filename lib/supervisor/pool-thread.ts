/** What the pool keeps of a worker thread. */
import { inspect } from 'node:util'
import type { EventLoopUtilization } from 'node:perf_hooks'
import type { MessagePort, Worker } from 'node:worker_threads'
import type { RunKey } from '../model/run.ts'
import type { BatchWriter } from '../protocol/batch.ts'
import type { FlightRecorder } from '../protocol/flight-recorder.ts'
import type { ToThread } from '../protocol/orders.ts'
import type { ThreadMessage } from '../protocol/thread.ts'
import type { Pulse, Sentence } from './pulse.ts'

export interface Thread {
  readonly worker: Worker
  readonly threadId: number
  readonly port: MessagePort
  readonly out: BatchWriter<ToThread>
  readonly recorder: FlightRecorder
  /** Of steps in the recorder, by number. */
  readonly stepNames: Map<number, string>
  ready: boolean
  /** Lives that are not over. */
  readonly actors: Map<RunKey, number>
  readonly pulse: Pulse
  /** Event-loop utilization is told since the last time it was asked for. */
  measuredFrom: EventLoopUtilization
  lastWords: (ThreadMessage & { type: 'thread-dying' }) | undefined
  error: unknown
  deliberate: boolean
  sentence: Sentence | undefined
  /** What it still says is not heard any more: it is crashing, by a test's wish. */
  deaf: boolean
  ended: boolean
}

/** Completes "its thread ...". */
export function describeEnd(thread: Thread, code: number, threadHeapMiB: number | undefined): string {
  const { error, lastWords } = thread
  if (error instanceof Error && (error as { code?: unknown }).code === 'ERR_WORKER_OUT_OF_MEMORY') {
    return `ran out of memory${threadHeapMiB === undefined ? '' : `: its heap grew past the threadHeapMiB of ${threadHeapMiB}`}`
  }
  if (lastWords !== undefined) return lastWords.cause
  if (error !== undefined) return `ended with ${error instanceof Error ? `${error.name}: ${error.message}` : inspect(error)}`
  return `exited with code ${code}`
}
