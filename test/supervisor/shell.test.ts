/** The shell over threads that only remember what they were told. */
import t from 'tap'
import type { RunKey } from '../../lib/model/run.ts'
import { encodeValue } from '../../lib/codec/value.ts'
import { encodeEntry } from '../../lib/codec/entry.ts'
import type { ToActor, ToSupervisor } from '../../lib/protocol/actor.ts'
import { createMemoryStore } from '../../lib/store/memory/index.ts'
import { Commits } from '../../lib/supervisor/commits.ts'
import { Runs } from '../../lib/supervisor/runs.ts'
import { Shell } from '../../lib/supervisor/shell.ts'
import { Places } from '../../lib/supervisor/places.ts'
import type { ShellParts } from '../../lib/supervisor/shell.ts'
import { Starts } from '../../lib/supervisor/starts.ts'
import type { RunState } from '../../lib/supervisor/state.ts'
import { Timers } from '../../lib/supervisor/timers.ts'
import { ManualClock } from '../manual-clock.ts'

const value = encodeValue('value', { what: 'value', root: 'value' })
const turn = (): Promise<void> => new Promise(resolve => { setImmediate(() => { setImmediate(resolve) }) })

class Bench {
  readonly clock = new ManualClock()
  readonly store = createMemoryStore()
  readonly told: { readonly threadId: number, readonly incarnation: number, readonly order: ToActor }[] = []
  readonly spawned: number[] = []
  /** Lives whose task is not over. */
  readonly tasks = new Set<number>()
  readonly endedThreads: number[] = []
  /** What the thread has to do anyway. */
  aheadMs = 0
  readonly outcomes: RunState[] = []
  readonly runs: Runs
  readonly shell: Shell

  constructor() {
    const { clock, store } = this
    this.runs = new Runs(store, () => { commits.schedule() })
    const commits: Commits = new Commits(store, clock, {
      gather: () => { this.shell.admission.run() }, committed: () => { this.runs.settle() }, refused: () => {}, recovered: () => {}, isStopRequested: () => false,
    })
    const starts = new Starts(store, this.runs, clock)
    starts.define([{ name: 'w', maxRespawns: 5, respawnWindowMs: 1000, isolated: false, checksArgs: false, version: 'v1' }])
    const timers = new Timers(clock, (after, limit) => store.scanTimers(after, limit), rows => { this.shell.timersDue(rows) })
    const pool = {
      threads: () => [{ threadId: 1, actors: 0 }],
      aheadMs: () => this.aheadMs,
      spawn: (_: number, task: { readonly incarnation: number }) => {
        this.tasks.add(task.incarnation)
        return this.spawned.push(task.incarnation) > 0
      },
      threadOf: (_: RunKey, incarnation?: number) => (incarnation === undefined ? this.tasks.size > 0 : this.tasks.has(incarnation)) ? 1 : undefined,
      tell: (threadId: number, _: RunKey, incarnation: number, order: ToActor) => { this.told.push({ threadId, incarnation, order }) },
      endThread: (threadId: number) => { this.endedThreads.push(threadId) },
    }
    const parts = {
      store, clock, runs: this.runs, starts, commits, timers, pool, actorsPerThread: 4, places: new Places(4, () => {}),
      outcomeRecorded: (state: RunState) => { this.outcomes.push(state) }, log: () => {},
    }
    this.shell = new Shell(parts as unknown as ShellParts)
  }

  async start(): Promise<RunState> {
    const state = this.shell.children.create({ id: 'run', workflow: 'w', args: value }, undefined)
    await turn()
    return state
  }

  /** Nothing of a life goes on in its thread any more. */
  over(incarnation: number): void {
    this.tasks.delete(incarnation)
    this.shell.released(1, 1 as RunKey, incarnation)
  }

  say(body: ToSupervisor, facts: { readonly threadId?: number, readonly incarnation?: number } = {}): void {
    this.shell.facts(facts.threadId ?? 1, [{ key: 1 as RunKey, incarnation: facts.incarnation ?? 1, body }])
  }
}

const completed: ToSupervisor = {
  type: 'operation-completed', index: 0, kind: 'step', outcome: 'result',
  entry: encodeEntry({ index: 0, kind: 'step', name: 's', startedAtMs: 0, finishedAtMs: 1, outcome: 'result', value, attempts: [] }),
}

t.test('words of another incarnation, of another thread or of a run that has no actor change nothing (I2)', async t => {
  const bench = new Bench()
  const state = await bench.start()
  t.match(state, { progress: { incarnation: 1, status: 'running' }, life: { type: 'live' } })
  const before = JSON.stringify(bench.store.loadRun(1 as RunKey))
  for (const facts of [{ incarnation: 0 }, { incarnation: 2 }, { threadId: 2 }]) {
    bench.say({ type: 'actor-started' }, facts)
    bench.say(completed, facts)
    bench.say({ type: 'run-completed', result: value }, facts)
  }
  await turn()
  t.equal(JSON.stringify(bench.store.loadRun(1 as RunKey)), before)
  t.same(bench.told, [])
  bench.say({ type: 'run-completed', result: value })
  await turn()
  t.equal(state.progress.status, 'succeeded')
  const after = JSON.stringify(bench.store.loadRun(1 as RunKey))
  bench.say(completed)
  await turn()
  t.equal(JSON.stringify(bench.store.loadRun(1 as RunKey)), after)
})

t.test('results of a thread that has other work for long gather; whatever else happens takes them along', async t => {
  const bench = new Bench()
  await bench.start()
  bench.say({ type: 'actor-started' })
  let inTime: () => void = () => {}
  const delays: number[] = []
  bench.clock.shortly = (delayMs, callback) => {
    delays.push(delayMs)
    inTime = callback
    return { cancel: () => { inTime = () => {} } }
  }
  bench.aheadMs = 1000
  bench.say(completed)
  await turn()
  t.same([bench.told, bench.store.readJournal(1 as RunKey, 0, 10)], [[], []])
  inTime()
  await turn()
  t.equal(bench.told.length, 1)
  t.same(delays, [20])
  bench.aheadMs = 29
  bench.say({ ...completed, index: 1 })
  await turn()
  t.same([bench.told.length, delays], [1, [20, 10]])
  bench.aheadMs = 3
  bench.say({ ...completed, index: 4 })
  t.same(delays, [20, 10, 2], 'the sooner is what counts')
  bench.aheadMs = 2.9
  bench.say({ type: 'step-started', index: 2, name: 's', attempt: 1, startedAtMs: 0, timeoutMs: undefined })
  bench.say({ ...completed, index: 2 })
  await turn()
  t.equal(bench.told.length, 4, 'its thread has nothing to do soon')
  bench.aheadMs = 1000
  bench.say({ ...completed, index: 3 })
  bench.say({ type: 'run-completed', result: value })
  await turn()
  t.equal(bench.outcomes.length, 1, 'an outcome is waited for')
  t.equal(bench.store.readJournal(1 as RunKey, 0, 10).length, 5)
})

t.test('an actor is told, and a waiter answered, only after the commit (I1)', async t => {
  const bench = new Bench()
  await bench.start()
  bench.say({ type: 'actor-started' })
  bench.say(completed)
  t.same([bench.told, bench.store.readJournal(1 as RunKey, 0, 10)], [[], []])
  await turn()
  t.match(bench.told, [{ threadId: 1, incarnation: 1, order: { type: 'entry-recorded', position: 0 } }])
  t.equal(bench.store.readJournal(1 as RunKey, 0, 10).length, 1)
  bench.say({ type: 'run-completed', result: value })
  t.same([bench.outcomes, bench.store.readOutcome(1 as RunKey)], [[], undefined])
  await turn()
  t.equal(bench.outcomes.length, 1)
})

t.test('what is told to an actor that is being spawned waits for its first word', async t => {
  const bench = new Bench()
  const state = await bench.start()
  bench.shell.hear(state, { type: 'end-requested', reason: 'cancelled', graceMs: 50 })
  await turn()
  t.same(bench.told, [])
  bench.say({ type: 'actor-started' })
  await turn()
  t.match(bench.told, [{ order: { type: 'end-run' } }])
})

t.test('a thread is ended when the grace of an ending is over and its actor is still there, and not otherwise', async t => {
  for (const stops of [true, false]) {
    const bench = new Bench()
    const state = await bench.start()
    bench.say({ type: 'actor-started' })
    bench.shell.hear(state, { type: 'end-requested', reason: 'cancelled', graceMs: 50 })
    await turn()
    bench.clock.turn(49)
    if (stops) {
      bench.say({ type: 'run-failed', error: value })
      bench.over(1)
    }
    await turn()
    t.same(bench.endedThreads, [])
    bench.clock.turn(1)
    t.same(bench.endedThreads, stops ? [] : [1])
  }
})

t.test('the grace of one life does not end the thread of the next', async t => {
  const bench = new Bench()
  const state = await bench.start()
  bench.say({ type: 'actor-started' })
  bench.shell.hear(state, { type: 'end-requested', reason: 'cancelled', graceMs: 50 })
  await turn()
  bench.say({ type: 'run-failed', error: value })
  bench.over(1)
  bench.shell.hear(bench.runs.get(1 as RunKey)!, { type: 'resume-requested', forget: undefined })
  await turn()
  await turn()
  t.same(bench.spawned, [1, 2])
  bench.clock.turn(50)
  t.same(bench.endedThreads, [])
})

t.test('a run is not spawned again while code of its former life goes on, and its thread is ended if that takes too long', async t => {
  for (const letsGo of [true, false]) {
    const bench = new Bench()
    await bench.start()
    bench.say({ type: 'actor-started' })
    bench.say({ type: 'run-failed', error: value })
    await turn()
    bench.shell.hear(bench.runs.get(1 as RunKey)!, { type: 'resume-requested', forget: undefined })
    await turn()
    t.same(bench.spawned, [1], 'a step of the first life still runs')
    bench.clock.turn(4999)
    if (letsGo) bench.over(1)
    await turn()
    t.same(bench.spawned, letsGo ? [1, 2] : [1])
    bench.clock.turn(1)
    await turn()
    t.same(bench.endedThreads, letsGo ? [] : [1])
  }
})

t.test('a run whose task ended without a last word has crashed', async t => {
  const bench = new Bench()
  const state = await bench.start()
  bench.over(1)
  t.equal(state.progress.crashes, 1)
  await turn()
  t.same(bench.spawned, [1, 2], 'and lives again')
  bench.shell.released(1, 1 as RunKey, 1)
  t.equal(state.progress.crashes, 1, 'a late word on the first life is not a crash of the second')
})
