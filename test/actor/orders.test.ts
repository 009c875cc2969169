/** What spawns an actor, on its way to a thread. */
import t from 'tap'
import type { Encoded } from '../../lib/codec/encoded.ts'
import type { RunKey } from '../../lib/model/run.ts'
import { BatchWriter } from '../../lib/protocol/batch.ts'
import { readOrders, writeOrder } from '../../lib/protocol/orders.ts'
import type { ToThread } from '../../lib/protocol/orders.ts'
import { packEntries } from '../../lib/protocol/thread.ts'
import type { SpawnTask } from '../../lib/protocol/thread.ts'

const filled = (size: number, byte: number): Encoded => new Uint8Array(size).fill(byte) as Uint8Array as Encoded

/** Inside a larger memory, as a store may hand it out. */
const view = (size: number, byte: number): Encoded => Buffer.alloc(size + 64, byte).subarray(32, 32 + size) as Uint8Array as Encoded

function crossed(...tasks: readonly SpawnTask[]) {
  const writer = new BatchWriter<ToThread>(writeOrder)
  for (const task of tasks) writer.add(task.key, task.incarnation, task)
  return readOrders(structuredClone(writer.take())).map(({ body }) => body)
}

function task(facts: Partial<SpawnTask>): SpawnTask {
  return { type: 'spawn-actor', key: 7 as RunKey, incarnation: 3, id: 'é-7', workflow: 'w', args: filled(10, 1), journal: packEntries([]), waits: [], isDry: false, ...facts }
}

t.test('a spawn arrives as it was sent, whatever the sizes of what it brings', async t => {
  for (const size of [0, 1, 16_383, 16_384, 100_000]) {
    const sent = {
      args: view(size, 2), journal: packEntries([view(size, 3), filled(5, 4), view(size, 5)]),
      waits: [{ index: 4, wait: view(size, 6) }, { index: 70_000, wait: filled(3, 7) }], isDry: size === 1,
    }
    const copy = structuredClone({ ...sent, args: new Uint8Array(sent.args), waits: sent.waits.map(({ index, wait }) => ({ index, wait: new Uint8Array(wait) })) })
    const [first, second] = crossed(task(sent), task({ key: 8 as RunKey, incarnation: 1 }))
    t.same(first, task(copy as unknown as Partial<SpawnTask>), `${size} bytes`)
    t.same(second, task({ key: 8 as RunKey, incarnation: 1 }))
  }
})

t.test('arguments and waits are still there after it: the supervisor keeps them for the next life', async t => {
  const [args, wait] = [view(50_000, 1), filled(50_000, 2)]
  crossed(task({ args, waits: [{ index: 0, wait }] }))
  crossed(task({ args, waits: [{ index: 0, wait }] }))
  t.same([args.every(byte => byte === 1), wait.every(byte => byte === 2)], [true, true])
  t.same([args.length, wait.length], [50_000, 50_000])
})

t.test('journals of many entries keep their bounds', async t => {
  const entries = Array.from({ length: 5000 }, (_, n) => filled(n % 7, n % 251))
  const [spawned] = crossed(task({ journal: packEntries(entries) }))
  t.same(spawned, task({ journal: packEntries(entries) }))
})
