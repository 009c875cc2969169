import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { openTroupe, storeFolder } from '../harness.ts'
import { spawnProgram } from '../store/processes.ts'

async function live(t: Test, store: string, mode: string): Promise<{ readonly lines: readonly string[], readonly code: number | null }> {
  const child = spawnProgram(t, new URL('../fixtures/host/lifetime.js', import.meta.url), [store, mode])
  const lines: string[] = []
  for (let line = await child.nextLine(); line !== undefined; line = await child.nextLine()) lines.push(line)
  await child.ended
  return { lines, code: child.process.exitCode }
}

t.test('an open Troupe keeps the process alive until it is closed, and then nothing does', async t => {
  t.same(await live(t, storeFolder(t), 'stay'), { lines: ['open', 'held', 'closed', 'nothing holds it'], code: 0 })
})

t.test('after unref() the process ends when nothing else holds it', async t => {
  t.same(await live(t, storeFolder(t), 'unref'), { lines: ['open', 'nothing holds it'], code: 0 })
})

t.test('after unref() runs do not hold the process either; they go on at the next open()', async t => {
  const store = join(t.testdir({}), 'store')
  t.same(await live(t, store, 'unref and work'), { lines: ['open', 'nothing holds it'], code: 0 })
  const troupe = await openTroupe(t, { workflows: new URL('../fixtures/host/plain.js', import.meta.url), store })
  t.equal(await troupe.count({ status: ['enqueued', 'running', 'waiting'] }), 2, 'both are still to be done')
})
