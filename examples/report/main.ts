/**
 * Sets a schedule for the report on licences and waits for its next occurrences.
 *
 *   node dist/examples/report/main.js [MODULES] [OUTPUT] [TIMES]            every second, TIMES (2) times, to see it at work
 *   node dist/examples/report/main.js MODULES OUTPUT nightly                at 02:30 each night, until it is stopped
 */
import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Troupe } from 'troupe'
import { licenceReport, type Summary } from './workflows.ts'

const [modules = 'node_modules', output = 'report-output', times = '2'] = process.argv.slice(2)
const job = { modules: resolve(modules), output: resolve(output) }
mkdirSync(job.output, { recursive: true })

await using troupe = await Troupe.open({ store: join(job.output, 'store'), workflows: new URL('./workflows.js', import.meta.url) })
// A queue of one: a report that takes long is not overtaken by the next.
await troupe.setQueue('reports', { concurrency: 1 })
const when = times === 'nightly' ? { cron: '30 2 * * *', missed: 'last' } as const : { everySeconds: 1 }
await troupe.setSchedule('licences', licenceReport, [job], { ...when, queue: 'reports' })
const [schedule] = await troupe.listSchedules()
console.log(`the next report is due at ${schedule?.nextAt?.toISOString() ?? 'no time'}`)

const openedAt = new Date()
// Their children have ids that begin so, too: the workflow tells them apart.
const reports = { idPrefix: 'licences@', workflow: licenceReport.workflowName }
const told = new Set<string>()
while (told.size < (times === 'nightly' ? Infinity : Number(times))) {
  await delay(times === 'nightly' ? 10_000 : 50)
  const done = troupe.list({ ...reports, status: ['succeeded', 'failed'], createdAfter: openedAt, order: 'oldest-first', values: true })
  for await (const { id, result, error } of done) {
    if (told.has(id)) continue
    told.add(id)
    console.log(error === undefined ? summaryText(id, result as Summary) : `${id}: ${error.message}`)
  }
}
if (times !== 'nightly') await troupe.removeSchedule('licences')

function summaryText(id: string, { packages, licences, unknown, changes, file }: Summary): string {
  return `${id}: ${packages} packages under ${licences} licences (${unknown} unknown), ${changes} changes; see ${file}`
}
