/** The pool with real threads, told what to do by the test. */
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { encodeValue } from '../../lib/codec/value.ts'
import type { RunKey } from '../../lib/model/run.ts'
import type { Envelope, ToSupervisor } from '../../lib/protocol/actor.ts'
import type { SpawnTask } from '../../lib/protocol/thread.ts'
import { ThreadPool } from '../../lib/supervisor/pool.ts'
import { packed } from '../actor/life.ts'
import { until } from '../harness.ts'

const task = (workflow: string, args: readonly unknown[], incarnation: number): SpawnTask => ({
  type: 'spawn-actor', key: 1 as RunKey, incarnation, id: 'run', workflow, args: encodeValue(args, { what: 'args', root: 'args' }), journal: packed([]), waits: [],
})

t.test('an actor spawned again on its thread before the former task is over is counted, and stays counted', async t => {
  const facts: Envelope<ToSupervisor>[] = []
  const released: number[] = []
  let threadId = 0
  const pool = new ThreadPool({
    threads: 1,
    modules: [new URL('../fixtures/replay/bodies.js', import.meta.url).href],
    entry: fileURLToPath(new URL('../../workers/actor.cjs', import.meta.url)),
  }, {
    facts: (_, heard) => {
      facts.push(...heard)
      // The first life's last word: the second begins at once, as it does for a run that is woken while it is let go.
      if (heard.some(({ body, incarnation }) => body.type === 'run-completed' && incarnation === 1)) pool.spawn(threadId, task('asleep', [3600], 2))
    },
    threadReady: id => { threadId = id },
    released: (_, __, incarnation) => { released.push(incarnation) },
    threadEnded: () => {},
    argsChecked: () => {},
    bootFailed: () => {},
  })
  t.teardown(() => pool.destroy())
  await pool.start()
  t.ok(pool.spawn(threadId, task('atOnce', [], 1)))
  await until('the first life is over', () => released.includes(1))
  await until('the second life waits', () => facts.some(({ body, incarnation }) => body.type === 'actor-waiting' && incarnation === 2))
  t.same([...pool.threads()].map(({ actors }) => actors), [1])
  t.same(released, [1])
})
