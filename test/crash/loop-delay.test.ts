/** The measure that the tests of abuse use notices what it is there for. */
import t from 'tap'
import { ownLoopDelay } from './loop-delay.ts'

t.test('a loop that computes for long is seen, and one that waits without computing', async t => {
  const nothing = await ownLoopDelay()
  await new Promise(resolve => { setTimeout(resolve, 50) })
  const still = await nothing()
  t.ok(still.stillMs < 200 && still.computedMs < 200, `nothing was done: ${still.stillMs} ms, ${still.computedMs} ms`)
  const waiting = await ownLoopDelay()
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300)
  const waited = await waiting()
  t.ok(waited.stillMs > 200, `it waited for 300 ms, and stood still for ${waited.stillMs}`)
  const computing = await ownLoopDelay()
  const from = process.cpuUsage()
  while (process.cpuUsage(from).user < 300_000) { /* compute */ }
  const computed = await computing()
  t.ok(computed.computedMs > 200, `it computed for 300 ms: ${computed.computedMs}`)
})
