import { once } from 'node:events'
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Worker } from 'node:worker_threads'
import { openLmdbStore } from '../../lib/store/lmdb/index.ts'
import { spawnFixture } from './processes.ts'
import { newRun, started } from './runs.ts'

const durability = 'process-crash'

t.test('a second process is refused, with the pid of the first, until that has closed', async t => {
  const folder = t.testdir()
  const first = spawnFixture(t, 'holder', [folder])
  t.equal(await first.nextLine(), 'open')
  await t.rejects(openLmdbStore({ folder, durability }), { code: 'TROUPE_STORE_IN_USE', message: new RegExp(`process ${first.process.pid} `) })
  first.say('close')
  t.equal(await first.nextLine(), 'closed')
  await (await openLmdbStore({ folder, durability })).close()
})

t.test('a second open in the same process is refused, until the first is closed', async t => {
  const folder = t.testdir()
  const first = await openLmdbStore({ folder, durability })
  await t.rejects(openLmdbStore({ folder, durability }), { code: 'TROUPE_STORE_IN_USE', message: /this process/ })
  const run = newRun(first)
  first.commit([started(run)])
  t.equal(first.findRun(run.meta.id), run.key, 'the first is none the worse for it')
  await first.close()
  await first.close()
  const second = await openLmdbStore({ folder, durability })
  t.equal(second.findRun(run.meta.id), run.key)
  await second.close()
})

t.test('another thread of the process is refused, and the lock of a thread that ends is free', async t => {
  const folder = t.testdir()
  const thread = new Worker(new URL('fixtures/holder.js', import.meta.url), { workerData: folder })
  t.same(await once(thread, 'message'), ['open'])
  await t.rejects(openLmdbStore({ folder, durability }), { code: 'TROUPE_STORE_IN_USE', message: /this process/ })
  thread.postMessage('close')
  t.same(await once(thread, 'message'), ['closed'])
  const store = await openLmdbStore({ folder, durability })
  const refused = new Worker(new URL('fixtures/holder.js', import.meta.url), { workerData: folder })
  t.match((await once(refused, 'message'))[0], /^TROUPE_STORE_IN_USE .*this process/)
  await store.close()
})

t.test('a holder that was killed holds nothing: the next open works at once', async t => {
  const folder = t.testdir()
  for (let i = 0; i < 3; i++) {
    const holder = spawnFixture(t, 'holder', [folder])
    t.equal(await holder.nextLine(), 'open')
    await holder.kill()
    const store = await openLmdbStore({ folder, durability })
    t.equal(readdirSync(folder).filter(name => name.startsWith('supervisor-')).length, 1, 'and its socket is gone')
    await store.close()
  }
})

t.test('a holder that is stopped, and answers nobody, still holds', async t => {
  const folder = t.testdir()
  const holder = spawnFixture(t, 'holder', [folder])
  t.equal(await holder.nextLine(), 'open')
  holder.process.kill('SIGSTOP')
  await t.rejects(openLmdbStore({ folder, durability }), { code: 'TROUPE_STORE_IN_USE' })
  await holder.kill()
})

t.test('of many that come at once never two get in', async t => {
  const folder = t.testdir()
  for (let round = 0; round < 5; round++) {
    const opened = await Promise.allSettled(Array.from({ length: 6 }, () => openLmdbStore({ folder, durability })))
    const stores = opened.flatMap(result => result.status === 'fulfilled' ? [result.value] : [])
    t.ok(stores.length <= 1, `${stores.length} got in`)
    t.ok(opened.every(result => result.status === 'fulfilled' || (result.reason as { code: string }).code === 'TROUPE_STORE_IN_USE'))
    await Promise.all(stores.map(store => store.close()))
  }
  const children = Array.from({ length: 4 }, () => spawnFixture(t, 'holder', [folder]))
  const answers = await Promise.all(children.map(child => child.nextLine()))
  t.ok(answers.filter(answer => answer === 'open').length <= 1, answers.join('; '))
  await Promise.all(children.map(child => child.kill()))
})

t.test('a folder with a very long path can be locked', async t => {
  const folder = join(t.testdir(), 'x'.repeat(120), 'y'.repeat(120))
  const store = await openLmdbStore({ folder, durability })
  await t.rejects(openLmdbStore({ folder, durability }), { code: 'TROUPE_STORE_IN_USE' })
  await store.close()
})

t.test('two folders are two stores, and two paths to one folder are one', async t => {
  const dir = t.testdir({ a: {}, b: {}, link: t.fixture('symlink', 'a') })
  const [a, b] = [await openLmdbStore({ folder: join(dir, 'a'), durability }), await openLmdbStore({ folder: join(dir, 'b'), durability })]
  await t.rejects(openLmdbStore({ folder: join(dir, 'link'), durability }), { code: 'TROUPE_STORE_IN_USE' })
  await a.close()
  await b.close()
})

t.test('a store whose folder or socket is taken away stops taking commits', async t => {
  const folder = join(t.testdir(), 'store')
  mkdirSync(folder)
  const store = await openLmdbStore({ folder, durability })
  rmSync(folder, { recursive: true })
  // It looks now and then only: commits until it has noticed.
  await t.rejects(async () => { for (;;) store.commit([started(newRun(store))]) }, { code: 'TROUPE_STORE_UNAVAILABLE' })
  await store.close()
})
