/** The supervisor on a thread of its own and on its host's, over LMDB and over memory: what a host sees is the same. */
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { RunCancelledError, StoreUnavailableError, Troupe, UnknownRunError, UnknownWorkflowError } from 'troupe'
import { systemClock } from '../../lib/system.ts'
import type { Clock } from '../../lib/model/clock.ts'
import type { Change, Store } from '../../lib/store/contract.ts'
import { createMemoryStore } from '../../lib/store/memory/index.ts'
import { openTroupe, recordingLogger, rejection, storeFolder, until } from '../harness.ts'
import type { RecordingLogger } from '../harness.ts'
import { inlineLink } from '../harness-inline.ts'
import { ManualClock } from '../manual-clock.ts'
import { readTrace } from '../fixtures/trace.ts'
import { asleep, exclusive, failing, large, many, quick, retried, tree } from '../fixtures/replay/bodies.ts'

const workflows = new URL('../fixtures/replay/bodies.js', import.meta.url)

interface Places {
  readonly threads: number
  readonly actorsPerThread: number
}

type Open = (t: Test, places?: Places) => Promise<Troupe>

async function openInline(t: Test, { store = createMemoryStore(), clock = systemClock, logger = recordingLogger(), ...places }: Partial<Places> & {
  readonly store?: Store, readonly clock?: Clock, readonly logger?: RecordingLogger
} = {}): Promise<Troupe> {
  const troupe = await Troupe.openOver({ store: '/nowhere', workflows, threads: 2, logger, ...places }, inlineLink({ openStore: () => store, clock }))
  t.teardown(() => troupe.close({ mode: 'abandon' }))
  return troupe
}

const hostings: Readonly<Record<string, Open>> = {
  'a thread of its own, LMDB': (t, places) => openTroupe(t, { workflows, ...places }),
  'its host\'s thread, LMDB': async (t, places) => {
    const troupe = await Troupe.openOver({ store: storeFolder(t), workflows, threads: 2, durability: 'process-crash', logger: recordingLogger(), ...places }, inlineLink())
    t.teardown(() => troupe.close({ mode: 'abandon' }))
    return troupe
  },
  'its host\'s thread, memory': (t, places) => openInline(t, places),
}

for (const [hosting, open] of Object.entries(hostings)) {
  t.test(`on ${hosting}: results, errors, steps, children and retries`, async t => {
    const troupe = await open(t)
    t.equal(await (await troupe.start(quick, [1])).result(), 2)
    t.equal(await (await troupe.start(many, [50])).result(), 2450)
    t.equal(await (await troupe.start(tree, [2, 3])).result(), 9)
    const retry = await troupe.start(retried, [0.01])
    t.equal(await retry.result(), 2)
    t.same((await retry.steps()).map(({ status, attempts }) => [status, attempts.length]), [['succeeded', 2]])
    t.match(await rejection((await troupe.start(failing, [])).result()), { name: 'RangeError', message: 'no' })
    t.ok(await rejection(troupe.start('nothing', [])) instanceof UnknownWorkflowError)
    t.ok(await rejection(troupe.get('nobody')) instanceof UnknownRunError)
    t.equal(await troupe.count({ status: 'failed' }), 1)
  })

  t.test(`on ${hosting}: large values keep their bytes over lives`, async t => {
    const troupe = await open(t, { threads: 1, actorsPerThread: 1 })
    const sizes = [100, 20_000, 300_000]
    const handles = await troupe.startMany(large, sizes.map(size => ({ args: [size] as [number] })))
    t.same(await Promise.all(handles.map(handle => handle.result())), sizes.map(size => [size, size, 2 * size]))
  })

  t.test(`on ${hosting}: a sleeping run is cancelled at once, and goes on sleeping when it is resumed`, async t => {
    const troupe = await open(t)
    const handle = await troupe.start(asleep, [3600])
    await until('it sleeps', async () => (await handle.info()).status === 'waiting')
    await handle.cancel()
    t.ok(await rejection(handle.result()) instanceof RunCancelledError)
    t.match(await handle.steps(), [{ kind: 'sleep', status: 'running' }], 'the cancel is not the outcome of what it interrupted')
    await handle.resume()
    t.equal(await until('it sleeps again', async () => (await handle.info()).status === 'waiting'), true)
  })
}

t.test('a sleep ends when its time has come by the supervisor\'s clock, and not before', async t => {
  const clock = new ManualClock()
  const troupe = await openInline(t, { clock })
  const handle = await troupe.start(asleep, [3600])
  await until('it sleeps', async () => (await handle.info()).status === 'waiting')
  clock.turn(3_599_999)
  t.equal((await handle.info()).status, 'waiting')
  clock.turn(1)
  t.equal(await handle.result(), 'woken')
})

t.test('more sleepers than places and than a page of timers, all woken in the end', async t => {
  const clock = new ManualClock()
  const troupe = await openInline(t, { clock, threads: 2, actorsPerThread: 8 })
  const handles = await troupe.startMany(asleep, Array.from({ length: 1200 }, (_, i) => ({ args: [3600 + i % 7] as [number] })))
  await until('all sleep', async () => await troupe.count({ status: 'waiting' }) === 1200)
  clock.turn(3_610_000)
  t.same([...new Set(await Promise.all(handles.map(handle => handle.result())))], ['woken'])
})

t.test('a retry promised for tomorrow is made when the clock says so, although its run was let go meanwhile', async t => {
  const clock = new ManualClock()
  const troupe = await openInline(t, { clock, threads: 1, actorsPerThread: 1 })
  const handle = await troupe.start(retried, [86_400])
  await until('it backs off', async () => (await handle.steps())[0]?.nextAttemptAt?.getTime() === clock.nowMs() + 86_400_000)
  await (await troupe.start(quick, [1])).result() // takes its place
  clock.turn(86_399_999)
  t.equal((await handle.info()).status, 'waiting')
  clock.turn(1)
  t.equal(await handle.result(), 2)
})

t.test('a retry whose time had come is not forgotten when the clock is set back before its run has a thread', async t => {
  const clock = new ManualClock()
  const troupe = await openInline(t, { clock, threads: 1, actorsPerThread: 1 })
  const handle = await troupe.start(retried, [60])
  await until('it backs off', async () => (await handle.steps())[0]?.nextAttemptAt !== undefined)
  await (await troupe.start(quick, [1])).result()
  t.equal((await handle.info()).status, 'waiting')
  clock.turn(60_000)
  clock.setBack(30_000)
  await until('it is at work, or has been', async () => (await handle.info()).incarnation === 2)
  clock.turn(31_000)
  t.equal(await handle.result(), 2)
})

t.test('a start is acknowledged only once the store has taken it', async t => {
  const clock = new ManualClock()
  const logger = recordingLogger()
  const store = refusable(createMemoryStore())
  const troupe = await openInline(t, { clock, logger, store })
  store.refusing = true
  const told: string[] = []
  const starts = ['a', 'b', 'c'].map(id => troupe.start(quick, [1], { id }).then(handle => {
    told.push(handle.id)
    return handle
  }))
  const info = troupe.get('b').then(handle => handle.info()).then(({ status }) => { told.push(`info ${status}`) })
  const refusals = (): number => store.refusals
  await until('the store has refused', () => refusals() >= 1)
  for (let i = 0; i < 5; i++) {
    const before = refusals()
    clock.turn(5000)
    await until('it has refused again', () => refusals() > before)
  }
  t.same(told, [])
  t.equal(store.countRuns({ order: 'oldest-first' }), 0)
  store.refusing = false
  clock.turn(5000)
  const handles = await Promise.all(starts)
  await info
  t.same(told.filter(word => !word.startsWith('info')), ['a', 'b', 'c'], 'in their order')
  t.same(await Promise.all(handles.map(handle => handle.result())), [2, 2, 2])
  t.ok(logger.lines.some(({ fields }) => fields['event'] === 'store-recovered'))
})

t.test('a step\'s result reaches its workflow only once the store has taken it, and no step runs again for that', async t => {
  const clock = new ManualClock()
  const logger = recordingLogger()
  const store = refusable(createMemoryStore())
  const troupe = await openInline(t, { clock, logger, store })
  // Refuses from the first entry on: the run's start and its spawn are through.
  store.refuseIf = changes => changes.some(change => change.type === 'entry-appended')
  const handle = await troupe.start(many, [20])
  await until('the store has refused', () => logger.lines.some(({ fields }) => fields['event'] === 'commit-refused'))
  clock.turn(5000)
  t.same(store.readJournal(1 as never, 0, 100), [])
  store.refuseIf = () => false
  clock.turn(5000)
  t.equal(await handle.result(), 380)
  t.equal((await handle.steps()).length, 20)
})

t.test('while the store refuses no more runs are admitted than there are places', async t => {
  const clock = new ManualClock()
  const store = refusable(createMemoryStore())
  const troupe = await openInline(t, { clock, store, threads: 1, actorsPerThread: 1 })
  const trace = join(t.testdir({}), 'trace')
  store.refusing = true
  const starts = Array.from({ length: 5 }, (_, i) => troupe.start(exclusive, [trace, i]))
  const refusals = (): number => store.refusals
  for (let i = 1; i <= 6; i++) {
    await until('the store has refused', () => refusals() >= i)
    if (i < 6) clock.turn(5000)
  }
  store.refusing = false
  clock.turn(5000)
  for (const start of starts) await (await start).result()
  t.same(readTrace(trace), [...Array(5).keys()].flatMap(i => [`begin ${i}`, `end ${i}`]), 'one after the other')
})

t.test('finished runs and those that merely wait are not kept in memory', async t => {
  const clock = new ManualClock()
  const memory = createMemoryStore()
  let loads = 0
  const store = new Proxy(memory, { get: (target, name) => {
    if (name === 'loadRun') loads++
    const value = Reflect.get(target, name) as unknown
    return typeof value === 'function' ? value.bind(target) as unknown : value
  } })
  const troupe = await openInline(t, { clock, store, threads: 1, actorsPerThread: 1 })
  const finished = await troupe.start(quick, [1])
  await finished.result()
  const sleeping = await troupe.start(asleep, [60])
  await (await troupe.start(quick, [1])).result()
  await until('it sleeps', async () => (await sleeping.info()).status === 'waiting')
  await (await troupe.start(quick, [1])).result()
  for (const handle of [finished, sleeping]) {
    const before = loads
    await handle.info()
    t.ok(loads > before, 'it is read from the store again')
  }
})

t.test('an abandoned supervisor leaves what ran in the queue and what waited waiting, and the next one goes on', async t => {
  const clock = new ManualClock()
  const store = createMemoryStore()
  const reopened = new Proxy(store, { get: (target, name) => {
    const value = Reflect.get(target, name) as unknown
    return name === 'close' ? () => {} : typeof value === 'function' ? value.bind(target) as unknown : value
  } })
  const first = await openInline(t, { clock, store: reopened })
  const handle = await first.start(asleep, [60], { id: 'sleeper' })
  await until('it sleeps', async () => (await handle.info()).status === 'waiting')
  await first.close({ mode: 'abandon' })
  t.equal(store.loadRun(store.findRun('sleeper')!)!.progress.status, 'waiting')
  clock.turn(120_000)
  const second = await openInline(t, { clock, store: reopened })
  clock.turn(0)
  t.equal(await (await second.get('sleeper')).result(), 'woken')
})

interface Refusable extends Store {
  refusing: boolean
  refuseIf: (changes: readonly Change[]) => boolean
  /** How often it has refused. */
  refusals: number
}

/** A store whose disk is full as long as the test says so. */
function refusable(store: Store): Refusable {
  const control: Pick<Refusable, 'refusing' | 'refuseIf' | 'refusals'> = { refusing: false, refuseIf: () => false, refusals: 0 }
  return new Proxy(store, {
    get: (target, name) => {
      if (name in control) return Reflect.get(control, name) as unknown
      if (name === 'commit') {
        return (changes: readonly Change[]) => {
          if (control.refusing || control.refuseIf(changes)) {
            control.refusals++
            throw new StoreUnavailableError({ store: '/nowhere', problem: 'the disk is full' })
          }
          return target.commit(changes)
        }
      }
      const value = Reflect.get(target, name) as unknown
      return typeof value === 'function' ? value.bind(target) as unknown : value
    },
    set: (_, name, value) => Reflect.set(control, name, value),
  }) as Refusable
}
