/** How often the supervisor asks its store, and what it keeps for that. */
import t from 'tap'
import type { Test } from 'tap'
import { Troupe } from 'troupe'
import { systemClock } from '../../lib/system.ts'
import { createMemoryStore } from '../../lib/store/memory/index.ts'
import { SCRIPT, untilWaits } from '../operations/troupes.ts'
import { recordingLogger } from '../harness.ts'
import { inlineLink } from '../harness-inline.ts'

async function openCounting(t: Test): Promise<{ readonly troupe: Troupe, asked(name: string): number }> {
  const memory = createMemoryStore()
  const asked = new Map<string | symbol, number>()
  const store = new Proxy(memory, { get: (target, name) => {
    asked.set(name, (asked.get(name) ?? 0) + 1)
    const value = Reflect.get(target, name) as unknown
    return typeof value === 'function' ? value.bind(target) as unknown : value
  } })
  const options = { store: '/nowhere', workflows: SCRIPT, threads: 1, actorsPerThread: 1, logger: recordingLogger() }
  const troupe = await Troupe.openOver(options, inlineLink({ openStore: () => store, clock: systemClock }))
  t.teardown(() => troupe.close({ mode: 'abandon' }))
  return { troupe, asked: name => asked.get(name) ?? 0 }
}

t.test('messages sent one by one to a run without an actor do not read its mailbox again each time', async t => {
  const { troupe, asked } = await openCounting(t)
  const receiver = await troupe.start('script', [{ do: 'receive', topic: 'go' }, ...Array.from({ length: 300 }, () => ({ do: 'receive', topic: 'work' }))])
  await untilWaits(receiver, /go/)
  // Its thread has one place: another run takes it.
  await (await troupe.start('script', [])).result()
  const before = asked('loadRun')
  for (let i = 0; i < 300; i++) await receiver.send(i, { topic: 'work', ...(i % 3 === 0 && { idempotencyKey: `key ${i}` }) })
  t.ok(asked('loadRun') - before < 10, `${asked('loadRun') - before} times`)
  await receiver.send('again', { topic: 'work', idempotencyKey: 'key 0' })
  await receiver.send('now', { topic: 'go' })
  const came = await receiver.result() as readonly { readonly value: unknown }[]
  t.same(came, ['now', ...Array.from({ length: 300 }, (_, i) => i)])
})

t.test('many runs with mail are not all kept: what is read again is the same', async t => {
  const { troupe, asked } = await openCounting(t)
  const receivers = await troupe.startMany('script', Array.from({ length: 20 }, () => ({ args: [{ do: 'receive', topic: 'go' }, { do: 'receive' }, { do: 'receive' }] })))
  for (const receiver of receivers) await untilWaits(receiver, /go/)
  await (await troupe.start('script', [])).result()
  const before = asked('loadRun')
  const large = 'x'.repeat(1_000_000)
  for (const half of ['a', 'b']) for (const receiver of receivers) await receiver.send(half + large)
  t.ok(asked('loadRun') - before > 20, 'their messages are more than may stay in memory')
  for (const receiver of receivers) await receiver.send('go', { topic: 'go' })
  for (const receiver of receivers) t.same((await receiver.result() as readonly string[]).map(text => text.slice(0, 2)), ['go', 'ax', 'bx'])
})

t.test('startMany looks each id up once', async t => {
  const { troupe, asked } = await openCounting(t)
  await (await troupe.start('script', [], { id: 'known' })).result()
  const before = asked('findRun')
  const ids = ['known', ...Array.from({ length: 200 }, (_, i) => `run ${i % 150}`)]
  const handles = await troupe.startMany('script', ids.map(id => ({ args: [], options: { id } })))
  t.equal(asked('findRun') - before, ids.length)
  t.same(handles.map(({ id }) => id), ids)
  await Promise.all(handles.map(handle => handle.result()))
  t.equal(await troupe.count(), 151, 'those that are there twice are one run')
  const twins = await troupe.startMany('script', [0, 1, 2].map(() => ({ args: [], options: { queue: 'q', deduplicationId: 'same' } })))
  t.equal(new Set(twins.map(({ id }) => id)).size, 1, 'so are those that deduplicate')
})
