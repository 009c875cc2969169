/** How long code of a run's former life may hold up the next one, by a hand-turned clock. */
import t from 'tap'
import type { RunKey } from '../../lib/model/run.ts'
import { Alarms } from '../../lib/supervisor/alarms.ts'
import { Lingering } from '../../lib/supervisor/lingering.ts'
import type { Shell, ShellParts } from '../../lib/supervisor/shell.ts'
import { QUEUED } from '../../lib/supervisor/state.ts'
import { ManualClock } from '../manual-clock.ts'
import { runState } from './states.ts'

const turn = (): Promise<void> => new Promise(resolve => { setImmediate(() => { setImmediate(resolve) }) })

class Bench {
  readonly clock = new ManualClock()
  readonly state = runState({ progress: { status: 'enqueued' }, life: QUEUED })
  readonly ended: number[] = []
  readonly inLine: RunKey[] = []
  /** Where code of its former life goes on. */
  thread: number | undefined = 1
  readonly lingering: Lingering

  constructor() {
    const shell = { alarms: new Alarms(this.clock), admission: { push: ({ key }: { readonly key: RunKey }) => { this.inLine.push(key) } } }
    const parts = {
      clock: this.clock,
      runs: { get: () => this.state },
      pool: { threadOf: () => this.thread, endThread: (threadId: number) => { this.ended.push(threadId) } },
      log: () => {},
    }
    this.lingering = new Lingering(shell as unknown as Shell, parts as unknown as ShellParts)
  }

  async turn(ms: number): Promise<void> {
    this.clock.turn(ms)
    await turn()
  }
}

t.test('a thread that does not let go of a run in time is ended, once, and the run is in line when it has', async t => {
  const bench = new Bench()
  bench.lingering.await(bench.state)
  bench.lingering.await(bench.state)
  await bench.turn(4999)
  t.same(bench.ended, [])
  await bench.turn(1)
  t.same(bench.ended, [1])
  bench.lingering.lineUpAll()
  t.same(bench.inLine, [], 'not before it has')
  bench.thread = undefined
  bench.lingering.lineUpAll()
  t.same(bench.inLine, [bench.state.meta.key])
})

t.test('code that holds a run up anew has all of the time anew, whatever is left of the time before', async t => {
  const bench = new Bench()
  for (let life = 0; life < 3; life++) {
    bench.thread = life
    bench.lingering.await(bench.state)
    await bench.turn(3000)
    bench.thread = undefined
    bench.lingering.lineUp(bench.state.meta.key)
  }
  t.same(bench.ended, [])
  t.equal(bench.inLine.length, 3)
  t.equal(bench.clock.alarms, 0)
  bench.thread = 7
  bench.lingering.await(bench.state)
  bench.clock.turn(5000)
  bench.thread = undefined
  bench.lingering.lineUp(bench.state.meta.key)
  bench.thread = 8
  bench.lingering.await(bench.state)
  await turn()
  t.same(bench.ended, [], 'it was over at the last moment')
  await bench.turn(5000)
  t.same(bench.ended, [8])
})
