import t from 'tap'
import { Worker } from 'node:worker_threads'
import type { RunKey } from '../../lib/model/run.ts'
import { FLIGHT_RECORDER_BYTES, FlightRecorder } from '../../lib/protocol/flight-recorder.ts'
import { registryOf, ScriptedThread } from './life.ts'
import { step } from '../../lib/workflow/step.ts'

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

t.test('the first attempt of a step is told by a message before it runs; a later one by the recorder, which is clear again when it is over', async t => {
  const memory = shared()
  const reader = new FlightRecorder(memory)
  const seen: unknown[] = []
  const work = step((n: number) => {
    seen.push(reader.read('living').map(({ index, attempt }) => [index, attempt]))
    return n
  }, { name: 'work' })
  const life = new ScriptedThread(registryOf({ body: async () => [await work(1), await work(2), await work(3)] }), undefined, new FlightRecorder(memory))
  t.teardown(() => { life.close() })
  void life.spawn()
  const told: unknown[] = []
  for (let index = 0; index < 3; index++) {
    for (let done = false; !done;) {
      for (const { body } of await life.next()) {
        if (body.type === 'step-started') told.push(body.index)
        done ||= body.type === 'operation-completed'
      }
    }
    t.same(reader.read('living'), [])
    life.tell([{ type: 'entry-recorded', index, position: index }])
  }
  t.same(seen, [[], [[1, 1]], [[2, 1]]])
  t.same(told, [0])
  t.same(life.messages.filter(({ type }) => type === 'step-named'), [{ type: 'step-named', nameId: 0, name: 'work' }])
})
