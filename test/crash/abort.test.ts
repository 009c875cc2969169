import t from 'tap'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { decodeEntry } from '../../lib/codec/entry.ts'
import { CAREFUL_AFTER_DEATHS } from '../../lib/model/respawn.ts'
import type { RunKey } from '../../lib/model/run.ts'
import type { Store, StoredRun } from '../../lib/store/contract.ts'
import { openLmdbStore } from '../../lib/store/lmdb/index.ts'
import { spawnHost } from './host-process.ts'
import { countOf, placesOf } from './threads.ts'

const HOST = fileURLToPath(new URL('../fixtures/crash/abort-host.js', import.meta.url))
const NEIGHBOURS = 8
/** It takes three or four; each time the culprit may meet one before its end. Far more than that would be for ever. */
const MOST_LIVES = 30

t.setTimeout(300_000)

t.test('a step that ends the process again and again holds up nobody for ever: its neighbours finish, uncharged, and the loop goes on without them', async t => {
  const { store, trace, gate } = placesOf(t)
  const dies = async (): Promise<void> => {
    const host = spawnHost(HOST, [store, trace, gate])
    t.match(String(await host.ended), /SIGABRT|134/, host.text())
  }
  const look = async <T>(at: (store: Store, run: (id: string) => StoredRun) => T): Promise<T> => {
    const opened = await openLmdbStore({ folder: store, durability: 'process-crash' })
    const found = at(opened, id => opened.loadRun(opened.findRun(id)!)!)
    await opened.close()
    return found
  }
  const innocents = Array.from({ length: NEIGHBOURS }, (_, i) => `innocent-${i}`)

  await dies()
  t.equal(countOf(trace, 'at-work'), NEIGHBOURS, 'all were at work when it died')
  // The deaths in between are written down as if they had happened: each would be the same again.
  await look((opened, run) => {
    for (const { meta, progress } of ['culprit', ...innocents].map(run)) {
      opened.commit([{ type: 'run-changed', meta, before: progress, after: { ...progress, processDeaths: CAREFUL_AFTER_DEATHS - 1 } }])
    }
  })
  writeFileSync(gate, '')
  const haveAllSucceeded = (): Promise<boolean> => look((_, run) => innocents.every(id => run(id).progress.status === 'succeeded'))
  for (let lives = 0; !await haveAllSucceeded(); lives++) {
    if (lives === MOST_LIVES) return t.fail('the innocent do not get past the culprit')
    await dies()
  }
  await look((opened, run) => {
    const entriesOf = (key: RunKey) => opened.readJournal(key, 0, 9).map(entry => decodeEntry(entry))
    for (const id of innocents) t.same(entriesOf(run(id).meta.key).map(({ name, outcome, attempts }) => [name, outcome, attempts]), [['at work', 'result', []], ['out', 'result', []]], `${id} was charged no attempt`)
    const { status, processDeaths, trouble } = run('culprit').progress
    t.equal(status, 'running')
    t.ok(processDeaths > CAREFUL_AFTER_DEATHS)
    t.match(trouble?.text, /its process died \d+ times in a row while it was at work, without a checkpoint between/)
  })
  t.ok(countOf(trace, 'out') >= NEIGHBOURS)
})
