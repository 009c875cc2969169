/** A request whose changes the store cannot take, though it is whole: it is refused, and everybody else goes on. */
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { InternalError, Troupe } from 'troupe'
import { openLmdbStore } from '../../lib/store/lmdb/index.ts'
import type { Change } from '../../lib/store/contract.ts'
import { quick } from '../fixtures/replay/bodies.ts'
import { recordingLogger, rejection } from '../harness.ts'
import { inlineLink } from '../harness-inline.ts'

const workflows = new URL('../fixtures/replay/bodies.js', import.meta.url)

const isPoison = (change: Change): boolean => (change.type === 'run-started' && change.meta.id.startsWith('poison'))
  || (change.type === 'setting-put' && change.name === 'poison')

async function openPoisonable(t: Test): Promise<Troupe> {
  const options = { store: join(t.testdir({}), 'store'), workflows, threads: 1, durability: 'process-crash', logger: recordingLogger() } as const
  const troupe = await Troupe.openOver(options, inlineLink({ openStore: async ({ store: folder, durability }) => {
    const store = await openLmdbStore({ folder, durability })
    return new Proxy(store, { get: (target, name) => {
      if (name === 'commit') {
        return (changes: readonly Change[]) => {
          if (changes.some(isPoison)) throw new InternalError({ problem: 'poison cannot be stored' })
          return target.commit(changes)
        }
      }
      const value = Reflect.get(target, name) as unknown
      return typeof value === 'function' ? value.bind(target) as unknown : value
    } })
  } }))
  t.teardown(() => troupe.close({ mode: 'abandon' }))
  return troupe
}

const deaths = async (troupe: Troupe): Promise<number> => (await troupe.stats()).supervisorDeaths

t.test('asked alone, it is refused the first time', async t => {
  const troupe = await openPoisonable(t)
  for (let i = 1; i <= 8; i++) {
    t.match(await rejection(troupe.start(quick, [i], { id: `poison ${i}` })), { code: 'TROUPE_INTERNAL', message: /oison cannot be stored/ })
    t.equal(await deaths(troupe), i, 'its supervisor died of it, and was replaced')
  }
  t.equal(await (await troupe.start(quick, [1])).result(), 2)
})

t.test('among others it is refused the second time, and each of the others is done once', async t => {
  const troupe = await openPoisonable(t)
  const ids = ['a', 'b', 'poison', 'c', 'd']
  const starts = ids.map(id => troupe.start(quick, [1], { id }).then(async handle => `${handle.id} ${await handle.result()}`, (error: unknown) => (error as InternalError).code))
  const others = Promise.all([troupe.setQueue('poison', {}).then(() => 'set', (error: unknown) => (error as InternalError).code), troupe.setQueue('fine', { concurrency: 1 })])
  t.same(await Promise.all(starts), ['a 2', 'b 2', 'TROUPE_INTERNAL', 'c 2', 'd 2'])
  t.same(await others, ['TROUPE_INTERNAL', undefined])
  t.equal(await deaths(troupe), 3, 'once for all, once for each of the two')
  t.equal(await troupe.count(), 4)
  t.match(await troupe.listQueues(), [{ name: 'fine' }])
  t.equal(await (await troupe.start(quick, [2])).result(), 3)
})

t.test('what is asked while suspects are asked one by one waits behind them, and is done', async t => {
  const troupe = await openPoisonable(t)
  const handle = await troupe.start(quick, [1], { id: 'before' })
  const first = [troupe.start(quick, [1], { id: 'one' }), rejection(troupe.start(quick, [1], { id: 'poison' })), troupe.start(quick, [1], { id: 'two' })]
  // Asked when the first of them has its answer: the others are suspects still.
  const later = (first[0] as Promise<unknown>).then(() => troupe.start(quick, [5], { id: 'later' }))
  t.match(await first[1], { code: 'TROUPE_INTERNAL' })
  t.equal(await (await later).result(), 6)
  await Promise.all(first)
  t.equal(await handle.result(), 2)
  t.equal(await deaths(troupe), 2)
})
