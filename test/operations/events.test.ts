import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { RunCancelledError, UnknownRunError } from 'troupe'
import { rejection, storeFolder, until } from '../harness.ts'
import { ManualClock } from '../manual-clock.ts'
import { readTrace } from '../fixtures/trace.js'
import type { Op } from '../fixtures/operations/script.ts'
import { openAt, openScripts, untilWaits } from './troupes.ts'

t.setTimeout(110_000)

const shared = await openScripts(t)

/** The Troupe that most tests share, and a folder of the test's own. */
function within(t: Test): typeof shared {
  return { ...shared, folder: t.testdir({}) }
}

const set = (key: string, value: unknown): Op => ({ do: 'set', key, value })
const get = (of: string, key: string, timeoutSeconds?: number): Op => ({ do: 'get', of, key, ...(timeoutSeconds !== undefined && { timeoutSeconds }) })

t.test('an event that is set already is read at once, from the host and from a workflow', async t => {
  const { run } = within(t)
  const setter = await run([set('state', { at: 1 }), { do: 'receive' }], { id: 'set already' })
  await untilWaits(setter, /message/)
  t.same(await setter.getEvent('state'), { at: 1 })
  t.same(await setter.getEvent('state', { timeoutSeconds: 3600 }), { at: 1 })
  t.same(await (await run([get('set already', 'state'), get('set already', 'state', 0)])).result(), [{ at: 1 }, { at: 1 }])
  t.match(await setter.steps(), [{ kind: 'event', name: 'state', status: 'succeeded' }, { kind: 'receive' }])
})

t.test('an event that is set later is waited for, by hosts and workflows, each of them', async t => {
  const { run } = within(t)
  const setter = await run([{ do: 'receive' }, set('state', 'set'), { do: 'receive' }], { id: 'set later' })
  const fromHost = [setter.getEvent('state'), setter.getEvent('state', { timeoutSeconds: 3600 })]
  const asking = await Promise.all([run([get('set later', 'state')]), run([get('set later', 'state', 3600)])])
  await untilWaits(asking[0], /^event .*state/)
  await untilWaits(asking[1], /^event .*state.*, until /)
  await setter.send('go')
  t.same(await Promise.all(fromHost), ['set', 'set'])
  for (const each of asking) t.same(await each.result(), ['set'])
})

t.test('with timeoutSeconds 0 the host reads what is set, and undefined when nothing is', async t => {
  const { run } = within(t)
  const setter = await run([set('state', 'set'), { do: 'receive' }])
  await untilWaits(setter, /message/)
  t.equal(await setter.getEvent('other', { timeoutSeconds: 0 }), undefined)
  for (let i = 0; i < 20; i++) t.equal(await setter.getEvent('state', { timeoutSeconds: 0 }), 'set')
})

t.test('a workflow that waited as long as it was told to gets undefined, and may ask again', async t => {
  const clock = new ManualClock()
  const troupe = await openAt(t, storeFolder(t), clock)
  const setter = await troupe.start<Op[], unknown[]>('script', [{ do: 'receive' }, set('state', 'set'), { do: 'receive' }], { id: 'setter' })
  const asking = await troupe.start<Op[], unknown[]>('script', [get('setter', 'state', 3600), get('setter', 'state', 60), get('setter', 'state')])
  await untilWaits(asking, /^event .*, until /)
  clock.turn(3_600_000)
  await until('it waits again', async () => (await asking.steps()).length === 2)
  await untilWaits(asking, /^event .*, until /)
  clock.turn(60_000)
  await untilWaits(asking, /^event [^,]*$/)
  await setter.send('go')
  t.same(await asking.result(), [undefined, undefined, 'set'])
})

t.test('a host that waited as long as it was told to gets undefined', async t => {
  const { run } = within(t)
  const setter = await run([{ do: 'receive' }])
  t.equal(await setter.getEvent('state', { timeoutSeconds: 0.01 }), undefined)
})

t.test('set again, the last value counts, also when it is undefined or set by a later life', async t => {
  const { run, folder } = within(t)
  const setter = await run([set('a', 1), set('a', 2), set('b', 1), set('b', undefined), { do: 'die', once: join(folder, 'died') }, set('a', 3), { do: 'receive' }])
  await untilWaits(setter, /message/)
  t.equal(await setter.getEvent('a'), 3)
  t.equal(await setter.getEvent('b', { timeoutSeconds: 3600 }), undefined)
})

t.test('asked about a run that finishes without setting it, the answer is undefined; what was set stays', async t => {
  const { run, folder } = within(t)
  const pass = join(folder, 'never')
  const ends: readonly (readonly [id: string, ops: readonly Op[]])[] = [
    ['ends well', [{ do: 'receive' }]], ['ends badly', [{ do: 'receive' }, { do: 'fail', unless: pass }]], ['is cancelled', [{ do: 'receive' }]],
  ]
  for (const [id, ops] of ends) {
    const setter = await run([set('set', id), ...ops], { id })
    await untilWaits(setter, /message/)
    const fromHost = setter.getEvent('missing')
    const asking = await run([get(id, 'missing'), get(id, 'missing', 3600)])
    await untilWaits(asking, /^event /)
    if (id === 'is cancelled') await setter.cancel()
    else await setter.send('end')
    t.equal(await fromHost, undefined, id)
    t.same(await asking.result(), [undefined, undefined])
    t.equal(await setter.getEvent('missing'), undefined)
    t.same(await (await run([get(id, 'set'), get(id, 'missing')])).result(), [id, undefined])
    t.equal(await setter.getEvent('set'), id)
  }
})

t.test('an event of an unknown run is UnknownRunError: for a workflow, the same on replay, and for the host', async t => {
  const { run, folder, troupe } = within(t)
  const lives = join(folder, 'lives')
  const asking = await run([get('nobody', 'state', 3600), { do: 'tell', file: lives }, { do: 'die', once: join(folder, 'died') }, { do: 'tell', file: lives }])
  const unknown = { error: 'UnknownRunError', code: 'TROUPE_UNKNOWN_RUN', runId: 'nobody' }
  t.same(await asking.result(), [unknown, undefined])
  t.same(readTrace(lives).map(fact => (fact as { readonly came: readonly unknown[] }).came[0]), [unknown, unknown, unknown])
  const gone = await run([])
  await gone.result()
  await troupe.prune({ finishedBefore: new Date(Date.now() + 60_000) })
  const error = await rejection(gone.getEvent('state'))
  t.ok(error instanceof UnknownRunError && error.runId === gone.id)
})

t.test('what a workflow read of an event is the same on replay, whatever was set since', async t => {
  const { run, folder } = within(t)
  const lives = join(folder, 'lives')
  const setter = await run([set('state', 'first'), { do: 'receive' }, set('state', 'second'), { do: 'receive' }], { id: 'changing' })
  await untilWaits(setter, /message/)
  const asking = await run([get('changing', 'state'), { do: 'receive' }, { do: 'die', once: join(folder, 'died') }, { do: 'tell', file: lives }, get('changing', 'state')])
  await untilWaits(asking, /message/)
  await setter.send('go')
  await until('it is set again', async () => await setter.getEvent('state') === 'second')
  await asking.send('go')
  t.same(await asking.result(), ['first', 'go', undefined, 'second'])
  t.same(readTrace(lives), [{ life: 2, came: ['first', 'go', null] }])
})

t.test('those who wait for an event wait over restarts, and a life that died while it asked asks again', async t => {
  const scripts = await openScripts(t)
  const setter = await scripts.run([{ do: 'receive' }, set('state', 'set')], { id: 'setter' })
  const asking = await scripts.run([{ do: 'die-during', once: join(scripts.folder, 'died'), turns: 1, op: get('setter', 'state') }, { do: 'all', of: [get('setter', 'state'), get('setter', 'other')] }], { id: 'asking' })
  await untilWaits(setter, /message/)
  await untilWaits(asking, /^event /)
  const { troupe } = await (await scripts.reopen()).reopen()
  t.match(await (await troupe.get('asking')).info(), { status: 'waiting', waitsFor: /^event / })
  await (await troupe.get('setter')).send('go')
  t.same(await (await troupe.get('asking')).result(), ['set', ['set', undefined]])
})

t.test('cancel interrupts a wait for an event at once, and a resumed run waits again', async t => {
  const { run } = within(t)
  const setter = await run([{ do: 'receive' }, set('state', 'set'), { do: 'receive' }], { id: 'sets after cancel' })
  const asking = await run([get('sets after cancel', 'state')])
  await untilWaits(asking, /^event /)
  await asking.cancel({ graceSeconds: 365 * 86_400 })
  t.ok(await rejection(asking.result()) instanceof RunCancelledError)
  await asking.resume()
  await untilWaits(asking, /^event /)
  await setter.send('go')
  t.same(await asking.result(), ['set'])
})

t.test('values and large values make the round trip, to many who wait', async t => {
  const { run, folder } = within(t)
  const values: readonly unknown[] = [null, -0, 7n, new Map([['a', new Date(0)]]), new TypeError('an error'), 'x'.repeat(17_000), new Uint8Array(1 << 20).fill(3)]
  const gate = join(folder, 'gate')
  const setter = await run([{ do: 'gate', file: gate }, ...values.map((value, i) => set(`v${i}`, value))], { id: 'publishes' })
  const asking = await Promise.all([1, 2].map(() => run([{ do: 'all', of: values.map((_, i) => get('publishes', `v${i}`)) }])))
  for (const each of asking) await untilWaits(each, /^event /)
  const fromHost = values.map((_, i) => setter.getEvent(`v${i}`))
  writeFileSync(gate, '')
  for (const each of asking) t.same(await each.result(), [values])
  for (const [i, value] of values.entries()) t.same(await fromHost[i], value)
})

t.test('a value that cannot be stored is refused with its path, and the event is not set', async t => {
  const { run } = within(t)
  const setter = await run([{ do: 'unstorable', by: 'set' }])
  t.match(await setter.result(), [{ code: 'TROUPE_UNSERIALIZABLE_VALUE', path: 'value.deep[0]' }])
  t.equal(await setter.getEvent('bad'), undefined)
})
