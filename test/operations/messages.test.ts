import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { MailboxFullError, RunCancelledError, UnknownRunError } from 'troupe'
import { rejection, storeFolder, until } from '../harness.ts'
import { ManualClock } from '../manual-clock.ts'
import { readTrace } from '../fixtures/trace.js'
import type { Op } from '../fixtures/operations/script.ts'
import { openAt, openScripts, untilWaits } from './troupes.ts'

const RECEIVE: Op = { do: 'receive' }
const receiveOn = (topic: string): Op => ({ do: 'receive', topic })

t.setTimeout(110_000)

const shared = await openScripts(t)

/** The Troupe that most tests share, and a folder of the test's own. */
function within(t: Test): typeof shared {
  return { ...shared, folder: t.testdir({}) }
}

t.test('messages sent before anyone waits are kept, and each topic has its own order', async t => {
  const { run, folder } = within(t)
  const gate = join(folder, 'gate')
  const receiver = await run([{ do: 'gate', file: gate }, receiveOn('b'), RECEIVE, receiveOn('a'), receiveOn('b'), RECEIVE, receiveOn('a')])
  for (const n of [1, 2]) {
    await receiver.send(`plain ${n}`)
    for (const topic of ['a', 'b']) await receiver.send(`${topic} ${n}`, { topic })
  }
  writeFileSync(gate, '')
  t.same(await receiver.result(), [undefined, 'b 1', 'plain 1', 'a 1', 'b 2', 'plain 2', 'a 2'])
})

t.test('a hundred messages sent at once come in the order of sending', async t => {
  const { run } = within(t)
  const receiver = await run(Array.from({ length: 100 }, () => RECEIVE))
  await Promise.all(Array.from({ length: 100 }, (_, n) => receiver.send(n)))
  t.same(await receiver.result(), Array.from({ length: 100 }, (_, n) => n))
})

t.test('a message with a topic is not for those who wait without one, nor the other way round', async t => {
  const { run } = within(t)
  const plain = await run([RECEIVE])
  const topical = await run([receiveOn('receive')])
  await untilWaits(plain, /^a message$/)
  await untilWaits(topical, /^a message on topic "receive"$/)
  await plain.send('other', { topic: 'receive' })
  await topical.send('other')
  await plain.send('mine')
  await topical.send('mine', { topic: 'receive' })
  t.same(await plain.result(), ['mine'])
  t.same(await topical.result(), ['mine'])
})

t.test('a receive whose time is up gives undefined, and a later message is for the next one', async t => {
  const clock = new ManualClock()
  const store = storeFolder(t)
  const troupe = await openAt(t, store, clock)
  const run = await troupe.start<Op[], unknown[]>('script', [{ do: 'receive', timeoutSeconds: 3600 }, RECEIVE])
  await untilWaits(run, /^a message, until /)
  clock.turn(3_599_999)
  t.match(await run.info(), { status: 'waiting', waitsFor: /^a message, until / })
  clock.turn(1)
  await untilWaits(run, /^a message$/)
  await run.send('late')
  t.same(await run.result(), [undefined, 'late'])
})

t.test('the time of a receive counts from its first call, over restarts', async t => {
  const clock = new ManualClock()
  const store = storeFolder(t)
  const before = await openAt(t, store, clock)
  const run = await before.start<Op[], unknown[]>('script', [{ do: 'receive', timeoutSeconds: 3600 }], { id: 'run' })
  await untilWaits(run, /^a message, until /)
  const { waitsFor } = await run.info()
  clock.turn(1_800_000)
  await before.close({ mode: 'abandon' })
  const after = await openAt(t, store, clock)
  const again = await after.get<unknown[]>('run')
  t.equal((await again.info()).waitsFor, waitsFor, 'the due time is the same')
  clock.turn(1_800_000)
  t.same(await again.result(), [undefined])
})

t.test('with timeoutSeconds 0 a receive takes what is there, and gives undefined when nothing is', async t => {
  const { run, folder } = within(t)
  const gate = join(folder, 'gate')
  const receiver = await run([
    { do: 'receive', timeoutSeconds: 0 }, { do: 'gate', file: gate }, { do: 'receive', timeoutSeconds: 0 }, { do: 'receive', timeoutSeconds: 0 },
  ])
  await until('it is past the first receive', async () => (await receiver.steps()).length > 1)
  await receiver.send('there')
  writeFileSync(gate, '')
  t.same(await receiver.result(), [undefined, undefined, 'there', undefined])
})

t.test('several receives at once on one topic get a message each, in the order of their calls', async t => {
  const { run } = within(t)
  const receiver = await run([{ do: 'all', of: [receiveOn('x'), RECEIVE, receiveOn('x'), receiveOn('x'), RECEIVE] }])
  await untilWaits(receiver, /topic "x".*and 2 more|(a message.*){5}/)
  for (const n of [1, 2, 3]) await receiver.send(`x ${n}`, { topic: 'x' })
  for (const n of [1, 2]) await receiver.send(n)
  t.same(await receiver.result(), [['x 1', 1, 'x 2', 'x 3', 2]])
})

t.test('a run sends to others and to itself', async t => {
  const { run } = within(t)
  const receiver = await run([receiveOn('from run'), RECEIVE], { id: 'receiver' })
  const sender = await run([
    { do: 'send', to: 'receiver', message: 'plain' }, { do: 'send', to: 'receiver', message: 'topical', topic: 'from run' },
    { do: 'send', to: 'sender', message: 'to myself' }, RECEIVE,
  ], { id: 'sender' })
  t.same(await sender.result(), [undefined, undefined, undefined, 'to myself'])
  t.same(await receiver.result(), ['topical', 'plain'])
  t.match(await sender.steps(), [{ kind: 'send', status: 'succeeded' }, { kind: 'send' }, { kind: 'send' }, { kind: 'receive', result: 'to myself' }])
})

t.test('a message to an unknown run is UnknownRunError in the workflow, which may catch it, the same on replay', async t => {
  const { run, folder } = within(t)
  const lives = join(folder, 'lives')
  const sender = await run([{ do: 'send', to: 'nobody', message: 1 }, { do: 'tell', file: lives }, { do: 'die', once: join(folder, 'died') }, { do: 'tell', file: lives }])
  const unknown = { error: 'UnknownRunError', code: 'TROUPE_UNKNOWN_RUN', runId: 'nobody' }
  t.same(await sender.result(), [unknown, undefined])
  t.same(readTrace(lives).map(fact => (fact as { readonly came: readonly unknown[] }).came[0]), [unknown, unknown, unknown])
  t.match(await sender.steps(), [{ kind: 'send', status: 'failed' }])
})

t.test('a message from the host to a run that is no more is UnknownRunError', async t => {
  const { run, troupe } = within(t)
  const gone = await run([])
  await gone.result()
  await troupe.prune({ finishedBefore: new Date(Date.now() + 60_000) })
  const error = await rejection(gone.send('hello'))
  t.ok(error instanceof UnknownRunError)
  t.match(error, { code: 'TROUPE_UNKNOWN_RUN', runId: gone.id })
})

t.test('a second message under one idempotency key changes nothing, taken or not, over restarts', async t => {
  const scripts = await openScripts(t)
  const receiver = await scripts.run([RECEIVE, RECEIVE, receiveOn('end')], { id: 'receiver' })
  for (const message of ['first', 'again', 'and again']) await receiver.send(message, { idempotencyKey: 'key 1' })
  await untilWaits(receiver, /^a message$/)
  await receiver.send('taken long ago', { idempotencyKey: 'key 1' })
  const after = await scripts.reopen()
  const again = await after.troupe.get<unknown[]>('receiver')
  await again.send('known over restarts', { idempotencyKey: 'key 1' })
  await Promise.all([1, 2, 3].map(() => again.send('second', { idempotencyKey: 'key 2' })))
  await again.send('end', { topic: 'end' })
  t.same(await again.result(), ['first', 'second', 'end'])
})

t.test('an idempotency key counts for its run alone', async t => {
  const { run } = within(t)
  const runs = await Promise.all([run([RECEIVE]), run([RECEIVE])])
  for (const each of runs) await each.send(each.id, { idempotencyKey: 'the same' })
  for (const each of runs) t.same(await each.result(), [each.id])
})

t.test('a mailbox takes 10,000 messages and no more, from host and workflow, until one is received', async t => {
  const { run, folder } = within(t)
  const gate = join(folder, 'gate')
  const full = await run([{ do: 'gate', file: gate }, RECEIVE, receiveOn('go'), RECEIVE, RECEIVE], { id: 'full' })
  const sent = Array.from({ length: 10_000 }, (_, n) => n)
  await Promise.all(sent.map(n => full.send(n)))
  for (const options of [{}, { topic: 'go' }, { idempotencyKey: 'k' }]) {
    const error = await rejection(full.send('too many', options))
    t.ok(error instanceof MailboxFullError)
    t.match(error, { code: 'TROUPE_MAILBOX_FULL', runId: 'full', message: /10000/ })
  }
  const sender = await run([{ do: 'send', to: 'full', message: 'too many' }, { do: 'die', once: join(folder, 'died') }, RECEIVE])
  await untilWaits(sender, /message/)
  writeFileSync(gate, '')
  await untilWaits(full, /topic "go"/)
  await full.send('go', { topic: 'go', idempotencyKey: 'k' })
  t.same(await full.result(), [undefined, 0, 'go', 1, 2])
  await sender.send('end')
  t.same(await sender.result(), [{ error: 'MailboxFullError', code: 'TROUPE_MAILBOX_FULL', runId: 'full' }, undefined, 'end'])
})

t.test('lives of one waiting run agree on the message that was taken', async t => {
  const scripts = await openScripts(t, { threads: 1 })
  const lives = join(scripts.folder, 'lives')
  const deaths = [1, 2, 3].map((n): Op => ({ do: 'die', once: join(scripts.folder, `died ${n}`) }))
  await scripts.run([RECEIVE, { do: 'tell', file: lives }, ...deaths, receiveOn('end'), { do: 'tell', file: lives }], { id: 'receiver' })
  // Two recoveries while it waits, and nobody has sent anything.
  const second = await scripts.reopen()
  const { troupe } = await second.reopen()
  const receiver = await troupe.get<unknown[]>('receiver')
  for (const message of ['first', 'second', 'third']) await receiver.send(message)
  await untilWaits(receiver, /topic "end"/)
  await receiver.send('end', { topic: 'end' })
  t.same(await receiver.result(), ['first', undefined, undefined, undefined, 'end'])
  const seen = readTrace(lives) as { readonly life: number, readonly came: readonly unknown[] }[]
  t.ok(new Set(seen.map(({ life }) => life)).size >= 4, 'it lived at least four times')
  t.same(new Set(seen.map(({ came }) => came[0])), new Set(['first']))
})

t.test('a message reaches a run that was let go while it waited', async t => {
  const { run, troupe } = await openScripts(t, { threads: 1, actorsPerThread: 1 })
  const waiting = await run([RECEIVE, RECEIVE])
  await untilWaits(waiting, /message/)
  await (await run([{ do: 'sleep', seconds: 0 }])).result()
  t.equal((await waiting.info()).incarnation, 1)
  await waiting.send('awake')
  await until('it lives again', async () => (await waiting.info()).incarnation === 2)
  await waiting.send('and again')
  t.same(await waiting.result(), ['awake', 'and again'])
  t.equal((await troupe.stats()).runs.succeeded, 2)
})

t.test('a message reaches a run that is delayed once it starts', async t => {
  const clock = new ManualClock()
  const troupe = await openAt(t, storeFolder(t), clock)
  const delayed = await troupe.start<Op[], unknown[]>('script', [RECEIVE], { delaySeconds: 3600 })
  await delayed.send('early')
  t.match(await delayed.info(), { status: 'delayed', incarnation: 0, waitsFor: /^its start at / })
  clock.turn(3_600_000)
  t.same(await delayed.result(), ['early'])
})

t.test('a message reaches a run in the queue', async t => {
  const { run, folder } = await openScripts(t, { threads: 1, actorsPerThread: 1 })
  const gate = join(folder, 'gate')
  const busy = await run([{ do: 'gate', file: gate }])
  await until('it is at work', async () => (await busy.info()).status === 'running')
  const queued = await run([RECEIVE])
  await queued.send('early')
  t.match(await queued.info(), { status: 'enqueued', incarnation: 0, waitsFor: 'a place on a thread' })
  writeFileSync(gate, '')
  t.same(await queued.result(), ['early'])
})

t.test('a message to a finished run is kept, and read when the run is resumed', async t => {
  const scripts = await openScripts(t)
  const pass = join(scripts.folder, 'pass')
  const failed = await scripts.run([{ do: 'fail', unless: pass }, RECEIVE], { id: 'failed' })
  t.ok(await rejection(failed.result()) instanceof RangeError)
  await failed.send('kept')
  const cancelled = await scripts.run([RECEIVE, RECEIVE], { id: 'cancelled' })
  await untilWaits(cancelled, /message/)
  await cancelled.cancel()
  t.ok(await rejection(cancelled.result()) instanceof RunCancelledError)
  await cancelled.send('kept, too')
  const succeeded = await scripts.run([])
  await succeeded.result()
  await succeeded.send('for nobody')
  t.same(await succeeded.result(), [], 'it stays as it is')
  const { troupe } = await scripts.reopen()
  writeFileSync(pass, '')
  const again = await troupe.get<unknown[]>('failed')
  await again.resume()
  t.same(await again.result(), ['passed', 'kept'])
  const back = await troupe.get<unknown[]>('cancelled')
  await back.resume()
  await back.send('live')
  t.same(await back.result(), ['kept, too', 'live'])
})

t.test('cancel interrupts a receive at once, and the message that comes later is not its outcome', async t => {
  const { run, folder } = within(t)
  const lives = join(folder, 'lives')
  const receiver = await run([RECEIVE, { do: 'tell', file: lives }])
  await untilWaits(receiver, /message/)
  // A year of grace: it ends by itself, not because its thread is ended.
  await receiver.cancel({ graceSeconds: 365 * 86_400 })
  t.ok(await rejection(receiver.result()) instanceof RunCancelledError)
  t.match(await receiver.steps(), [{ kind: 'receive', status: 'running' }])
  await receiver.resume()
  await receiver.send('after all')
  t.same(await receiver.result(), ['after all'])
  t.same(readTrace(lives).at(-1), { life: 2, came: ['after all'] })
})

t.test('values and large messages arrive as they were sent, live, kept, and from a workflow', async t => {
  const { run, folder } = within(t)
  const cyclic: { self?: unknown } = {}
  cyclic.self = cyclic
  const values: readonly unknown[] = [
    undefined, null, -0, NaN, 7n, 'text', new Date(0), /a+/gi, new Map([[{ a: 1 }, new Set([1])]]), new Uint8Array([1, 2, 3]), cyclic,
    new TypeError('an error', { cause: new RangeError('its cause') }), 'x'.repeat(17_000), new Uint8Array(1 << 20).fill(7), 'ü'.repeat(1 << 20),
  ]
  const die: Op = { do: 'die', once: join(folder, 'died') }
  const live = await run([...values.map(() => RECEIVE), die])
  await untilWaits(live, /message/)
  for (const value of values) await live.send(value)
  const check = (received: readonly unknown[], how: string): void => {
    for (const [i, value] of values.entries()) {
      const came = received[i]
      const isSame = typeof value === 'object' && value !== null ? came?.constructor === value.constructor : Object.is(came, value)
      t.ok(isSame, `${how}: value ${i}`)
      if (value instanceof Error) t.match(came, { message: 'an error', cause: { message: 'its cause' } })
      else if (value instanceof Uint8Array) t.equal(Buffer.compare(came as Uint8Array, value), 0)
      else t.same(came, value)
    }
  }
  check(await live.result(), 'live, then replayed')
  const gate = join(folder, 'gate')
  const kept = await run([{ do: 'gate', file: gate }, ...values.map(() => RECEIVE)], { id: 'kept' })
  const sender = await run(values.map((message): Op => ({ do: 'send', to: 'kept', message })))
  t.same(await sender.result(), values.map(() => undefined))
  writeFileSync(gate, '')
  check((await kept.result()).slice(1), 'sent by a workflow, and kept')
})

t.test('a message that cannot be stored is refused with the path of what cannot, and none is sent', async t => {
  const { run } = within(t)
  const receiver = await run([{ do: 'unstorable', by: 'send' }, RECEIVE])
  t.match(await rejection(receiver.send({ a: [1, Symbol('s')] })), { code: 'TROUPE_UNSERIALIZABLE_VALUE', path: 'message.a[1]' })
  await receiver.send('fine')
  t.match(await receiver.result(), [{ code: 'TROUPE_UNSERIALIZABLE_VALUE', path: 'message.deep[0]' }, 'fine'])
})
