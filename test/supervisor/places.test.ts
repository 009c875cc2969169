/** How many actors a thread takes, by what is seen of it; the time is told, not waited for. */
import t from 'tap'
import { Places } from '../../lib/supervisor/places.ts'
import { monotonicMs } from '../../lib/system.ts'

const ACTORS_PER_THREAD = 64

/** One thread whose actors take every place that is offered. */
function rig(actorsPerThread = ACTORS_PER_THREAD) {
  const places = new Places(actorsPerThread, () => {})
  const pulse = { threadId: 1, actors: 0, words: 0, idleMs: 0 }
  places.add(pulse)
  let nowMs = monotonicMs() + 1000
  places.look(nowMs)
  pulse.actors = places.of(1)
  return {
    places,
    pulse,
    /** So much time passes, of which the thread has nothing to do for `idleMs`, and says so much. */
    pass: (ms: number, { idleMs = 0, words = 0 }: { readonly idleMs?: number, readonly words?: number } = {}): number => {
      nowMs += ms
      pulse.idleMs += idleMs
      pulse.words += words
      places.look(nowMs)
      pulse.actors = Math.max(pulse.actors, places.of(1))
      return places.of(1)
    },
  }
}

t.test('a thread whose actors wait for something outside is soon given as many as may be', async t => {
  const { places, pass } = rig()
  const first = places.of(1)
  t.ok(first < ACTORS_PER_THREAD / 4, `${first} at first`)
  for (let i = 0; i < 4; i++) pass(5, { idleMs: 4.9 })
  t.equal(places.of(1), ACTORS_PER_THREAD)
})

t.test('so is one that is always at work, but answers quickly: its commits are shared', async t => {
  const { places, pass } = rig()
  for (let i = 0; i < 4; i++) pass(5, { words: 6 })
  t.equal(places.of(1), ACTORS_PER_THREAD)
  for (let i = 0; i < 50; i++) pass(5, { words: i % 4 === 0 ? 0 : 6 })
  t.equal(places.of(1), ACTORS_PER_THREAD, 'and stays so while the machine now and then has no core for it')
})

t.test('one whose code does not yield for long is given a few, however many it had', async t => {
  const { places, pass } = rig()
  for (let i = 0; i < 4; i++) pass(5, { idleMs: 5 })
  for (let i = 0; i < 40; i++) pass(10, { words: i % 5 === 0 ? 1 : 0 })
  t.equal(places.of(1), 4)
  pass(5, { idleMs: 4 })
  t.equal(places.of(1), 8, 'and more again once it has time')
})

t.test('places that nobody has taken are not added to', async t => {
  const { places, pulse, pass } = rig()
  const first = places.of(1)
  pulse.actors = 1
  for (let i = 0; i < 10; i++) places.look(monotonicMs() + 10_000 + i * 10)
  t.equal(places.of(1), first)
  pulse.actors = first
  pass(20_000, { idleMs: 20_000 })
  t.equal(places.of(1), 2 * first)
})

t.test('actorsPerThread is a bound in either direction', async t => {
  const { places, pass } = rig(2)
  t.equal(places.of(1), 2)
  t.equal(pass(5, { idleMs: 5 }), 2)
  for (let i = 0; i < 20; i++) pass(10)
  t.equal(places.of(1), 2)
})

t.test('a thread that is gone, or of which nothing is known, is left to actorsPerThread', async t => {
  const { places } = rig()
  places.remove(1)
  t.equal(places.of(1), ACTORS_PER_THREAD)
})

t.test('who waits for more places is told after a while, and not once it is stopped', async t => {
  let told = 0
  const heard = new Promise<void>(resolve => {
    const places = new Places(ACTORS_PER_THREAD, () => {
      told++
      places.stop()
      places.awaitMore()
      resolve()
    })
    places.awaitMore()
    places.awaitMore()
  })
  const alive = setInterval(() => {}, 1000)
  await heard
  clearInterval(alive)
  t.equal(told, 1)
})
