/** The lanes of queues by themselves, held against a plain list: who is next, who is held back, and that nobody is forgotten. */
import fc from 'fast-check'
import t from 'tap'
import type { RunKey } from '../../lib/model/run.ts'
import { Lanes } from '../../lib/supervisor/lanes.ts'
import type { Bound, Bounds, QueuedRun } from '../../lib/supervisor/lanes.ts'
import { seedOf } from '../chance.ts'

class Places implements Bounds {
  concurrency = Infinity
  keyConcurrency = Infinity
  readonly taken: QueuedRun[] = []

  bound(queue: string, queueKey: string | undefined): Bound {
    if (this.freePlaces(queue) <= 0) return 'queue-full'
    const ofKey = this.taken.filter(run => run.queue === queue && run.queueKey === queueKey).length
    return queueKey !== undefined && ofKey >= this.keyConcurrency ? 'key-full' : 'free'
  }

  freePlaces(queue: string): number {
    return this.concurrency - this.taken.filter(run => run.queue === queue).length
  }
}

const before = (a: QueuedRun, b: QueuedRun): number => a.priority - b.priority || a.position - b.position || a.key - b.key

/** Lanes and a list of all that wait; each pop is held against the list. */
class Checked {
  readonly places = new Places()
  readonly lanes = new Lanes(this.places)
  waiting: QueuedRun[] = []
  /** How often another lane was served since this one, which has somebody who may start. */
  readonly #passedBy = new Map<string | undefined, number>()
  readonly #queues = new Set<string | undefined>()
  #nextKey = 1

  push(run: Omit<QueuedRun, 'key' | 'position'>): void {
    const key = this.#nextKey++ as RunKey
    const queued = { ...run, key, position: key }
    this.#queues.add(run.queue)
    this.waiting.push(queued)
    this.lanes.push(queued)
  }

  /** `used` false: the run turns out to be finished already, and takes no place. */
  pop(used: boolean): QueuedRun | undefined {
    const firsts = new Map([...this.#queues].flatMap(queue => {
      const first = this.#firstOf(queue)
      return first === undefined ? [] : [[queue, first] as const]
    }))
    const popped = this.lanes.pop()
    if (popped === undefined) {
      if (firsts.size > 0) throw new Error(`nobody came, though ${JSON.stringify([...firsts.values()])} might`)
      return undefined
    }
    if (firsts.get(popped.queue) !== popped) throw new Error(`${JSON.stringify(popped)} came, and not ${JSON.stringify(firsts.get(popped.queue))}`)
    for (const queue of firsts.keys()) {
      const times = queue === popped.queue ? 0 : (this.#passedBy.get(queue) ?? 0) + 1
      if (times >= this.#queues.size) throw new Error(`lane ${queue} was passed by ${times} times`)
      this.#passedBy.set(queue, times)
    }
    this.waiting = this.waiting.filter(run => run !== popped)
    if (used && popped.queue !== undefined && popped.holdsPlace !== true) this.places.taken.push(popped)
    return popped
  }

  leave(at: number): void {
    const [left] = this.places.taken.splice(at % Math.max(1, this.places.taken.length), 1)
    if (left?.queueKey !== undefined) this.lanes.takeBack(left.queue!, left.queueKey)
  }

  setBounds(concurrency: number, keyConcurrency: number): void {
    this.places.concurrency = concurrency
    this.places.keyConcurrency = keyConcurrency
    for (const queue of this.#queues) if (queue !== undefined) this.lanes.takeBack(queue, undefined)
  }

  #firstOf(queue: string | undefined): QueuedRun | undefined {
    const here = this.waiting.filter(run => run.queue === queue)
    const holders = here.filter(({ holdsPlace }) => holdsPlace === true)
    if (holders.length > 0) return holders.sort(before)[0]
    return here.filter(run => queue === undefined || this.places.bound(queue, run.queueKey) === 'free').sort(before)[0]
  }
}

const queue = fc.constantFrom('a', 'b', undefined)
const action = fc.oneof(
  { weight: 5, arbitrary: fc.record({
    type: fc.constant('push' as const), queue, queueKey: fc.constantFrom('x', 'y', undefined), priority: fc.nat(2),
    holdsPlace: fc.constantFrom(undefined, undefined, undefined, true),
  }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('pop' as const), used: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('leave' as const), at: fc.nat(10) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('bounds' as const), concurrency: fc.constantFrom(1, 2, 5, Infinity), keyConcurrency: fc.constantFrom(1, 2, Infinity) }) },
)

t.test('whatever comes and goes, the next is the first of its queue that may start, no queue is passed by twice, and nobody is forgotten', async t => {
  const seed = seedOf(t)
  fc.assert(fc.property(fc.array(action, { maxLength: 120 }), actions => {
    const checked = new Checked()
    for (const { type, ...rest } of actions) {
      const each = { type, ...rest } as typeof actions[number]
      switch (each.type) {
        case 'push': {
          const { type: _, ...run } = each
          checked.push(run)
          break
        }
        case 'pop': checked.pop(each.used); break
        case 'leave': checked.leave(each.at); break
        case 'bounds': checked.setBounds(each.concurrency, each.keyConcurrency); break
      }
      if (checked.lanes.size !== checked.waiting.length) throw new Error(`${checked.lanes.size} wait, not ${checked.waiting.length}`)
    }
    // In the end all come, one place after the other.
    for (let i = 0; checked.waiting.length > 0 && i < 10_000; i++) if (checked.pop(true) === undefined) checked.leave(i)
    return checked.waiting.length === 0
  }), { seed, numRuns: 1000 })
  t.pass('1000 programs')
})

t.test('lower priorities first, then first come first served', async t => {
  const checked = new Checked()
  for (const priority of [5, 0, 5, 2 ** 31 - 1, 0]) checked.push({ priority })
  t.same(Array.from({ length: 5 }, () => checked.pop(true)?.key), [2, 5, 1, 3, 4])
})

t.test('a queue that is flooded takes turns with the others', async t => {
  const checked = new Checked()
  for (let i = 0; i < 1000; i++) checked.push({ priority: 0, queue: 'flooded' })
  for (let i = 0; i < 3; i++) checked.push({ priority: 9, queue: 'quiet' })
  checked.push({ priority: 9 })
  const order = Array.from({ length: 9 }, () => checked.pop(true)?.queue ?? 'none')
  t.same(order.filter(name => name !== 'flooded').sort(), ['none', 'quiet', 'quiet', 'quiet'], 'all others came among the first nine')
})

t.test('a place that becomes free costs the same, however many wait for its key', async t => {
  let asked = 0
  const places = new Places()
  places.keyConcurrency = 1
  const bounds: Bounds = { freePlaces: name => places.freePlaces(name), bound: (name, key) => { asked++; return places.bound(name, key) } }
  const lanes = new Lanes(bounds)
  const count = 5000
  for (let key = 1; key <= count; key++) lanes.push({ priority: 0, position: key, key: key as RunKey, queue: 'q', queueKey: 'k' })
  for (let key = 1; key <= count; key++) {
    const run = lanes.pop()
    if (run?.key !== key) t.fail(`${run?.key} came, not ${key}`)
    places.taken.push(run!)
    if (lanes.pop() !== undefined) t.fail('two of a key at a time')
    places.taken.pop()
    lanes.takeBack('q', 'k')
  }
  t.ok(asked < 10 * count, `the bounds were asked ${asked} times for ${count} runs`)
})
