/**
 * The way to a supervisor, wherever it stands. The one here is a thread of its own; tests put it on the host's thread.
 */
import { Worker } from 'node:worker_threads'
import { CONTROL, CONTROL_BYTES, CONTROL_STATE } from '../protocol/host.ts'
import type { HostMessage, SupervisorMessage, SupervisorOptions } from '../protocol/host.ts'
import { monotonicMs } from '../system.ts'

export interface SupervisorLink {
  send(messages: readonly HostMessage[]): void
  /** Whether it keeps the process alive. */
  setRef(keepsAlive: boolean): void
}

export interface LinkListener {
  received(messages: readonly SupervisorMessage[]): void
  /** It is gone; after 'closed' or 'open-failed' that is as it should be. */
  ended(cause: unknown): void
}

export type OpenLink = (options: SupervisorOptions, listener: LinkListener) => SupervisorLink

/**
 * How long the end of the process waits for the store to be closed, and then for the threads to end. A supervisor that is still starting on
 * a machine with ten times the work it can do takes seconds.
 */
const EXIT_WAIT_MS = 10_000
const THREADS_WAIT_MS = 6000

/**
 * Starts a supervisor's thread. When the process ends while it works, the exit hook waits until it has closed the store:
 * without that some exits in a hundred hang or abort in lmdb.
 */
export function openThreadLink(entry: URL, warn: (message: string) => void): OpenLink {
  return (options, listener) => {
    const control = new SharedArrayBuffer(CONTROL_BYTES)
    const state = new Int32Array(control)
    let worker: Worker | undefined
    const hook = (): void => { waitUntilClosed(state, worker, warn) }
    // Before the thread exists, and in front of other listeners: one that throws would keep a later one from being called.
    process.prependListener('exit', hook)
    worker = new Worker(entry, { workerData: { options, control }, stdout: false, stderr: false })
    worker.on('message', (messages: readonly SupervisorMessage[]) => { listener.received(messages) })
    let cause: unknown
    worker.on('error', error => { cause = error })
    worker.on('exit', () => {
      process.off('exit', hook)
      listener.ended(cause)
    })
    const thread = worker
    return {
      send: messages => { thread.postMessage(messages) },
      setRef: keepsAlive => {
        if (keepsAlive) thread.ref()
        else thread.unref()
      },
    }
  }
}

function waitUntilClosed(state: Int32Array, worker: Worker | undefined, warn: (message: string) => void): void {
  if (Atomics.load(state, CONTROL.state) === CONTROL_STATE.closed || worker === undefined) return
  Atomics.store(state, CONTROL.stop, 1)
  worker.postMessage('stop')
  let deadline = monotonicMs() + EXIT_WAIT_MS
  for (let before: number = CONTROL_STATE.open; ;) {
    const now = Atomics.load(state, CONTROL.state)
    if (now === CONTROL_STATE.closed) return
    if (now === CONTROL_STATE.ending && before !== now) deadline = monotonicMs() + THREADS_WAIT_MS
    before = now
    const leftMs = deadline - monotonicMs()
    if (leftMs <= 0 || now === CONTROL_STATE.stuck) break
    Atomics.wait(state, CONTROL.state, now, leftMs)
  }
  // The store survives a kill; a hang would need a person.
  const { boot, open } = CONTROL_STATE
  const isStoreOpen = ([boot, open] as readonly number[]).includes(Atomics.load(state, CONTROL.state))
  warn(isStoreOpen ? `The store was not closed within ${EXIT_WAIT_MS} ms of the end of the process; the process is killed, and nothing acknowledged is lost.`
    : 'A step is in native code that does not return, so that the process cannot end by itself; it is killed, and nothing acknowledged is lost.')
  process.kill(process.pid, 'SIGKILL')
}
