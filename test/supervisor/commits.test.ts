/** Group commit over a store that refuses when it is told to, and a hand-turned clock. */
import t from 'tap'
import { StoreUnavailableError } from '../../lib/errors.ts'
import type { RunKey } from '../../lib/model/run.ts'
import type { Change, Store } from '../../lib/store/contract.ts'
import { Commits } from '../../lib/supervisor/commits.ts'
import { ManualClock } from '../manual-clock.ts'

const change = (index: number): Change => ({ type: 'wait-removed', key: 1 as RunKey, index })
const turn = (): Promise<void> => new Promise(resolve => { setImmediate(() => { setImmediate(resolve) }) })

class Bench {
  readonly clock = new ManualClock()
  readonly written: number[][] = []
  readonly log: string[] = []
  refusing = false
  stopRequested = false
  gather: () => void = () => {}
  readonly commits: Commits

  constructor() {
    const store = {
      commit: (changes: readonly Change[]) => {
        if (this.refusing) throw new StoreUnavailableError({ store: '/nowhere', problem: 'the disk is full' })
        this.written.push(changes.map(each => (each as { readonly index: number }).index))
        return changes.map(() => ({ type: 'applied' }))
      },
    }
    this.commits = new Commits(store as unknown as Store, this.clock, {
      gather: () => { this.gather() },
      committed: () => { this.log.push('committed') },
      refused: (error, attempt, retryMs) => { this.log.push(`refused ${attempt}, again in ${retryMs} ms (${(error as StoreUnavailableError).code})`) },
      recovered: () => { this.log.push('recovered') },
      isStopRequested: () => this.stopRequested,
    })
  }

  add(...indexes: number[]): void {
    for (const index of indexes) {
      this.commits.add([change(index)])
      this.commits.afterCommit(() => { this.log.push(`told ${index}`) })
    }
  }
}

t.test('what is decided in one turn is one commit, told after it, in order', async t => {
  const bench = new Bench()
  bench.add(1, 2, 3)
  t.same(bench.log, [], 'nothing is told before')
  await turn()
  t.same(bench.written, [[1, 2, 3]])
  t.same(bench.log.slice(0, 4), ['committed', 'told 1', 'told 2', 'told 3'])
})

t.test('with nothing to wait for, an effect happens at once', async t => {
  const bench = new Bench()
  bench.commits.afterCommit(() => { bench.log.push('told') })
  t.same(bench.log, ['told'])
})

t.test('what is decided while others are told waits for the next commit', async t => {
  const bench = new Bench()
  bench.commits.add([change(1)])
  bench.commits.afterCommit(() => { bench.add(2) })
  bench.commits.afterCommit(() => { bench.log.push('told the second') })
  await turn()
  t.same(bench.written, [[1], [2]])
  t.same(bench.log.filter(line => line !== 'committed'), ['told the second', 'told 2'])
})

t.test('what is decided while others are told is not taken for committed', async t => {
  const bench = new Bench()
  bench.commits.add([change(1)])
  bench.commits.afterCommit(() => {
    bench.log.push('told 1')
    bench.add(2)
  })
  await turn()
  t.same(bench.log, ['committed', 'told 1', 'committed', 'told 2'])
})

t.test('the last call before a commit can add to it', async t => {
  const bench = new Bench()
  bench.gather = () => { if (bench.written.length === 0) bench.commits.add([change(9)]) }
  bench.add(1)
  await turn()
  t.same(bench.written[0], [1, 9])
})

t.test('while the store refuses nothing is told, what comes meanwhile waits behind, and all is told in order after the commit', async t => {
  const bench = new Bench()
  bench.refusing = true
  bench.add(1)
  await turn()
  bench.add(2)
  await turn()
  bench.clock.turn(20)
  bench.add(3)
  await turn()
  t.same(bench.log, ['refused 1, again in 20 ms (TROUPE_STORE_UNAVAILABLE)', 'refused 2, again in 40 ms (TROUPE_STORE_UNAVAILABLE)'])
  t.equal(bench.commits.stats.waiting, 3)
  bench.refusing = false
  await turn()
  t.same(bench.written, [], 'it is asked again when the delay is over, not before')
  bench.clock.turn(40)
  t.same(bench.written, [[1, 2, 3]])
  t.same(bench.log.slice(2), ['recovered', 'committed', 'told 1', 'told 2', 'told 3'])
  t.equal(bench.commits.stats.waiting, 0)
})

/** One whose short delays are turned by hand, too. */
function patientBench(): { readonly bench: Bench, readonly passes: () => void, readonly armed: () => number, readonly delays: number[] } {
  const bench = new Bench()
  const waiting = new Set<() => void>()
  const delays: number[] = []
  bench.clock.shortly = (delayMs, callback) => {
    delays.push(delayMs)
    waiting.add(callback)
    return { cancel: () => { waiting.delete(callback) } }
  }
  return {
    bench,
    delays,
    armed: () => waiting.size,
    passes: () => {
      for (const callback of waiting) {
        waiting.delete(callback)
        callback()
      }
    },
  }
}

t.test('what nobody waits for gathers for a while', async t => {
  const { bench, passes, armed } = patientBench()
  for (const index of [1, 2]) {
    bench.commits.patiently(20, () => { bench.add(index) })
    await turn()
  }
  t.same([bench.written, bench.log, armed(), bench.commits.isStill], [[], [], 1, false])
  passes()
  await turn()
  t.same(bench.written, [[1, 2]])
  t.same(bench.log, ['committed', 'told 1', 'told 2'])
  t.ok(bench.commits.isStill)
})

t.test('it goes with the next commit that somebody waits for, in order', async t => {
  const { bench, armed } = patientBench()
  bench.commits.patiently(20, () => { bench.add(1) })
  bench.add(2)
  bench.commits.patiently(20, () => { bench.add(3) })
  await turn()
  t.same([bench.written, armed()], [[[1, 2, 3]], 0])
})

t.test('it gathers for as long as the least patient can wait', async t => {
  const { bench, passes, armed, delays } = patientBench()
  for (const [index, ms] of [20, 10, 20, 10].entries()) bench.commits.patiently(ms, () => { bench.add(index) })
  t.same([delays, armed()], [[20, 10], 1])
  passes()
  await turn()
  t.same(bench.written, [[0, 1, 2, 3]])
  bench.commits.patiently(20, () => { bench.add(4) })
  t.same([delays, armed()], [[20, 10, 20], 1])
  bench.commits.patiently(0, () => { bench.add(5) })
  await turn()
  t.same([bench.written[1], armed()], [[4, 5], 0])
})

t.test('an error while something is added patiently leaves no patience behind', async t => {
  const { bench } = patientBench()
  t.throws(() => { bench.commits.patiently(20, () => { throw new TypeError('not this') }) })
  bench.add(1)
  await turn()
  t.same(bench.written, [[1]])
})

t.test('what gathers is not tried sooner while the store refuses, and never after stop()', async t => {
  const { bench, passes, armed } = patientBench()
  bench.refusing = true
  bench.add(1)
  await turn()
  bench.commits.patiently(20, () => { bench.add(2) })
  t.equal(armed(), 0)
  bench.refusing = false
  bench.clock.turn(20)
  t.same(bench.written, [[1, 2]])
  bench.commits.patiently(20, () => { bench.add(3) })
  bench.commits.stop()
  passes()
  await turn()
  t.same([bench.written.length, armed()], [1, 0])
})

t.test('the delays grow up to a bound, and begin anew after a commit', async t => {
  const bench = new Bench()
  bench.refusing = true
  bench.add(1)
  await turn()
  for (let i = 0; i < 10; i++) bench.clock.turn(5000)
  const delays = bench.log.map(line => Number(/in (\d+) ms/.exec(line)![1]))
  t.same(delays.slice(0, 9), [20, 40, 80, 160, 320, 640, 1280, 2560, 5000])
  t.ok(delays.slice(8).every(delay => delay === 5000))
  bench.refusing = false
  bench.clock.turn(5000)
  bench.refusing = true
  bench.add(2)
  await turn()
  t.equal(bench.log.at(-1), 'refused 1, again in 20 ms (TROUPE_STORE_UNAVAILABLE)')
})

t.test('after stop() no commit begins, not even one that was refused before', async t => {
  const bench = new Bench()
  bench.refusing = true
  bench.add(1)
  await turn()
  bench.refusing = false
  bench.commits.stop()
  bench.clock.turn(10_000)
  bench.add(2)
  await turn()
  t.same(bench.written, [])
  t.equal(bench.clock.alarms, 0)
})

t.test('none begins once the end of the process was asked for', async t => {
  const bench = new Bench()
  bench.stopRequested = true
  bench.add(1)
  await turn()
  t.same(bench.written, [])
  t.same(bench.log, [])
})
