/** Who gets a thread next, over threads that only count. */
import t from 'tap'
import type { RunKey } from '../../lib/model/run.ts'
import { Admission, carefulness } from '../../lib/supervisor/admission.ts'
import type { RunState } from '../../lib/supervisor/state.ts'
import { QUEUED } from '../../lib/supervisor/state.ts'
import { chanceOf, seedOf } from '../chance.ts'
import { runState } from './states.ts'

interface Run {
  readonly state: RunState
  readonly alone: boolean
  thread: number | undefined
  waiting: boolean
}

/** Threads with actors that leave when they are asked to and merely wait. */
class Host {
  readonly runs = new Map<RunKey, Run>()
  readonly admitted: number[] = []
  readonly asked: { readonly places: number, readonly threadId: number | undefined }[] = []
  readonly unknown = new Set<RunKey>()
  /** Of each thread, how many that do not merely wait it takes now. */
  readonly places = new Map<number, number>()
  awaited = 0
  readonly admission: Admission
  readonly #threads: readonly number[]

  constructor(threads: number, actorsPerThread: number) {
    this.#threads = Array.from({ length: threads }, (_, i) => i + 1)
    this.admission = new Admission({
      threads: () => this.#threads.map(threadId => ({
        threadId, actors: this.on(threadId).length, places: this.places.get(threadId) ?? Infinity,
        waiting: this.on(threadId).filter(key => this.runs.get(key as RunKey)!.waiting).length,
      })),
      queuedRun: key => this.unknown.has(key) || this.runs.get(key)?.state.life.type !== 'queued' ? undefined : this.runs.get(key)!.state,
      isHeldBack: state => carefulness(state) > 0 && [...this.runs.values()].some(run => run.thread !== undefined && carefulness(run.state) > 0),
      mustBeAlone: state => this.runs.get(state.meta.key)!.alone,
      admit: (state, threadId) => {
        const run = this.runs.get(state.meta.key)!
        run.state.life = { type: 'live', threadId, mode: 'active', told: 0, held: [], asking: 0, waitsAfter: undefined }
        run.thread = threadId
        this.admitted.push(state.meta.key)
      },
      awaitPlaces: () => { this.awaited++ },
      makeRoom: (places, threadId) => {
        this.asked.push({ places, threadId })
        let left = places
        for (const run of this.runs.values()) {
          if (left > 0 && run.waiting && run.thread !== undefined && (threadId === undefined || run.thread === threadId)) {
            left--
            this.leave(run.state.meta.key)
          }
        }
      },
    }, { bound: () => 'free', freePlaces: () => Infinity }, actorsPerThread)
  }

  on(threadId: number): number[] {
    return [...this.runs.values()].filter(run => run.thread === threadId).map(run => run.state.meta.key)
  }

  add(key: number, facts: { readonly priority?: number, readonly alone?: boolean } = {}): void {
    const state = runState({ key, progress: { status: 'enqueued' } })
    state.life = QUEUED
    this.runs.set(key as RunKey, { state, alone: facts.alone === true, thread: undefined, waiting: false })
    this.admission.push({ priority: facts.priority ?? 0, position: key, key: key as RunKey })
  }

  wait(key: number): void {
    this.runs.get(key as RunKey)!.waiting = true
  }

  leave(key: number): void {
    const run = this.runs.get(key as RunKey)!
    const threadId = run.thread!
    run.thread = undefined
    run.state.life = { type: 'absent' }
    if (this.admission.isReservedFor(threadId, key as RunKey)) this.admission.release(threadId)
  }
}

t.test('runs are admitted by priority, and first come first served within one', async t => {
  const host = new Host(1, 10)
  host.add(1, { priority: 5 })
  host.add(2)
  host.add(3, { priority: 1 })
  host.add(4)
  host.admission.run()
  t.same(host.admitted, [2, 4, 3, 1])
})

t.test('each goes to the thread with the fewest actors, up to the bound', async t => {
  const host = new Host(3, 2)
  for (let key = 1; key <= 8; key++) host.add(key)
  host.admission.run()
  t.same([1, 2, 3].map(thread => host.on(thread)), [[1, 4], [2, 5], [3, 6]])
  t.equal(host.admission.waiting, 2)
  host.leave(5)
  host.admission.run()
  t.same(host.on(2), [2, 7])
})

t.test('when every place is taken, those that merely wait are asked to make room, as many as there are in the queue', async t => {
  const host = new Host(1, 2)
  for (let key = 1; key <= 4; key++) host.add(key)
  host.admission.run()
  t.same(host.asked, [{ places: 2, threadId: undefined }])
  host.wait(1)
  host.admission.run()
  host.admission.run()
  t.same(host.on(1), [2, 3])
})

t.test('a run that is no longer in the queue is passed over', async t => {
  const host = new Host(1, 1)
  host.add(1)
  host.add(2)
  host.runs.get(1 as RunKey)!.state.life = { type: 'absent' }
  host.admission.run()
  t.same(host.admitted, [2])
})

t.test('a run whose workflow is unknown holds up nobody', async t => {
  const host = new Host(1, 1)
  host.add(1)
  host.add(2)
  host.unknown.add(1 as RunKey)
  host.admission.run()
  t.same(host.admitted, [2])
})

t.test('nobody is admitted after close()', async t => {
  const host = new Host(1, 1)
  host.add(1)
  host.admission.close()
  host.admission.run()
  t.same(host.admitted, [])
})

t.test('a run that must be alone gets an empty thread, and nobody joins it there', async t => {
  const host = new Host(2, 10)
  host.add(1, { alone: true })
  for (let key = 2; key <= 5; key++) host.add(key)
  host.admission.run()
  t.same(host.on(1), [1])
  t.same(host.on(2), [2, 3, 4, 5])
})

t.test('when no thread is empty one is kept free for a run that must be alone, and others go on on the rest', async t => {
  const host = new Host(2, 10)
  for (let key = 1; key <= 4; key++) host.add(key)
  host.admission.run()
  host.add(5, { alone: true })
  host.add(6)
  host.admission.run()
  t.same(host.on(1), [1, 3])
  t.same(host.on(2), [2, 4, 6])
  host.leave(1)
  host.admission.run()
  t.same(host.on(1), [3], 'not yet empty')
  host.leave(3)
  host.admission.run()
  t.same(host.on(1), [5])
})

t.test('runs with which the process keeps dying go on one at a time, those with the fewest deaths first, and others beside them', async t => {
  const host = new Host(3, 2)
  const deaths = [9, 5, 5, 7]
  for (const [i, processDeaths] of deaths.entries()) {
    host.add(i + 1, { alone: true })
    const { state } = host.runs.get(i + 1 as RunKey)!
    state.progress = { ...state.progress, processDeaths }
  }
  host.add(5)
  host.add(6, { alone: true })
  host.admission.run()
  t.same(host.admitted, [5, 6, 2], 'who is only suspected on a thread does not wait for them')
  for (const next of [3, 4, 1]) {
    host.admission.run()
    t.equal(host.admitted.length, 3 + [3, 4, 1].indexOf(next), 'not before the one at work has left')
    host.leave(host.admitted.filter(key => key < 5).at(-1)!)
    host.admission.run()
    t.equal(host.admitted.at(-1), next)
  }
})

t.test('a thread that was being emptied is open again when the run it was for has ended meanwhile', async t => {
  const host = new Host(2, 2)
  for (let key = 1; key <= 4; key++) host.add(key)
  host.admission.run()
  host.leave(1)
  host.add(5, { alone: true })
  host.admission.run()
  host.add(6)
  host.add(7)
  host.leave(2)
  host.admission.run()
  t.same([host.on(1), host.on(2)], [[3], [4, 6]], 'thread 1 is being emptied')
  host.runs.get(5 as RunKey)!.state.life = { type: 'absent' }
  host.admission.run()
  host.admission.run()
  t.same([host.on(1), host.on(2)], [[3, 7], [4, 6]])
})

t.test('the only thread is emptied for a run that must be alone, and open again after it', async t => {
  const host = new Host(1, 10)
  host.add(1)
  host.admission.run()
  host.add(2, { alone: true })
  host.add(3)
  host.admission.run()
  t.same(host.on(1), [1], 'run 2 comes first, and its thread is being emptied')
  host.leave(1)
  host.admission.run()
  t.same(host.on(1), [2])
  host.leave(2)
  host.admission.run()
  t.same(host.on(1), [3])
})

t.test('a run that is alone on its thread and merely waits makes room for the one it waits for, which must be alone too', async t => {
  const host = new Host(2, 64)
  host.add(1)
  host.admission.run()
  host.wait(1) // it waits for run 2
  host.add(2, { alone: true })
  host.admission.run()
  t.same([host.on(1), host.on(2)], [[1], [2]])
  host.wait(2) // it waits for run 3
  host.add(3, { alone: true })
  for (let turns = 0; turns < 3; turns++) host.admission.run()
  t.ok(host.admitted.includes(3))
})

t.test('whatever comes and goes, bounds hold, nobody joins a run that must be alone, and everybody is admitted in the end', async t => {
  const seed = seedOf(t)
  for (let i = 0; i < 200; i++) {
    const chance = chanceOf(seed + i)
    const [threads, actorsPerThread] = [1 + chance.below(4), 1 + chance.below(4)]
    const host = new Host(threads, actorsPerThread)
    const check = (): boolean => Array.from({ length: threads }, (_, thread) => host.on(thread + 1)).every(keys =>
      keys.length <= actorsPerThread && (keys.length < 2 || keys.every(key => !host.runs.get(key as RunKey)!.alone)))
    const live = (): Run[] => [...host.runs.values()].filter(run => run.thread !== undefined)
    let right = true
    for (let step = 0; step < 60; step++) {
      const dice = chance.below(4)
      if (dice === 0) host.add(host.runs.size + 1, { priority: chance.below(3), alone: chance.below(3) === 0 })
      else if (dice === 1 && live().length > 0) host.leave(chance.pick(live()).state.meta.key)
      else if (dice === 2 && live().length > 0) host.wait(chance.pick(live()).state.meta.key)
      host.admission.run()
      right &&= check()
    }
    // All that are live now merely wait, for somebody who is still in the queue.
    for (let turns = 0; turns < 500 && host.admission.waiting > 0; turns++) {
      for (const run of live()) run.waiting = true
      host.admission.run()
      right &&= check()
    }
    if (!right || host.admission.waiting > 0) {
      t.fail(`seed ${seed + i}: ${right ? `${host.admission.waiting} runs wait for ever` : 'a bound was broken'}`)
      return
    }
  }
  t.pass('200 sequences')
})

t.test('a thread that takes fewer for now is given no more than that, and admission is to be tried again', async t => {
  const host = new Host(2, 10)
  host.places.set(1, 2)
  host.places.set(2, 4)
  for (let key = 1; key <= 9; key++) host.add(key)
  host.admission.run()
  t.equal(host.on(1).length, 2)
  t.equal(host.on(2).length, 4)
  t.equal(host.admission.waiting, 3)
  t.equal(host.awaited, 1)
  t.same(host.asked, [], 'nobody is let go for want of time')
  host.places.set(2, 10)
  host.admission.run()
  t.equal(host.on(2).length, 7)
  t.equal(host.admission.waiting, 0)
})

t.test('who merely waits takes no place of a busy thread, but is let go where actorsPerThread is reached', async t => {
  const host = new Host(2, 4)
  host.places.set(1, 2)
  host.places.set(2, 2)
  for (let key = 1; key <= 4; key++) host.add(key)
  host.admission.run()
  t.same([host.on(1).length, host.on(2).length], [2, 2])
  for (const key of host.on(1)) host.wait(key)
  for (let key = 5; key <= 6; key++) host.add(key)
  host.admission.run()
  t.same([host.on(1).length, host.on(2).length], [4, 2], 'those that wait are no load')
  host.wait(5)
  host.add(7)
  host.admission.run()
  t.same(host.asked.at(-1), { places: 1, threadId: 1 }, 'the thread with time has no place left')
  t.equal(host.on(1).length, 3)
  host.admission.run()
  t.same([host.on(1).length, host.on(2).length], [4, 2])
})

t.test('of two threads the one with fewer actors at work is next, as long as it has a place: so equals spread evenly', async t => {
  const host = new Host(2, 64)
  host.places.set(1, 4)
  host.places.set(2, 64)
  for (let key = 1; key <= 6; key++) host.add(key)
  host.admission.run()
  t.same([host.on(1).length, host.on(2).length], [3, 3])
  for (let key = 7; key <= 34; key++) host.add(key)
  host.admission.run()
  t.same([host.on(1).length, host.on(2).length], [4, 30])
})
