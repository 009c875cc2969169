/** Any sequence of changes leaves the LMDB store and the memory store answering alike, whenever the former is closed, or left as a dead process leaves it, and opened again. */
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { RUN_STATUSES } from '../../lib/model/run.ts'
import { SETTING_KINDS } from '../../lib/store/contract.ts'
import { type LmdbStoreOptions, openLmdbStore } from '../../lib/store/lmdb/index.ts'
import { createMemoryStore } from '../../lib/store/memory/index.ts'
import { answers, Driver, type Move } from './moves.ts'

const small = fc.nat({ max: 4 })
const run = fc.nat({ max: 30 })
const time = fc.oneof(fc.constantFrom(-1.5, 0, 0.25, 1, 2 ** 44), fc.integer({ min: 0, max: 5 }))

const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('start' as const), id: fc.nat({ max: 25 }), queue: fc.nat({ max: 1 }), once: fc.nat({ max: 2 }), parent: run, createdAtMs: time, priority: fc.integer({ min: -2, max: 2 }) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('move' as const), run, status: fc.constantFrom(...RUN_STATUSES), position: time, holds: fc.boolean() }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constantFrom('append' as const, 'finish' as const, 'resume' as const), run }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('forget' as const), run, from: small }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('wait' as const, 'unwait' as const), run, index: small }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('timer' as const, 'untimer' as const), run, slot: fc.integer({ min: -4, max: 1 }), dueAtMs: time }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('await' as const, 'unawait' as const, 'await-event' as const), run, parent: run, index: small }) },
  { weight: 7, arbitrary: fc.record({ do: fc.constantFrom('message' as const, 'unmessage' as const, 'event' as const, 'stream' as const, 'close-stream' as const), run, index: small }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('count' as const, 'uncount' as const), run, index: small }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('set' as const, 'unset' as const), kind: fc.constantFrom(...SETTING_KINDS), index: small }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('delete' as const), run }) },
  { weight: 12, arbitrary: fc.constant({ do: 'commit' as const }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('reopen' as const, 'crash' as const) }) },
)

t.test('both stores answer alike after any changes', async t => {
  const folder = t.testdir()
  let round = 0
  let deletions = 0
  const details = await fc.check(fc.asyncProperty(fc.array(move, { minLength: 5, maxLength: 150, size: 'max' }), async moves => {
    // From "all is folded as soon as may be" to "nothing is".
    const hotJournalBytes = [0, 100, 500, 4_000_000][round % 4]!
    // From "every other commit goes to LMDB" to "as few as may be".
    const pendingBytes = [1, 1_000, 30_000][round % 3]!
    const logLimits = { fileBytes: 65_536, pendingBytes, commitsWithout: round % 5 === 0 ? 2 : 0 }
    let options: LmdbStoreOptions = { folder: `${folder}/${round++}`, durability: 'process-crash', hotJournalBytes, logLimits }
    let lives = 0
    const memory = createMemoryStore()
    let lmdb = await openLmdbStore(options)
    try {
      const driver = new Driver()
      let lastKey = 0
      for (const move of [...moves, { do: 'commit' } as const]) {
        driver.take(move)
        if (move.do === 'reopen') {
          await lmdb.close()
          lmdb = await openLmdbStore(options)
        }
        if (move.do === 'crash') {
          // What is in the files now is what the death of the process would leave.
          const copy = `${options.folder}-${lives++}`
          for (const file of ['data.mdb', 'commits.log']) cpSync(join(options.folder, file), join(copy, file))
          await lmdb.close()
          options = { ...options, folder: copy }
          lmdb = await openLmdbStore(options)
        }
        if (move.do !== 'commit') continue
        const changes = driver.commit()
        const expected = await memory.commit(changes)
        t.same(lmdb.commit(changes), expected)
        driver.refuse(new Set(changes.flatMap((change, i) => change.type === 'run-started' && expected[i]!.type === 'already-started' ? [change.meta.key] : [])))
        deletions += changes.filter(({ type }) => type === 'run-deleted').length
        for (const change of changes) if (change.type === 'run-started') lastKey = Math.max(lastKey, change.meta.key)
      }
      const expected = await answers(memory, lastKey)
      if (!t.same(await answers(lmdb, lastKey), expected)) throw new Error('the stores differ')
      await lmdb.close()
      lmdb = await openLmdbStore(options)
      if (!t.same(await answers(lmdb, lastKey), expected, 'also after it was opened again')) throw new Error('the stores differ after reopening')
    } finally {
      await lmdb.close()
    }
  }), {
    numRuns: Number(process.env.TROUPE_MODEL_RUNS ?? 150),
    ...(process.env.TROUPE_MODEL_SEED === undefined ? {} : { seed: Number(process.env.TROUPE_MODEL_SEED) }),
  })
  t.comment(`seed ${details.seed}, ${details.numRuns} sequences, ${deletions} runs deleted`)
  t.notOk(details.failed, fc.defaultReportMessage(details) ?? 'no sequence tells them apart')
})
