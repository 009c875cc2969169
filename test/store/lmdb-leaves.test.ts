/** The leaves of a large store are looked at while it is in use. */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { chanceOf, seedOf } from '../chance.ts'
import { openTroupe, recordingLogger, until } from '../harness.ts'
import { damageLarge, makeLarge, PAGE_BYTES } from '../damage/large.ts'
import { openLmdbStore } from '../../lib/store/lmdb/index.ts'
import { LeafCheck } from '../../lib/store/lmdb/leaves.ts'
import { Workload } from './workload.ts'

t.setTimeout(300_000)

const durability = 'process-crash'

t.test('whatever is committed meanwhile, the look at the leaves gets to its end and takes nothing for damage', async t => {
  const seed = seedOf(t)
  const { below } = chanceOf(seed)
  const folder = t.testdir({})
  const store = await openLmdbStore({ folder, durability, hotJournalBytes: 20_000 })
  const workload = new Workload(seed)
  for (let i = 0; i < 200; i++) workload.commitNext(store)
  let [ended, leaves] = [0, 0]
  for (let round = 0; round < 10; round++) {
    const check = new LeafCheck(join(folder, 'data.mdb'))
    // At one leaf a time.
    while (check.some(0)) for (let commits = below(3); commits > 0; commits--) workload.commitNext(store)
    ended++
    leaves = check.pages
    check.close()
  }
  t.equal(ended, 10)
  t.ok(leaves > 20, `${leaves} leaves`)
  await store.close()
})

t.test('a damaged leaf that nobody reads stops the store, and says so', async t => {
  const folder = t.testdir({})
  await makeLarge(join(folder, 'store'), 1, 30)
  const path = join(folder, 'store', 'data.mdb')
  const data = readFileSync(path)
  // Leaves with arguments of runs that are over; a few may be free by now.
  const leaves = Array.from({ length: data.length / PAGE_BYTES }, (_, page) => page).filter(page =>
    data.readUInt16LE(page * PAGE_BYTES + 18) === 2 && data.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES).includes('args args'))
  t.ok(leaves.length > 20 && data.length > 20 * 2 ** 20)
  const file = openSync(path, 'r+')
  // Their nodes are at places where none can be.
  for (const page of leaves.slice(-20)) writeSync(file, Buffer.alloc(100, 0xff), 0, 100, page * PAGE_BYTES + 20)
  closeSync(file)
  const logger = recordingLogger()
  const troupe = await openTroupe(t, { store: join(folder, 'store'), workflows: new URL('../fixtures/crash/abuse.js', import.meta.url), logger })
  await until('the log says so', () => logger.lines.some(({ fields }) => fields['event'] === 'store-failed'))
  t.match(logger.lines.find(({ fields }) => fields['event'] === 'store-failed'), { level: 'error', message: /is damaged .*page \d+/ })
  await t.rejects(troupe.count(), { code: 'TROUPE_STORE_FORMAT' })
  await troupe.close({ mode: 'abandon' }).catch(() => {})
})

t.test('a large store whose bytes were changed says what is right or is refused, and ends no process', async t => {
  const { flips, right, refused, violations } = await damageLarge(t.testdir({}), seedOf(t), { flips: 5, mebibytes: 40 })
  t.comment(`${flips} flips: ${right} said what was right, refused:`, refused)
  t.same(violations, [])
})
