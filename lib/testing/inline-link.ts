/** A supervisor on its host's own thread: the other hosting. Its threads are real; its clock and its store may be a test's. */
import { fileURLToPath } from 'node:url'
import type { LinkListener, OpenLink } from '../client/link.ts'
import type { Clock } from '../model/clock.ts'
import type { SupervisorMessage, SupervisorOptions } from '../protocol/host.ts'
import type { Store } from '../store/contract.ts'
import { openLmdbStore } from '../store/lmdb/index.ts'
import type { Probe } from '../supervisor/probe.ts'
import { refusalBytes } from '../supervisor/refusal.ts'
import { Supervisor } from '../supervisor/supervisor.ts'
import { systemClock } from '../system.ts'

/** The file that a worker thread begins with. */
export const ACTOR_ENTRY = fileURLToPath(new URL('../../workers/actor.cjs', import.meta.url))

export interface InlineOptions {
  readonly clock?: Clock
  /** Default: LMDB in the folder that the options name. */
  readonly openStore?: (options: SupervisorOptions) => Store | Promise<Store>
  readonly probe?: Probe
  /** It is open, and recovers no further. Called again for one that replaces it. */
  readonly opened?: (supervisor: Supervisor) => void
}

/** Messages cross as they would between threads: cloned, and in turns of their own. */
export function inlineLink({ clock = systemClock, openStore = openLmdb, probe = {}, opened = () => {} }: InlineOptions = {}): OpenLink {
  return (options, listener) => {
    let supervisor: Supervisor | undefined
    const emit = (message: SupervisorMessage): void => { deliver(listener, message) }
    const opening = Supervisor.open(options, {
      clock, openStore, emit, probe,
      isStopRequested: () => false,
      failed: () => { setImmediate(() => { listener.ended(undefined) }) },
      actorEntry: ACTOR_ENTRY,
    }).then(ready => {
      supervisor = ready
      opened(ready)
      emit({ type: 'opened', workflows: ready.workflows })
    }, (error: unknown) => {
      emit({ type: 'open-failed', error: refusalBytes(error) })
      setImmediate(() => { listener.ended(undefined) })
    })
    return {
      send: messages => {
        const cloned = structuredClone(messages)
        void opening.then(async () => {
          for (const message of cloned) {
            if (message.type !== 'request' || message.request.type !== 'close-supervisor') {
              supervisor?.receive(message)
              continue
            }
            await supervisor?.close(message.request.mode, message.request.timeoutMs)
            emit({ type: 'reply', requestId: message.requestId, value: undefined })
            setImmediate(() => { listener.ended(undefined) })
          }
        })
      },
      setRef: () => {}, // the threads hold the process
    }
  }
}

function deliver(listener: LinkListener, message: SupervisorMessage): void {
  const cloned = structuredClone(message)
  setImmediate(() => { listener.received([cloned]) })
}

function openLmdb({ store, durability }: SupervisorOptions): Promise<Store> {
  return openLmdbStore({ folder: store, durability })
}
