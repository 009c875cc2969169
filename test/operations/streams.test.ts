import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { UnknownRunError } from 'troupe'
import { rejection } from '../harness.ts'
import type { Op } from '../fixtures/operations/script.ts'
import { openScripts, untilWaits } from './troupes.ts'
import type { ScriptRun } from './troupes.ts'

t.setTimeout(110_000)

const shared = await openScripts(t)

/** The Troupe that most tests share, and a folder of the test's own. */
function within(t: Test): typeof shared {
  return { ...shared, folder: t.testdir({}) }
}

const write = (value: unknown, key = 'log'): Op => ({ do: 'write', key, value })
const CLOSE: Op = { do: 'close', key: 'log' }
const RECEIVE: Op = { do: 'receive' }

async function read(run: ScriptRun, from?: number, key = 'log'): Promise<readonly unknown[]> {
  const values: unknown[] = []
  for await (const value of run.readStream(key, from === undefined ? {} : { from })) values.push(value)
  return values
}

t.test('a reader follows a stream live: each value comes while the run is at work', async t => {
  const { run } = within(t)
  const writer = await run([write('a'), RECEIVE, write('b'), RECEIVE, write('c'), CLOSE, RECEIVE])
  const reader = writer.readStream('log')
  for (const value of ['a', 'b', 'c']) {
    t.same(await reader.next(), { done: false, value })
    await writer.send('go on')
  }
  t.same(await reader.next(), { done: true, value: undefined })
  t.match(await writer.steps(), [{ kind: 'stream', name: 'log', status: 'succeeded' }])
})

t.test('a stream can be read from any position, by several readers, each with all of it', async t => {
  const { run } = within(t)
  const writer = await run([write(0), write(1), RECEIVE, write(2), write(3), CLOSE])
  await untilWaits(writer, /message/)
  const readers = [undefined, 0, 1, 2, 3, 4].map(from => read(writer, from))
  await writer.send('go on')
  const all = [0, 1, 2, 3]
  t.same(await Promise.all(readers), [all, all, [1, 2, 3], [2, 3], [3], []])
  t.same(await Promise.all([undefined, 0, 1, 3, 4, 100].map(from => read(writer, from))), [all, all, [1, 2, 3], [3], [], []], 'and when it is over')
})

t.test('streams of one run are each their own, and the same key in another run is another', async t => {
  const { run } = within(t)
  const one = await run([write('a', 'x'), write('b', 'y'), { do: 'close', key: 'x' }, write('c', 'y')])
  const other = await run([write('d', 'x')])
  await Promise.all([one.result(), other.result()])
  t.same(await Promise.all([read(one, 0, 'x'), read(one, 0, 'y'), read(other, 0, 'x'), read(other, 0, 'y')]), [['a'], ['b', 'c'], ['d'], []])
})

t.test('a stream that is not closed ends with its run: succeeded, failed or cancelled; resumed, it goes on', async t => {
  const { run, folder } = within(t)
  const pass = join(folder, 'pass')
  for (const how of ['succeeds', 'fails', 'is cancelled']) {
    const writer = await run([write(how), RECEIVE, ...how === 'fails' ? [{ do: 'fail', unless: pass } as const] : [], write('last')])
    await untilWaits(writer, /message/)
    const reading = read(writer)
    const waiting = read(writer, 5)
    if (how === 'is cancelled') await writer.cancel()
    else await writer.send('go on')
    t.same(await reading, how === 'succeeds' ? [how, 'last'] : [how])
    t.same(await waiting, [])
    if (how === 'succeeds') continue
    await rejection(writer.result())
    writeFileSync(pass, '')
    await writer.resume()
    if (how === 'is cancelled') await writer.send('go on')
    await writer.result()
    t.same(await read(writer), [how, 'last'], 'what was written before is not written again')
  }
})

t.test('a signal ends the reading with its reason: before, while waiting, and between values that are there', async t => {
  const { run } = within(t)
  const writer = await run([write('a'), write('b'), write('c'), RECEIVE])
  await untilWaits(writer, /message/)
  const reason = new Error('enough')
  t.equal(await rejection(writer.readStream('log', { signal: AbortSignal.abort(reason) }).next()), reason)
  const waiting = new AbortController()
  const pending = writer.readStream('log', { from: 3, signal: waiting.signal }).next()
  waiting.abort(reason)
  t.equal(await rejection(pending), reason)
  const between = new AbortController()
  const reader = writer.readStream('log', { signal: between.signal })
  t.same(await reader.next(), { done: false, value: 'a' })
  between.abort(reason)
  t.equal(await rejection(reader.next()), reason)
  t.same(await reader.next(), { done: true, value: undefined })
  await writer.send('end')
  t.same(await read(writer), ['a', 'b', 'c'], 'nobody else is concerned')
})

t.test('a reader that leaves early harms nobody', async t => {
  const { run } = within(t)
  const writer = await run([write('a'), write('b'), RECEIVE, write('c')])
  for await (const value of writer.readStream('log')) {
    t.equal(value, 'a')
    break
  }
  await writer.send('go on')
  t.same(await writer.result(), [undefined, undefined, 'go on', undefined])
})

t.test('a closed stream takes no more: StreamClosedError, which the workflow may catch, the same on replay; closing it again is fine', async t => {
  const { run, folder } = within(t)
  const writer = await run([write('a'), CLOSE, write('late'), CLOSE, { do: 'die', once: join(folder, 'died') }, write('later'), write('other', 'another')])
  const closed = { error: 'StreamClosedError', code: 'TROUPE_STREAM_CLOSED', runId: writer.id }
  t.same(await writer.result(), [undefined, undefined, closed, undefined, undefined, closed, undefined])
  t.same(await read(writer), ['a'])
  t.match(await writer.steps(), [{ name: 'log' }, { name: 'end of log' }, { status: 'failed', error: { code: 'TROUPE_STREAM_CLOSED' } }])
})

t.test('a stream closed before anything was written is empty', async t => {
  const { run } = within(t)
  const writer = await run([CLOSE, RECEIVE])
  t.same(await read(writer), [])
  await writer.send('end')
  await writer.result()
})

t.test('5,000 values come all, in order, to readers from the beginning, from the middle, and late', async t => {
  const { run } = within(t)
  const count = 5_000
  const writer = await run([...Array.from({ length: count }, (_, n) => write(n)), CLOSE])
  const live = [read(writer), read(writer, 2_500)]
  await writer.result()
  const all = Array.from({ length: count }, (_, n) => n)
  t.same(await live[0], all)
  t.same(await live[1], all.slice(2_500))
  t.same(await read(writer), all)
  t.same(await read(writer, 4_999), [4_999])
})

t.test('what was written by lives that died is there once, and readers go on after a restart', async t => {
  const scripts = await openScripts(t, { threads: 1 })
  const during = (n: number): Op => ({ do: 'die-during', once: join(scripts.folder, `died ${n}`), turns: n, op: write(n) })
  await scripts.run([during(0), during(1), during(2), during(3), RECEIVE, write('after'), CLOSE, write('late')], { id: 'writer' })
  const before = await scripts.troupe.get<readonly unknown[]>('writer')
  await untilWaits(before, /message/)
  const reader = before.readStream('log', { from: 4 }).next()
  reader.catch(() => {})
  const { troupe } = await scripts.reopen()
  t.match(await rejection(reader), { code: 'TROUPE_CLOSED' })
  const writer = await troupe.get<readonly unknown[]>('writer')
  const reading = read(writer)
  const further = read(writer, 4)
  await writer.send('go on')
  t.same(await reading, [0, 1, 2, 3, 'after'])
  t.same(await further, ['after'])
  t.match((await writer.result()).at(-1), { code: 'TROUPE_STREAM_CLOSED' })
})

t.test('values and large values make the round trip', async t => {
  const { run } = within(t)
  const values: readonly unknown[] = [undefined, null, -0, 7n, new Map([['a', new Date(0)]]), new TypeError('an error'), 'x'.repeat(17_000), new Uint8Array(1 << 20).fill(3)]
  const writer = await run(values.map(value => write(value)))
  t.same(await read(writer), values)
})

t.test('a value that cannot be stored is refused with its path, and not written', async t => {
  const { run } = within(t)
  const writer = await run([{ do: 'unstorable', by: 'write' }, write('fine', 'bad')])
  t.match(await writer.result(), [{ code: 'TROUPE_UNSERIALIZABLE_VALUE', path: 'value.deep[0]' }, undefined])
  t.same(await read(writer, 0, 'bad'), ['fine'])
})

t.test('a stream of a run that is no more is UnknownRunError', async t => {
  const { run, troupe } = within(t)
  const gone = await run([write('a')])
  await gone.result()
  await troupe.prune({ finishedBefore: new Date(Date.now() + 60_000) })
  const error = await rejection(gone.readStream('log').next())
  t.ok(error instanceof UnknownRunError && error.runId === gone.id)
})
