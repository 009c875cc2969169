/**
 * The supervisor on a thread of its own. What must be done so that the process can end at any moment:
 *  - the host sets `stop` and waits for 'closed' in its exit hook; this side looks at it before it opens the store, before
 *    each commit and on each message, closes the store and says so;
 *  - this thread is never ended from outside before that, because lmdb would be left in the midst of a transaction.
 */
import type { MessagePort } from 'node:worker_threads'
import { TroupeClosedError } from '../errors.ts'
import { CONTROL, CONTROL_STATE } from '../protocol/host.ts'
import type { HostMessage, SupervisorMessage, SupervisorOptions } from '../protocol/host.ts'
import type { Store } from '../store/contract.ts'
import { systemClock } from '../system.ts'
import { refusalBytes } from './refusal.ts'
import { Supervisor } from './supervisor.ts'
import type { SupervisorDependencies } from './supervisor.ts'

export interface SupervisorThreadData {
  readonly options: SupervisorOptions
  readonly control: SharedArrayBuffer
}

/** What arrives at the thread: the host's messages of one tick, or the order to stop at once. */
export type ToSupervisorThread = readonly HostMessage[] | 'stop'

export async function runSupervisorThread(
  port: MessagePort, data: SupervisorThreadData, dependencies: Pick<SupervisorDependencies, 'openStore' | 'actorEntry'>): Promise<void> {
  const control = new Int32Array(data.control)
  const isStopRequested = (): boolean => Atomics.load(control, CONTROL.stop) === 1
  const setState = (state: number): void => {
    Atomics.store(control, CONTROL.state, state)
    Atomics.notify(control, CONTROL.state)
  }
  // Also when this thread dies of an error: it is in no commit then, and the end of the process need not wait for it.
  process.once('exit', () => { setState(CONTROL_STATE.closed) })
  const out = new Outbox(port)
  const early: HostMessage[] = []
  let store: Store | undefined
  let supervisor: Supervisor | undefined
  let isClosed = false
  const stop = (): void => {
    // While lmdb is being opened nothing is closed yet: openStore sees the order, and 'closed' is said below.
    if (isClosed || store === undefined) return
    isClosed = true
    void stopNow(store, supervisor, setState).then(setState, () => { setState(CONTROL_STATE.closed) })
  }
  const openStore = async (options: SupervisorOptions): Promise<Store> => {
    const opened = await dependencies.openStore(options)
    if (!isStopRequested()) return store = opened
    await opened.close()
    throw new TroupeClosedError({ operation: 'open()' })
  }
  const failed = (): void => {
    isClosed = true
    setState(CONTROL_STATE.closed)
    out.flush()
    // The pool's threads go with this one.
    process.exit(1)
  }
  port.on('message', (messages: ToSupervisorThread) => {
    if (messages === 'stop' || isStopRequested()) return stop()
    for (const message of messages) {
      if (supervisor === undefined) early.push(message)
      else if (message.type === 'request' && message.request.type === 'close-supervisor') void close(message.requestId, message.request.mode, message.request.timeoutMs)
      else supervisor.receive(message)
    }
  })
  const close = async (requestId: number, mode: 'drain' | 'abandon', timeoutMs: number): Promise<void> => {
    const ended = await supervisor?.close(mode, timeoutMs)
    isClosed = true
    setState(ended === 'threads-left' ? CONTROL_STATE.stuck : CONTROL_STATE.closed)
    out.send({ type: 'reply', requestId, value: undefined })
    if (ended === 'threads-left') out.send({ type: 'threads-left' })
    out.flush()
    port.close() // nothing holds the thread any more
  }
  try {
    if (isStopRequested()) throw new TroupeClosedError({ operation: 'open()' })
    supervisor = await Supervisor.open(data.options, { ...dependencies, openStore, clock: systemClock, isStopRequested, failed, emit: message => { out.send(message) } })
  } catch (error) {
    isClosed = true
    setState(CONTROL_STATE.closed)
    out.send({ type: 'open-failed', error: refusalBytes(error) })
    out.flush()
    port.close()
    return
  }
  if (isStopRequested()) return stop()
  setState(CONTROL_STATE.open)
  out.send({ type: 'opened', workflows: supervisor.workflows })
  for (const message of early) supervisor.receive(message)
}

/** Gives the state that the host is to know at the end. */
async function stopNow(store: Store, supervisor: Supervisor | undefined, setState: (state: number) => void): Promise<number> {
  if (supervisor === undefined) {
    await store.close()
    return CONTROL_STATE.closed
  }
  await supervisor.stopNow()
  setState(CONTROL_STATE.ending)
  // The process ends only when all threads have: where one cannot, the host has to know.
  return await supervisor.endThreads() === 'threads-left' ? CONTROL_STATE.stuck : CONTROL_STATE.closed
}

/** Everything of one turn in one message. */
class Outbox {
  readonly #port: MessagePort
  #messages: SupervisorMessage[] = []

  constructor(port: MessagePort) {
    this.#port = port
  }

  send(message: SupervisorMessage): void {
    this.#messages.push(message)
    if (this.#messages.length === 1) queueMicrotask(() => { this.flush() })
  }

  flush(): void {
    if (this.#messages.length === 0) return
    this.#port.postMessage(this.#messages)
    this.#messages = []
  }
}
