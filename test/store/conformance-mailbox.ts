/** What every store must do with messages, events and streams. */
import type { Test } from 'tap'
import type { Change } from '../../lib/store/contract.ts'
import type { RunKey } from '../../lib/model/run.ts'
import type { OpenStore } from './conformance.ts'
import { bytes, newRun, plain, started, text } from './runs.ts'

/** Names at the edges of what a name may be. */
export const NAMES = ['a', 'a\0', 'ab', '\0', 'é😀\uffff', 'x'.repeat(512), '😀'.repeat(128)]
export const NO_NAMES = ['', 'x'.repeat(513), 'a\ud800b']

export async function conformsInMailboxes(t: Test, open: OpenStore): Promise<void> {
  await conformsInMessages(t, open)
  await conformsInEvents(t, open)
  await conformsInStreams(t, open)

  await t.test('a name that cannot be a key is refused with its whole commit, and nothing is found under it', async t => {
    const store = await open(t)
    const run = newRun(store)
    await store.commit([started(run)])
    const { key } = run
    for (const name of NO_NAMES) {
      const changes: Change[] = [
        { type: 'message-stored', key, row: { sequence: 0, message: bytes(1) }, idempotencyKey: name },
        { type: 'message-stored', key, row: { sequence: 0, message: bytes(1), topic: name } },
        { type: 'event-set', key, name, value: bytes(1) },
        { type: 'stream-appended', key, stream: name, position: 0, value: bytes(1) },
        { type: 'stream-closed', key, stream: name },
        { type: 'awaiter-added', child: key, parent: key, index: 0, event: name },
      ]
      for (const change of changes) {
        await t.rejects(async () => store.commit([{ type: 'timer-set', key, slot: 0, dueAtMs: 1 }, change]), { code: 'TROUPE_INTERNAL' }, change.type)
      }
      t.equal(store.hasMessageKey(key, name), false)
      t.equal(store.readEvent(key, name), undefined)
      t.same(store.readStream(key, name, 0, 10), { values: [], length: 0, closed: false })
    }
    t.same(store.scanTimers(undefined, 10), [])
    t.same(store.loadRun(key)!.messages, [])
    t.same(store.loadRun(key)!.awaiters, [])
  })
}

async function conformsInMessages(t: Test, open: OpenStore): Promise<void> {
  const stored = (key: RunKey, sequence: number, message: string, topic?: string): Change => (
    { type: 'message-stored', key, row: { sequence, message: text(message), ...(topic === undefined ? {} : { topic }) } })
  const removed = (key: RunKey, sequence: number): Change => ({ type: 'message-removed', key, sequence })

  await t.test('messages are loaded in order of arrival, each with its topic or without one, and removed one by one', async t => {
    const store = await open(t)
    const [run, other] = [newRun(store), newRun(store)] as const
    await store.commit([started(run), started(other), stored(run.key, 300, 'late', 'pay'), stored(run.key, 2, 'early'), stored(run.key, 2 ** 40, 'last', 'é\0')])
    t.same(plain(store.loadRun(run.key)!.messages), plain([
      { sequence: 2, message: text('early') }, { sequence: 300, topic: 'pay', message: text('late') }, { sequence: 2 ** 40, topic: 'é\0', message: text('last') },
    ]))
    t.same(store.loadRun(other.key)!.messages, [])
    await store.commit([removed(run.key, 300), removed(run.key, 301)])
    t.same(store.loadRun(run.key)!.messages.map(({ sequence }) => sequence), [2, 2 ** 40])
  })

  await t.test('a message that is stored and removed in one commit was never there, and one that is removed and stored is', async t => {
    const store = await open(t)
    const run = newRun(store)
    await store.commit([started(run), stored(run.key, 0, 'passing'), removed(run.key, 0), stored(run.key, 1, 'kept')])
    t.same(store.loadRun(run.key)!.messages.map(({ sequence }) => sequence), [1])
    await store.commit([removed(run.key, 1), stored(run.key, 1, 'again')])
    t.same(plain(store.loadRun(run.key)!.messages), plain([{ sequence: 1, message: text('again') }]))
  })

  await t.test('an idempotency key is remembered after its message was removed, for its run alone', async t => {
    const store = await open(t)
    const [run, other] = [newRun(store), newRun(store)] as const
    await store.commit([started(run), started(other)])
    for (const [sequence, idempotencyKey] of NAMES.entries()) {
      t.equal(store.hasMessageKey(run.key, idempotencyKey), false)
      await store.commit([{ type: 'message-stored', key: run.key, row: { sequence, message: bytes(1) }, idempotencyKey }, removed(run.key, sequence)])
      t.equal(store.hasMessageKey(run.key, idempotencyKey), true)
      t.equal(store.hasMessageKey(other.key, idempotencyKey), false)
    }
    t.same(store.loadRun(run.key)!.messages, [])
    t.equal(store.hasMessageKey(run.key, 'b'), false)
  })

  await t.test('an empty message and a large one come back whole', async t => {
    const store = await open(t)
    const run = newRun(store)
    const large = new Uint8Array(2_000_000).fill(9)
    await store.commit([started(run), { type: 'message-stored', key: run.key, row: { sequence: 0, message: bytes() } }, { type: 'message-stored', key: run.key, row: { sequence: 1, message: large as never } }])
    const [empty, read] = store.loadRun(run.key)!.messages
    t.equal(empty!.message.length, 0)
    t.equal(Buffer.compare(read!.message, large), 0)
  })
}

async function conformsInEvents(t: Test, open: OpenStore): Promise<void> {
  await t.test('of the values set under a name the last is kept, also within one commit', async t => {
    const store = await open(t)
    const [run, other] = [newRun(store), newRun(store)] as const
    await store.commit([started(run), started(other)])
    const set = (name: string, value: string): Change => ({ type: 'event-set', key: run.key, name, value: text(value) })
    for (const name of NAMES) {
      t.equal(store.readEvent(run.key, name), undefined)
      await store.commit([set(name, 'first')])
      await store.commit([set(name, 'second'), set(name, `third of ${name}`)])
    }
    for (const name of NAMES) t.same(plain(store.readEvent(run.key, name)), plain(text(`third of ${name}`)))
    t.equal(store.readEvent(other.key, 'a'), undefined)
    await store.commit([{ type: 'event-set', key: run.key, name: 'a', value: bytes() }])
    t.equal(store.readEvent(run.key, 'a')!.length, 0, 'an empty value is a value')
  })

  await t.test('an awaiter keeps the event it waits for, and can be told to wait for another or for the outcome', async t => {
    const store = await open(t)
    const [child, parent] = [newRun(store), newRun(store)] as const
    const added = (index: number, event?: string): Change => ({ type: 'awaiter-added', child: child.key, parent: parent.key, index, ...(event === undefined ? {} : { event }) })
    await store.commit([started(child), started(parent), added(0), ...NAMES.map((name, i) => added(i + 1, name))])
    t.same(store.loadRun(child.key)!.awaiters, [{ parent: parent.key, index: 0 }, ...NAMES.map((event, i) => ({ parent: parent.key, index: i + 1, event }))])
    await store.commit([added(0, 'ready'), added(1), { type: 'awaiter-removed', child: child.key, parent: parent.key, index: 2 }])
    t.same(store.loadRun(child.key)!.awaiters.slice(0, 3), [{ parent: parent.key, index: 0, event: 'ready' }, { parent: parent.key, index: 1 }, { parent: parent.key, index: 3, event: NAMES[2] }])
  })
}

async function conformsInStreams(t: Test, open: OpenStore): Promise<void> {
  const appended = (key: RunKey, stream: string, position: number): Change => (
    { type: 'stream-appended', key, stream, position, value: text(`${stream.slice(0, 9)} ${position}`) })

  await t.test('streams are read in parts, without those of their neighbours, each with its length', async t => {
    const store = await open(t)
    const [run, other] = [newRun(store), newRun(store)] as const
    await store.commit([started(run), started(other)])
    for (const stream of NAMES) await store.commit([0, 1, 2].map(position => appended(run.key, stream, position)))
    await store.commit([appended(run.key, 'a', 3), appended(run.key, 'a', 4)])
    for (const stream of NAMES) {
      const length = stream === 'a' ? 5 : 3
      const values = Array.from({ length }, (_, position) => text(`${stream.slice(0, 9)} ${position}`))
      t.same(plain(store.readStream(run.key, stream, 0, 100)), plain({ values, length, closed: false }))
      t.same(plain(store.readStream(run.key, stream, 1, 1)), plain({ values: values.slice(1, 2), length, closed: false }))
      t.same(store.readStream(run.key, stream, length, 10), { values: [], length, closed: false })
      t.same(store.readStream(run.key, stream, 2 ** 50, 10), { values: [], length, closed: false })
      t.same(store.readStream(run.key, stream, 0, 0), { values: [], length, closed: false })
      t.same(store.readStream(other.key, stream, 0, 10), { values: [], length: 0, closed: false })
    }
    t.same(store.readStream(run.key, 'b', 0, 10), { values: [], length: 0, closed: false }, 'one that nobody wrote')
  })

  await t.test('a stream that is closed, with values or without any, keeps its values and its length', async t => {
    const store = await open(t)
    const run = newRun(store)
    const { key } = run
    await store.commit([started(run), appended(key, 'a', 0), appended(key, 'b', 0)])
    await store.commit([appended(key, 'a', 1), { type: 'stream-closed', key, stream: 'a' }, { type: 'stream-closed', key, stream: 'empty' }])
    t.same(plain(store.readStream(key, 'a', 0, 10)), plain({ values: [text('a 0'), text('a 1')], length: 2, closed: true }))
    t.same(plain(store.readStream(key, 'a', 1, 10)), plain({ values: [text('a 1')], length: 2, closed: true }))
    t.same(store.readStream(key, 'a', 2, 10), { values: [], length: 2, closed: true })
    t.same(store.readStream(key, 'empty', 0, 10), { values: [], length: 0, closed: true })
    t.equal(store.readStream(key, 'b', 0, 10).closed, false)
    await store.commit([{ type: 'stream-closed', key, stream: 'a' }])
    t.equal(store.readStream(key, 'a', 0, 10).length, 2, 'also when it is closed again')
  })
}
