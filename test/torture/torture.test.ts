/** A slice of `npm run torture`: a host that is killed, stopped, and loses its threads, and what it was promised. */
import { join } from 'node:path'
import t from 'tap'
import { seedOf } from '../chance.ts'
import { repeats } from '../crash/repeats.ts'
import { campaign } from './campaign.ts'

/** Hosts, each killed at a moment that the seed picks. */
const CYCLES = repeats('TROUPE_KILLS', 8)

t.setTimeout((120 + CYCLES * 20) * 1000)

t.test('hosts under load that are killed, stopped, and lose their threads keep every promise', async t => {
  const report = await campaign({ folder: join(t.testdir({}), 'torture'), seed: seedOf(t), goesOn: cycles => cycles < CYCLES, livesMs: 1000 })
  t.same(report.problems, [])
  const { lines, disturbances } = report
  t.comment(`${report.checked} checks, ${JSON.stringify(disturbances)}, ${JSON.stringify(Object.fromEntries(lines))}`)
  t.equal(disturbances.killed, CYCLES)
  t.equal(lines.get('done'), 1, 'the last host came to its end')
  t.ok(report.checked > lines.get('entered')!, 'each attempt was looked at')
  for (const type of ['started', 'told', 'sent', 'final'] as const) t.ok((lines.get(type) ?? 0) > 0, type)
})
