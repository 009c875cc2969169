/** A supervisor on the test's own thread: the other hosting. Its threads are real; its clock and its store may be the test's. */
import { fileURLToPath } from 'node:url'
import type { Troupe } from 'troupe'
import type { LinkListener } from '../lib/client/link.ts'
import { encodeError } from '../lib/codec/error.ts'
import type { Clock } from '../lib/model/clock.ts'
import type { SupervisorMessage, SupervisorOptions } from '../lib/protocol/host.ts'
import type { Store } from '../lib/store/contract.ts'
import { openLmdbStore } from '../lib/store/lmdb/index.ts'
import { Supervisor } from '../lib/supervisor/supervisor.ts'
import { systemClock } from '../lib/system.ts'

export interface InlineOptions {
  readonly clock?: Clock
  /** Default: LMDB in the folder that the options name. */
  readonly openStore?: (options: SupervisorOptions) => Store | Promise<Store>
}

/** Messages cross as they would between threads: cloned, and in turns of their own. */
export function inlineLink({ clock = systemClock, openStore = openLmdb }: InlineOptions = {}): Parameters<typeof Troupe.openOver>[1] {
  return (options, listener) => {
    let supervisor: Supervisor | undefined
    const emit = (message: SupervisorMessage): void => { deliver(listener, message) }
    const opening = Supervisor.open(options, {
      clock, openStore, emit,
      isStopRequested: () => false,
      failed: () => { setImmediate(() => { listener.ended(undefined) }) },
      actorEntry: fileURLToPath(new URL('../workers/actor.cjs', import.meta.url)),
    }).then(opened => {
      supervisor = opened
      emit({ type: 'opened', workflows: opened.workflows })
    }, (error: unknown) => {
      emit({ type: 'open-failed', error: 'error' in Object(error) ? (error as { readonly error: ReturnType<typeof encodeError> }).error : encodeError(error) })
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
