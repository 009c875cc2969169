import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { lingers } from '../fixtures/crash/lingering.ts'
import { openTroupe, until } from '../harness.ts'

const workflows = new URL('../fixtures/crash/lingering.js', import.meta.url)

t.test('a resumed run does not live again while a step of its former life goes on: no step runs twice at once (G5)', async t => {
  const folder = t.testdir({})
  const troupe = await openTroupe(t, { workflows, store: join(folder, 'store') })
  const run = await troupe.start<Parameters<typeof lingers>, ReturnType<typeof lingers>>('lingers', [folder])
  await t.rejects(run.result(), { message: 'not yet' })
  writeFileSync(join(folder, 'mended'), '')
  await run.resume()
  // Another run comes and goes on the same threads meanwhile: it is not for want of time or room that the first one waits.
  const other = await troupe.start<Parameters<typeof lingers>, ReturnType<typeof lingers>>('lingers', [t.name])
  await t.rejects(other.result())
  t.equal((await run.info()).status, 'enqueued')
  writeFileSync(join(folder, 'go'), '')
  t.equal(await run.result(), 'done')
  t.equal(readFileSync(join(folder, 'log'), 'utf8'), 'begin\nend\nbegin\nend\n')
})

t.test('a cancelled run\'s step that goes on has its thread ended after the grace, though the run has ended', async t => {
  const folder = t.testdir({})
  const troupe = await openTroupe(t, { workflows, store: join(folder, 'store') })
  writeFileSync(join(folder, 'mended'), '')
  const run = await troupe.start<Parameters<typeof lingers>, ReturnType<typeof lingers>>('lingers', [folder])
  await until('the slow step runs', async () => (await run.steps()).some(step => step.name === 'slow' && step.status === 'running'))
  const threads = async (): Promise<readonly number[]> => (await troupe.stats()).threads.map(({ threadId }) => threadId)
  const before = await threads()
  await run.cancel({ graceSeconds: 0.05 })
  await t.rejects(run.result(), { code: 'TROUPE_RUN_CANCELLED' })
  await until('its thread was replaced', async () => (await threads()).some(threadId => !before.includes(threadId)))
  t.equal(readFileSync(join(folder, 'log'), 'utf8'), 'begin\n')
})
