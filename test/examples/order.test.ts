import t from 'tap'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { randomFrom, seed } from './archive-program.ts'
import { runExample } from './small-program.ts'

const ENDINGS = `1001 cup: shipped as parcel-1001
1002 vase: shipped as parcel-1002
1003 unicorn: not shipped, there are no unicorns in the warehouse; undone: nothing
1004 piano: not shipped, the card was refused for 900000 cents; undone: reserve
1005 anvil: not shipped, no courier takes an anvil; undone: charge, reserve
`

/** What a service was asked to do, by order: the order of different orders is chance. */
function asked(folder: string, service: string): string[] {
  const file = join(folder, 'world', `${service}.log`)
  return existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n').sort((a, b) => a.slice(0, 4) < b.slice(0, 4) ? -1 : a.slice(0, 4) > b.slice(0, 4) ? 1 : 0) : []
}

const WORLD = {
  warehouse: ['1001/reserve', '1002/reserve', '1004/reserve', '1004/release', '1005/reserve', '1005/release'],
  bank: ['1001/charge', '1002/charge', '1005/charge', '1005/refund'],
  courier: ['1001/ship', '1002/ship'],
}

t.test('orders are shipped, or what was done for them is undone in reverse', async t => {
  const folder = t.testdir({})
  const { code, text } = await runExample('order/main', [folder, '0.01'])
  t.equal(code, 0, text)
  t.equal(text, `5 orders are placed; they survive kill -9\n${ENDINGS}`)
  for (const [service, lines] of Object.entries(WORLD)) t.same(asked(folder, service), lines, service)
})

t.test(`killed at any moment, in undoing too, every order comes to the same end (seed ${seed})`, async t => {
  const folder = t.testdir({})
  const random = randomFrom(seed)
  let killed = 0
  for (let trial = 0; trial < 4; trial += 1) {
    let armed = false
    // From the moment the orders are durable; a pause of a second makes sure that some are in the midst of it.
    const { signal } = await runExample('order/main', [folder, '1'], (text, stop) => {
      if (armed || !text.includes('are placed')) return
      armed = true
      // The first at once, so that one is hit however slow the clock of this process is.
      if (trial === 0) stop('SIGKILL')
      else void wait(random() * 600).then(() => { stop('SIGKILL') })
    })
    if (signal === 'SIGKILL') killed += 1
  }
  t.ok(killed > 0, `${killed} times killed`)
  const { code, text } = await runExample('order/main', [folder, '1'])
  t.equal(code, 0, text)
  t.match(text, ENDINGS)
  for (const [service, lines] of Object.entries(WORLD)) t.same(asked(folder, service), lines, service)
})
