import t from 'tap'
import { Worker } from 'node:worker_threads'
import type { RunKey } from '../../lib/model/run.ts'
import { FLIGHT_RECORDER_BYTES, FlightRecorder } from '../../lib/protocol/flight-recorder.ts'
import { AttemptQueue } from '../../lib/actor/attempt-queue.ts'
import { Presence } from '../../lib/protocol/presence.ts'
import type { QueuedAttempt } from '../../lib/actor/attempt-queue.ts'

const shared = (): SharedArrayBuffer => new SharedArrayBuffer(FLIGHT_RECORDER_BYTES)
const key = (n: number): RunKey => n as RunKey

t.test('what began and has not ended can be read by another, in order', async t => {
  const memory = shared()
  const writer = new FlightRecorder(memory)
  const reader = new FlightRecorder(memory)
  t.same(reader.read('living'), [])
  const slots = [1, 2, 3].map(n => writer.began(key(n), 10 * n, n, 1, 1000 + n, 7))
  writer.ended(slots[1]!)
  const left = [1, 3].map(n => ({ key: n, incarnation: 10 * n, index: n, attempt: 1, startedAtMs: 1000 + n, nameId: 7 }))
  t.same(reader.read('living'), left)
  t.same(reader.read('dead'), left)
  for (const slot of [slots[0]!, slots[2]!]) writer.ended(slot)
  t.same(reader.read('dead'), [])
})

t.test('it says when it is full, and is as good as new when all have ended', async t => {
  const recorder = new FlightRecorder(shared())
  for (let round = 0; round < 3; round++) {
    const slots: number[] = []
    while (!recorder.isFull) slots.push(recorder.began(key(slots.length + 1), 1, 0, 1, 0, 0))
    t.ok(slots.length >= 100)
    t.equal(recorder.read('living').length, slots.length)
    for (const slot of round === 1 ? slots.reverse() : slots) recorder.ended(slot)
    t.notOk(recorder.isFull)
  }
})

t.test('a reader never sees half of a change, however busily another thread writes', async t => {
  const memory = shared()
  const worker = new Worker(new URL('../fixtures/busy-recorder.js', import.meta.url), { workerData: memory, execArgv: [] })
  t.teardown(() => worker.terminate())
  const reader = new FlightRecorder(memory)
  let read = 0
  while (read < 200) {
    for (const { key, incarnation, index, startedAtMs } of reader.read('living')) {
      read++
      if (incarnation !== key * 2 || index !== key * 3 || startedAtMs !== key * 5) t.fail(`torn: ${key} ${incarnation} ${index} ${startedAtMs}`)
    }
    await new Promise(setImmediate)
  }
  t.ok(read >= 200)
})

/** An attempt that takes so long of the test's own time. */
class Attempt implements QueuedAttempt {
  readonly name: string
  readonly timeoutMs: number | undefined
  isTold = false
  slot: number | undefined
  heldMs = 0
  readonly #log: string[]
  readonly #code: () => void

  constructor(log: string[], name: string, code: () => void = () => {}, timeoutMs?: number) {
    this.name = name
    this.timeoutMs = timeoutMs
    this.#log = log
    this.#code = code
  }

  tell(): void { this.#log.push(`told ${this.name}`) }
  record(recorder: FlightRecorder, nameId: number): number { return recorder.began(key(1), 1, nameId, 1, 0, nameId) }
  run(): void {
    this.#log.push(`${this.slot === undefined ? 'ran' : 'ran recorded'} ${this.name}`)
    this.#code()
  }
}

function queueOf(): { readonly queue: AttemptQueue, readonly log: string[], readonly presence: Presence, readonly reader: FlightRecorder, pass(ms: number): void } {
  let nowMs = 0
  const log: string[] = []
  const recorder = new FlightRecorder(shared())
  const presence = new Presence()
  const queue = new AttemptQueue(recorder, presence, (nameId, name) => { log.push(`named ${nameId} ${name}`) }, () => nowMs)
  return { queue, log, presence, reader: recorder, pass: ms => { nowMs += ms } }
}

t.test('a step is told of by a message until it was quick; then it is recorded, until it was slow', async t => {
  const { queue, log, reader, pass } = queueOf()
  const run = (code?: () => void): string[] => {
    const attempt = new Attempt(log, 'work', code)
    queue.add(attempt)
    while (!queue.isEmpty) queue.run(10)
    queue.over(attempt)
    return log.splice(0)
  }
  t.same(run(() => { pass(0.5) }), ['told work', 'ran work', 'named 0 work'])
  t.same(run(() => {
    t.equal(reader.read('living').length, 1)
    pass(5)
  }), ['ran recorded work'])
  t.same(reader.read('living'), [])
  t.same(run(), ['told work', 'ran work'], 'it was slow')
  t.same(run(), ['ran recorded work'])
})

t.test('how long the attempts that wait will take is told, going by what their steps took before', async t => {
  const { queue, log, presence, pass } = queueOf()
  const seen: number[] = []
  const work = (ms: number) => new Attempt(log, 'work', () => {
    seen.push(presence.aheadMs)
    pass(ms)
  })
  const runAll = (): number[] => {
    while (!queue.isEmpty) queue.run(1000)
    return seen.splice(0)
  }
  queue.add(work(30))
  queue.add(work(30))
  t.same(runAll(), [0, 0], 'nothing is known yet')
  for (let i = 0; i < 3; i++) queue.add(work(10))
  t.same(runAll(), [60, 30, 0])
  queue.add(work(10))
  queue.add(new Attempt(log, 'unknown'))
  queue.add(work(10))
  t.same(runAll(), [10, 0])
  queue.add(work(500))
  runAll()
  for (let i = 0; i < 3; i++) queue.add(work(10))
  t.same(runAll(), [20, 10, 0], 'once it was interrupted')
  for (const ms of [40, 40]) {
    queue.add(work(ms))
    runAll()
  }
  queue.add(work(40))
  queue.add(work(40))
  t.same(runAll(), [40, 0], 'twice as long is how long it takes')
})

t.test('with a time limit it is always told of: somebody else watches the time', async t => {
  const { queue, log } = queueOf()
  for (let i = 0; i < 2; i++) {
    queue.add(new Attempt(log, 'work', () => {}, 100))
    queue.run(10)
  }
  t.same(log, ['told work', 'ran work', 'named 0 work', 'told work', 'ran work'])
})

t.test('what was to be recorded and cannot be any more is told of before it runs', async t => {
  const { queue, log, pass } = queueOf()
  queue.add(new Attempt(log, 'work'))
  queue.run(10)
  log.length = 0
  queue.add(new Attempt(log, 'work', () => { pass(2) }))
  queue.add(new Attempt(log, 'work'))
  queue.run(10)
  t.same(log.splice(0), ['ran recorded work', 'told work'])
  t.notOk(queue.isEmpty)
  queue.run(10)
  t.same(log, ['ran work'])
})

t.test('more than the recorder holds wait for the next turn, and what is still under way is told of in between', async t => {
  const { queue, log, reader } = queueOf()
  queue.add(new Attempt(log, 'work'))
  queue.run(10)
  log.length = 0
  for (let i = 0; i < 200; i++) queue.add(new Attempt(log, 'work'))
  queue.run(10)
  const first = log.splice(0)
  t.ok(first.length > 100 && first.length < 200 && first.every(line => line === 'ran recorded work'))
  t.ok(queue.hasUntold)
  queue.tellUnderWay()
  t.equal(log.splice(0).filter(line => line === 'told work').length, first.length)
  t.equal(reader.read('living').length, first.length, 'they stay until the word is on its way')
  queue.told()
  t.same(reader.read('living'), [])
  queue.run(10)
  t.equal(log.length, 200 - first.length)
})
