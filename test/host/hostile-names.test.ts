/** Names of any Unicode and length: each is kept as it is, or refused by a typed error that names the option, and none is taken for another. */
import t from 'tap'
import { InvalidOptionError } from 'troupe'
import { chanceOf, seedOf } from '../chance.ts'
import { listAll, openTroupe } from '../harness.ts'

const PIECES = [
  'a', 'Ä', 'A\u0308', 'é', 'e\u0301', '\0', '\uffff', '\u{10ffff}', '😀', '👨‍👩‍👧', '\ud800', '\udc00', '/', '..', '\\', '%2e', ' ', '\n', '\u202e', '\ufeff', '\u200b',
  '__proto__', 'constructor', 'toString', 'hasOwnProperty', '\x7f', '\x80', '"', '\'', ';--', '{}', 'x'.repeat(250), '€'.repeat(170), '\u0130', 'ß', '1', '-0', 'NaN', 'undefined',
]

t.test('ids, topics, tags, events, streams, queues, schedules and keys of any Unicode and length', async t => {
  const { pick, below } = chanceOf(seedOf(t))
  const troupe = await openTroupe(t, { workflows: new URL('../fixtures/host/names.js', import.meta.url) })
  const names = new Set([...PIECES, 'x'.repeat(513), '€'.repeat(171), 'x'.repeat(1_000_000), 'a\ud800', '\udc00\ud800', ...Array.from({ length: 25 }, () => Array.from({ length: 1 + below(4) }, () => pick(PIECES)).join(''))])
  const isGood = (name: string): boolean => name.isWellFormed() && Buffer.byteLength(name) <= 512
  const runs = new Map<string, string>()
  const refusals: [string, (name: string) => Promise<unknown>][] = [
    ['id', name => troupe.start('named', [name], { id: name })],
    ['id', name => troupe.get(name)],
    ['tags', name => troupe.start('named', [name], { tags: { [name]: 'x' } })],
    ['tags', name => troupe.start('named', [name], { tags: { x: name } })],
    ['queue', name => troupe.start('named', [name], { queue: name })],
    ['queueKey', name => troupe.start('named', [name], { queue: 'q', queueKey: name })],
    ['deduplicationId', name => troupe.start('named', [name], { deduplicationId: name })],
    ['name', name => troupe.setQueue(name, { concurrency: 1 })],
    ['name', name => troupe.setSchedule(name, 'named', ['x'], { everySeconds: 1_000_000 })],
  ]
  let bad = 0
  for (const name of names) {
    if (isGood(name)) {
      const options = { id: name, tags: { [name]: name }, queue: name, queueKey: name, deduplicationId: name }
      runs.set((await troupe.start('named', [name], options)).id, name)
      await troupe.setSchedule(name, 'named', [name], { everySeconds: 1_000_000 })
      continue
    }
    bad++
    for (const [option, call] of refusals) {
      const error = await call(name).then(() => undefined, (thrown: unknown) => thrown)
      if (!(error instanceof InvalidOptionError) || !error.option.startsWith(option) || error.message.length > 2_000) t.fail(`${option} ${JSON.stringify(name.slice(0, 50))}: ${String(error)}`)
    }
  }
  t.ok(bad > 5 && runs.size > 20, `${runs.size} good names, ${bad} bad ones`)
  t.equal(await troupe.count(), runs.size, 'of a refused start nothing is left')
  t.same((await troupe.listSchedules()).map(({ name }) => name).sort(), [...runs.keys()].sort())
  for (const [id, name] of runs) {
    t.equal(id, name)
    const handle = await troupe.get(id)
    await handle.send(`message ${name}`, { topic: name, idempotencyKey: name })
    await handle.send('twice', { topic: name, idempotencyKey: name })
    t.same(await handle.result(), { name, message: `message ${name}`, polluted: false })
    t.equal(await handle.getEvent(name), name)
    const values = []
    for await (const value of handle.readStream(name)) values.push(value)
    t.same(values, [name])
    const { tags, queue } = await handle.info()
    t.same([Object.entries(tags), queue], [[[name, name]], name])
    t.same((await listAll(troupe, { tags: { [name]: name } })).map(run => run.id), [id])
  }
  t.equal(({} as { polluted?: unknown }).polluted, undefined)
})
