import t from 'tap'
import type { Troupe } from 'troupe'
import { listAll, storeFolder } from '../harness.ts'
import { ManualClock } from '../manual-clock.ts'
import type { Op } from '../fixtures/operations/script.ts'
import { openAt, openScripts, untilWaits } from './troupes.ts'

t.setTimeout(110_000)

t.test('info() tells what a waiting run waits for, with the time when it will not wait longer, also after a restart', async t => {
  const clock = new ManualClock()
  const store = storeFolder(t)
  const troupe = await openAt(t, store, clock)
  const at = (seconds: number): string => new Date(clock.nowMs() + seconds * 1000).toISOString()
  const cases: readonly (readonly [op: Op, waitsFor: string])[] = [
    [{ do: 'sleep', seconds: 60 }, `a sleep until ${at(60)}`],
    [{ do: 'receive' }, 'a message'],
    [{ do: 'receive', topic: 'x' }, 'a message on topic "x"'],
    [{ do: 'receive', topic: 'x', timeoutSeconds: 5 }, `a message on topic "x", until ${at(5)}`],
  ]
  for (const [i, [op, expected]] of cases.entries()) {
    const run = await troupe.start<Op[], unknown>('script', [op], { id: `run ${i}` })
    await untilWaits(run, /./)
    t.equal((await run.info()).waitsFor, expected)
  }
  const listed = async (from: Troupe): Promise<unknown> => (await listAll(from, { status: 'waiting', order: 'oldest-first' })).map(({ waitsFor }) => waitsFor)
  t.same(await listed(troupe), cases.map(([, expected]) => expected), 'so do listings')
  await troupe.close({ mode: 'abandon' })
  const after = await openAt(t, store, clock)
  for (const [i, [, expected]] of cases.entries()) t.match(await (await after.get(`run ${i}`)).info(), { status: 'waiting', waitsFor: expected })
  t.same(await listed(after), cases.map(([, expected]) => expected))
})

t.test('of many waits some are told, and how many more there are; a run that is finished waits for nothing', async t => {
  const { run } = await openScripts(t)
  const many = await run([{ do: 'all', of: Array.from({ length: 20 }, (): Op => ({ do: 'receive' })) }])
  await untilWaits(many, /^a message, a message.*, and \d+ more$/)
  const { waitsFor = '' } = await many.info()
  const more = Number(/and (\d+) more/.exec(waitsFor)?.[1])
  t.equal(waitsFor.split('a message').length - 1 + more, 20)
  for (let n = 0; n < 20; n++) await many.send(n)
  await many.result()
  t.equal((await many.info()).waitsFor, undefined)
})

t.test('a run that waits for an event of another names it', async t => {
  const { run } = await openScripts(t)
  const target = await run([{ do: 'receive' }], { id: 'target' })
  const asking = await run([{ do: 'get', of: 'target', key: 'never' }])
  await untilWaits(asking, /^event "[^"]*never[^"]*"$/)
  t.match((await asking.info()).waitsFor, /target/)
  await target.send('end')
  t.same(await asking.result(), [undefined])
})
