/** What runs when a thread dies or does not answer is known, also of steps so quick that nobody is told when they begin. */
import t from 'tap'
import { openTroupe, recordingLogger, rejection, until } from '../harness.ts'
import { unannounced } from '../fixtures/crash/unannounced.ts'
import type { Way } from '../fixtures/crash/unannounced.ts'

const workflows = new URL('../fixtures/crash/unannounced.js', import.meta.url)
const QUICK = 20

for (const way of ['heap', 'asynchronous heap'] as const) {
  t.test(`a step that was quick ${QUICK} times and then ends its thread without a word (${way}) has a failed attempt`, async t => {
    const logger = recordingLogger()
    const troupe = await openTroupe(t, { workflows, threads: 1, threadHeapMiB: 48, logger })
    const handle = await troupe.start(unannounced, [QUICK, way] as [number, Way])
    t.match(await handle.result(), /^StepCrashedError: .*"work".* ran out of memory/)
    const steps = await handle.steps()
    t.equal(steps.length, QUICK + 1)
    t.match(steps.at(-1), { index: QUICK, name: 'work', status: 'failed', attempts: [{ attempt: 1 }] })
    t.match(await handle.info(), { crashes: 1, incarnation: 2 })
    t.equal(logger.lines.filter(({ fields }) => fields['event'] === 'step-crashed').length, 1)
  })
}

t.test('a step that was quick and now does not end is listed as running, and its run can be cancelled', async t => {
  const troupe = await openTroupe(t, { workflows, threads: 1 })
  const handle = await troupe.start(unannounced, [QUICK, 'endless'] as [number, Way])
  await until('the endless step is listed', async () => (await handle.steps()).some(({ index, status }) => index === QUICK && status === 'running'))
  t.match((await handle.steps()).at(-1), { index: QUICK, name: 'work', status: 'running' })
  await handle.cancel({ graceSeconds: 0.05 })
  t.match(await rejection(handle.result()), { name: 'RunCancelledError' })
})
