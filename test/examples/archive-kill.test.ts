import t from 'tap'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { interrupt, look, makeFolder, manifestOf, mustEnd, randomFrom, run, seed } from './archive-program.ts'

t.test(`killed again and again at any moment, it comes to the same archive (seed ${seed})`, async t => {
  const top = t.testdir({})
  const [folder, calm, wild] = [join(top, 'in'), join(top, 'calm'), join(top, 'wild')]
  makeFolder(folder)
  const startedAt = Date.now()
  await mustEnd(t, [folder, calm, '--quality', '7'], 0)
  const calmMs = Date.now() - startedAt
  const random = randomFrom(seed + 1)
  let resumed = 0
  let killed = 0
  for (; killed < 8; killed += 1) {
    const args = [folder, wild, '--quality', '7']
    // Every other one as soon as there is something to go on with, whatever the speed.
    const ended = killed % 2 === 0 ? await interrupt(args, wild, 'SIGKILL') : await run(args, async (stop, over) => {
      await Promise.race([wait((0.2 + 0.8 * random()) * calmMs), over])
      stop('SIGKILL')
    })
    if (/resuming: [\d,]+ of/.test(ended.text)) resumed += 1
    if (ended.signal === null) t.equal(ended.code, 0, ended.text)
  }
  await mustEnd(t, [folder, wild, '--quality', '7'], 0)
  t.comment(`${killed} starts, ${resumed} of them went on with what was there`)
  t.ok(resumed > 0, 'at least one start found work done')
  t.equal(manifestOf(wild), manifestOf(calm))
  await mustEnd(t, ['verify', wild], 0)
  t.notOk(existsSync(join(wild, '.work')), 'nothing half done is left')
  const back = join(top, 'back')
  for (let trial = 0; trial < 3; trial += 1) {
    await run(['restore', wild, back], async (stop, over) => {
      await Promise.race([wait(100 + random() * 600), over])
      stop('SIGKILL')
    })
  }
  const last = await run(['restore', wild, back])
  t.ok(last.code === 0 || /not empty/.test(last.text), `restore went on to the end: ${last.text}`)
  t.same(look(back), look(folder))
})
