import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { InvalidOptionError } from 'troupe'
import { openTroupe, rejection, storeImage, until } from '../harness.ts'
import { readTrace } from '../fixtures/trace.js'
import type { Op } from '../fixtures/operations/script.ts'
import { openScripts, SCRIPT, untilWaits } from './troupes.ts'

t.setTimeout(110_000)

t.test('a backup of a store in use opens elsewhere with all that was acknowledged, and its runs go on there', async t => {
  const { run, troupe, folder } = await openScripts(t)
  const target = join(folder, 'made', 'for', 'it')
  const done = await run([{ do: 'set', key: 'state', value: 'set' }, { do: 'write', key: 'log', value: 'written' }], { id: 'done', tags: { kind: 'x' } })
  await done.result()
  const waiting = await run([{ do: 'receive' }, { do: 'receive' }], { id: 'waiting' })
  await untilWaits(waiting, /message/)
  await waiting.send('before', { idempotencyKey: 'key' })
  await troupe.setQueue('bounded', { concurrency: 3 })
  const delayed = await run([], { id: 'delayed', delaySeconds: 86_400 })
  t.equal((await delayed.info()).status, 'delayed')
  // Work goes on all the while.
  const trace = join(folder, 'trace')
  const busy = await run(Array.from({ length: 400 }, (_, n): Op => ({ do: 'note', file: trace, name: `step ${n}` })), { id: 'busy' })
  await until('it is at work', () => readTrace(trace).length > 5)
  const image = (await storeImage(troupe)).filter(each => ['done', 'delayed'].includes((each as { readonly id: string }).id))
  const recorded = (await busy.steps()).filter(({ status }) => status === 'succeeded').length

  const backups = await Promise.all([troupe.backup(target), troupe.backup(join(folder, 'second'))])
  t.same(backups, [undefined, undefined])
  t.same(readdirSync(target).filter(name => name.includes('unfinished')), [])
  await busy.result()
  await waiting.send('after')
  t.same(await waiting.result(), ['before', 'after'], 'the store itself goes on')

  const copy = await openTroupe(t, { workflows: SCRIPT, store: target })
  const there = (await storeImage(copy)).filter(each => ['done', 'delayed'].includes((each as { readonly id: string }).id))
  t.same(there, image)
  const copied = await copy.get<readonly unknown[]>('waiting')
  await copied.send('again', { idempotencyKey: 'key' })
  await copied.send('in the copy')
  t.same(await copied.result(), ['before', 'in the copy'])
  t.equal(await (await copy.get('done')).getEvent('state'), 'set')
  t.same((await (await copy.get('done')).readStream('log').next()).value, 'written')
  t.match(await copy.listQueues(), [{ name: 'bounded', options: { concurrency: 3 } }])
  await (await copy.get('busy')).result()
  const names = readTrace(trace) as string[]
  for (let n = 0; n < recorded; n++) t.equal(names.filter(name => name === `step ${n}`).length, 1, `step ${n} was recorded and did not run again`)
  t.equal((await (await copy.get('busy')).steps()).length, 400)
})

t.test('a backup may be backed up, and what was deleted before is not in it', async t => {
  const { run, troupe, folder } = await openScripts(t)
  await (await run([], { id: 'deleted' })).result()
  await troupe.prune({ finishedBefore: new Date(Date.now() + 60_000) })
  await (await run([{ do: 'set', key: 'k', value: 1 }], { id: 'kept' })).result()
  const [first, second] = [join(folder, 'first'), join(folder, 'second')]
  mkdirSync(first)
  await troupe.backup(first)
  const copy = await openTroupe(t, { workflows: SCRIPT, store: first })
  await copy.backup(second)
  const copyOfCopy = await openTroupe(t, { workflows: SCRIPT, store: second })
  t.same(await storeImage(copyOfCopy), await storeImage(troupe))
  t.equal(await copyOfCopy.count(), 1)
})

t.test('a folder that is not empty, a file, and the store itself are refused, and nothing is changed', async t => {
  const { run, troupe, folder, store } = await openScripts(t)
  await (await run([], { id: 'kept' })).result()
  const full = join(folder, 'full')
  const file = join(folder, 'file')
  mkdirSync(full)
  writeFileSync(join(full, 'mine'), 'mine')
  writeFileSync(file, 'mine')
  const image = await storeImage(troupe)
  for (const target of [full, file, store]) {
    const error = await rejection(troupe.backup(target))
    if (!(error instanceof InvalidOptionError)) return t.fail(`another error for ${target}`, { error })
    t.equal(error.option, 'folder')
    t.ok(error.message.includes(target), 'it names the folder')
  }
  t.same(readdirSync(full), ['mine'])
  t.equal(readFileSync(file, 'utf8'), 'mine')
  t.same(await storeImage(troupe), image)
  const good = join(folder, 'good')
  await troupe.backup(good)
  const before = readdirSync(good)
  t.ok(await rejection(troupe.backup(good)) instanceof InvalidOptionError, 'a backup is not written over')
  t.same(readdirSync(good), before)
})
