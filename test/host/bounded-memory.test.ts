/** Large stores in little memory: what is read is read in pages, on either side. */
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { Troupe } from 'troupe'
import type { Encoded } from '../../lib/codec/encoded.ts'
import { encodeValue } from '../../lib/codec/value.ts'
import type { Change } from '../../lib/store/contract.ts'
import { openLmdbStore } from '../../lib/store/lmdb/index.ts'
import { recordingLogger } from '../harness.ts'
import { inlineLink } from '../harness-inline.ts'
import { newRun, started } from '../store/runs.ts'

const RUNS = 10_000
const RUN_BYTES = 15_000
const STEPS = 100_000
const STEP_BYTES = 500
/** Some pages and what the collector has not got to, a fraction of what there is: 150 MB of runs, and 50 MB of steps. */
const MOST_MORE_BYTES = 60 * 2 ** 20

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Bytes in use on this thread, which the supervisor shares in this test. */
function inUse(): number {
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

t.test('listing many runs with their values, and looking at a run with 100,000 steps, takes memory for some pages', async t => {
  const folder = join(t.testdir({}), 'store')
  const encoded = (value: unknown): Encoded => encodeValue(value, () => ({ what: 'a value', root: 'value' }))
  const store = await openLmdbStore({ folder, durability: 'process-crash' })
  const args = encoded([Buffer.alloc(RUN_BYTES, 1)])
  for (let i = 0; i < RUNS; i += 500) {
    store.commit(Array.from({ length: 500 }, (_, j) => started(newRun(store, { id: `run-${i + j}`, workflow: 'quick', args }, 'cancelled'))))
  }
  const long = newRun(store, { id: 'long', workflow: 'quick', args: encoded([]) }, 'cancelled')
  store.commit([started(long)])
  const entry = new Uint8Array(STEP_BYTES) as Encoded
  for (let from = 0; from < STEPS; from += 2_000) {
    store.commit(Array.from({ length: 2_000 }, (_, i): Change => ({ type: 'entry-appended', key: long.key, position: from + i, entry })))
  }
  await store.close()
  const options = { store: folder, workflows: new URL('../fixtures/host/plain.js', import.meta.url), threads: 1, durability: 'process-crash', logger: recordingLogger() } as const
  const troupe = await Troupe.openOver(options, inlineLink())
  t.teardown(() => troupe.close({ mode: 'abandon' }))
  const before = inUse()
  let most = 0
  let listed = 0
  for await (const run of troupe.list({ values: true, workflow: 'quick' })) {
    listed++
    if (run.id !== 'long' && (run.args[0] as Buffer).length !== RUN_BYTES) t.fail(`the arguments of ${run.id}`)
    if (listed % 500 === 0) most = Math.max(most, inUse() - before)
  }
  t.equal(listed, RUNS + 1)
  t.ok(most < MOST_MORE_BYTES, `listing took ${Math.round(most / 2 ** 20)} MiB`)
  t.equal(await troupe.count({ workflow: 'quick' }), RUNS + 1)
  t.equal((await (await troupe.get('long')).info()).status, 'cancelled')
  const after = inUse() - before
  t.ok(after < MOST_MORE_BYTES / 2, `looking at the long run took ${Math.round(after / 2 ** 20)} MiB`)
})
