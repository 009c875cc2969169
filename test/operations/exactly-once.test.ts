/** Senders that die around the send: with their thread, and with their process. */
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { chanceOf, seedOf } from '../chance.ts'
import { openTroupe, until } from '../harness.ts'
import { spawnHost } from '../crash/host-process.ts'
import { HOPS } from '../fixtures/operations/exchange.js'
import type { Op } from '../fixtures/operations/script.ts'
import { isInMemory } from '../harness-inline.ts'
import { openScripts } from './troupes.ts'

const HOST = fileURLToPath(new URL('../fixtures/operations/exchange-host.js', import.meta.url))
const BOOTS = 6

t.setTimeout(110_000)

t.test('a message is delivered once though its sender dies at, before or after the send', async t => {
  const { run, folder } = await openScripts(t, { threads: 1 })
  const chance = chanceOf(seedOf(t))
  const deaths = 10
  const receiver = await run([...Array.from({ length: deaths }, (): Op => ({ do: 'receive' })), { do: 'receive', topic: 'end' }, { do: 'receive', timeoutSeconds: 0 }], { id: 'receiver' })
  const sender = await run(Array.from({ length: deaths }, (_, n): Op => {
    return { do: 'die-during', once: join(folder, `died ${n}`), turns: chance.below(4), op: { do: 'send', to: 'receiver', message: n } }
  }))
  await sender.result()
  await receiver.send('end', { topic: 'end' })
  t.same(await receiver.result(), [...Array.from({ length: deaths }, (_, n) => n), 'end', undefined])
  t.ok((await sender.info()).crashes > 0)
})

// What is in memory dies with its process.
if (!isInMemory()) t.test(`messages between runs, and from a host that repeats itself, come once and in order over ${BOOTS} kills of the process`, async t => {
  const chance = chanceOf(seedOf(t))
  const store = join(t.testdir({}), 'store')
  for (let boot = 0; boot < BOOTS; boot++) {
    const host = spawnHost(HOST, [store, String(boot), String(BOOTS)])
    const word = chance.pick(['started', 'sent'])
    await until(`boot ${boot} has ${word}`, () => host.text().includes(word) || host.isOver())
    t.notOk(host.isOver(), `boot ${boot} lives until it is killed: ${host.text()}`)
    await wait(chance.below(60)) // the moment is chance's; nothing depends on what has happened by then
    host.kill()
    await host.ended
  }
  const troupe = await openTroupe(t, { workflows: new URL('../fixtures/operations/exchange.js', import.meta.url), store })
  for (const id of ['s1', 's2']) {
    const sender = await troupe.get(id)
    for (let n = 0; n < BOOTS; n++) await sender.send('go', { topic: 'go', idempotencyKey: `go ${n}` })
    t.equal(await sender.result(), 'sent')
  }
  const all = Array.from({ length: BOOTS * HOPS }, (_, n) => n)
  for (const id of ['r1', 'r2']) {
    const receiver = await troupe.get(id)
    for (let n = 0; n < BOOTS; n++) await receiver.send(n, { idempotencyKey: `host ${n}` })
    await receiver.send('stop')
    t.same(await receiver.result(), { came: { s1: all, s2: all }, fromHost: all.slice(0, BOOTS), left: [undefined, undefined] })
  }
})
