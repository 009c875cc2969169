import t from 'tap'
import { StoreInUseError, Troupe } from 'troupe'
import { openTroupe, recordingLogger, rejection } from '../harness.ts'
import { spawnProgram } from '../store/processes.ts'
import { placesOf } from './threads.ts'

const COMMITS = new URL('../fixtures/crash/commits.js', import.meta.url)
const HOST = new URL('../fixtures/crash/plain-host.js', import.meta.url)

t.setTimeout(120_000)

t.test('a store that another process has open is refused by its pid, and is free at once when that process is killed', async t => {
  const { store } = placesOf(t)
  const first = spawnProgram(t, HOST, [store, 'r'])
  t.equal(await first.nextLine(), 'open')
  const refused = await rejection(Troupe.open({ store, workflows: COMMITS, threads: 1, logger: recordingLogger() }))
  t.ok(refused instanceof StoreInUseError)
  t.match(refused, { code: 'TROUPE_STORE_IN_USE', message: `process ${first.process.pid}` })
  const second = spawnProgram(t, HOST, [store])
  t.match(await second.nextLine(), new RegExp(`^TROUPE_STORE_IN_USE .*process ${first.process.pid}`), 'a third process hears the same')
  await second.ended
  t.equal(second.process.exitCode, 0, 'a refused open() holds nothing that keeps its process')
  await first.kill()
  const troupe = await openTroupe(t, { store, workflows: COMMITS, threads: 1 })
  t.equal(await (await troupe.get('r')).result(), 10, 'and what the first had promised is kept')
})

t.test('an open Troupe of the same process is in the way, too, until it is closed', async t => {
  const { store } = placesOf(t)
  const first = await openTroupe(t, { store, workflows: COMMITS, threads: 1 })
  t.match(await rejection(openTroupe(t, { store, workflows: COMMITS })), { code: 'TROUPE_STORE_IN_USE', message: `this process (pid ${process.pid})` })
  t.equal(await (await first.start<[number], number>('ticks', [5])).result(), 5, 'the first is unharmed')
  await first.close()
  const second = await openTroupe(t, { store, workflows: COMMITS, threads: 1 })
  t.equal(await second.count({ status: 'succeeded' }), 1)
})

t.test('two Troupes on two folders work side by side in one process', async t => {
  const { store } = placesOf(t)
  const [one, two] = await Promise.all([1, 2].map(i => openTroupe(t, { store: `${store}-${i}`, workflows: COMMITS, threads: 1 }))) as [Troupe, Troupe]
  const handles = await Promise.all([one, two].flatMap(troupe => [10, 20, 30].map(count => troupe.start<[number], number>('ticks', [count], { id: `r${count}` }))))
  t.same(await Promise.all(handles.map(handle => handle.result())), [10, 20, 30, 10, 20, 30])
  await one.start('ticks', [1], { id: 'only-one' })
  await one.close()
  t.match(await rejection(two.get('only-one')), { code: 'TROUPE_UNKNOWN_RUN' })
  t.equal(await (await two.start<[number], number>('ticks', [7])).result(), 7, 'closing one leaves the other at work')
})
