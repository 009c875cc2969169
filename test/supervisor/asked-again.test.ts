/** What a supervisor did not answer is asked again of the next one, as something that may have been done. */
import t from 'tap'
import { SupervisorProxy } from '../../lib/client/proxy.ts'
import type { LinkListener } from '../../lib/client/link.ts'
import type { Encoded } from '../../lib/codec/encoded.ts'
import type { HostMessage, SupervisorOptions } from '../../lib/protocol/host.ts'
import { recordingLogger } from '../harness.ts'

const OPTIONS: SupervisorOptions = { store: '', modules: [], threads: 1, actorsPerThread: 1, durability: 'process-crash' }
const args = new Uint8Array([1]) as Encoded

t.test('an id that was new when a start was asked for need not be new any more', async t => {
  const sent: HostMessage[][] = []
  let listener: LinkListener | undefined
  const opening = SupervisorProxy.open(OPTIONS, (_, itsListener) => {
    const messages: HostMessage[] = []
    sent.push(messages)
    listener = itsListener
    queueMicrotask(() => { itsListener.received([{ type: 'opened', workflows: [] }]) })
    return { send: more => { messages.push(...more) }, setRef: () => {} }
  }, recordingLogger())
  const proxy = await opening
  const runs = [{ id: 'made', idIsNew: true, workflow: 'w', args, priority: 3 }, { id: 'given', workflow: 'w', args }] as const
  const reply = proxy.ask<'start-runs'>({ type: 'start-runs', runs })
  await Promise.resolve()
  t.match(sent[0], [{ request: { type: 'start-runs', runs } }])
  listener!.ended('by a test')
  await new Promise(resolve => { setImmediate(resolve) })
  t.same(sent[1], [{ type: 'request', requestId: 1, request: { type: 'start-runs', runs: [{ id: 'made', workflow: 'w', args, priority: 3 }, { id: 'given', workflow: 'w', args }] } }])
  listener!.received([{ type: 'reply', requestId: 1, value: {} }])
  t.same(await reply, {})
  t.equal(proxy.supervisorDeaths, 1)
})
