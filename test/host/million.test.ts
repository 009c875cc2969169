/** A listing of very many runs, in little memory and without the host standing still. `TROUPE_LISTED_RUNS` says how many; `npm run million` takes a million. */
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import type { Encoded } from '../../lib/codec/encoded.ts'
import { encodeValue } from '../../lib/codec/value.ts'
import { openLmdbStore } from '../../lib/store/lmdb/index.ts'
import { anonymousBytes } from '../../lib/system.ts'
import { ownLoopDelay } from '../crash/loop-delay.ts'
import { openTroupe, recordingLogger } from '../harness.ts'
import { newRun, started } from '../store/runs.ts'

t.setTimeout(1_200_000)

const RUNS = Number(process.env['TROUPE_LISTED_RUNS'] ?? 100_000)
const RUNS_A_COMMIT = 5_000
const MIB = 2 ** 20
/** Of objects in use on the host's thread: some pages. */
const MOST_MORE_BYTES = 16 * MIB
/** Of the whole process, what collectors have not got to included. */
const MOST_MORE_IN_ALL = 160 * MIB
const HOST_MS = 200

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

function inUse(): number {
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

t.test(`${RUNS} runs are listed and counted in bounded memory, and the host goes on meanwhile`, async t => {
  const folder = join(t.testdir({}), 'store')
  const args: Encoded = encodeValue(['some', 1], () => ({ what: 'a value', root: 'value' }))
  const store = await openLmdbStore({ folder, durability: 'process-crash' })
  for (let i = 0; i < RUNS; i += RUNS_A_COMMIT) {
    store.commit(Array.from({ length: RUNS_A_COMMIT }, (_, j) => started(newRun(store, { id: `run-${i + j}`, workflow: 'quick', args }, 'cancelled'))))
  }
  await store.close()
  const troupe = await openTroupe(t, { store: folder, workflows: new URL('../fixtures/host/plain.js', import.meta.url), threads: 1, logger: recordingLogger() })
  const [before, inAllBefore] = [inUse(), anonymousBytes() ?? 0]
  let [listed, most, inAll, turns] = [0, 0, 0, 0]
  const turning = setInterval(() => { turns++ }, 1)
  const delay = await ownLoopDelay()
  const from = performance.now()
  const seen = new Uint8Array(RUNS)
  for await (const run of troupe.list({ workflow: 'quick' })) {
    seen[Number(run.id.slice('run-'.length))]!++
    if (++listed % (RUNS / 10) === 0) inAll = Math.max(inAll, (anonymousBytes() ?? 0) - inAllBefore)
  }
  const tookMs = performance.now() - from
  const { computedMs, stillMs } = await delay()
  clearInterval(turning)
  // Once more for a part of it, with the collector run in between, which would be the host standing still.
  let again = 0
  for await (const { id } of troupe.list({ workflow: 'quick' })) {
    if (++again % (RUNS / 20) === 0) most = Math.max(most, inUse() - before - (id === '' ? 1 : 0))
    if (again === RUNS / 2) break
  }
  t.comment(`${listed} runs in ${Math.round(tookMs)} ms; the host held ${Math.round(most / MIB)} MiB more, the process ${Math.round(inAll / MIB)} MiB more; the host computed for ${Math.round(computedMs)} ms, stood still for ${Math.round(stillMs)} ms, and turned ${turns} times`)
  t.equal(listed, RUNS)
  t.ok(seen.every(times => times === 1), 'each once')
  t.equal(await troupe.count({ workflow: 'quick' }), RUNS)
  t.ok(most < MOST_MORE_BYTES, `the host held ${Math.round(most / MIB)} MiB more`)
  t.ok(inAll < MOST_MORE_IN_ALL, `the process held ${Math.round(inAll / MIB)} MiB more`)
  t.ok(computedMs < HOST_MS && stillMs < HOST_MS, `the host's event loop turned all the time (it computed for ${Math.round(computedMs)} ms, and stood still for ${Math.round(stillMs)} ms)`)
})
