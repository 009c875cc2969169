import { readFileSync } from 'node:fs'
import t from 'tap'
import * as host from 'troupe'
import { InvalidOptionError, RunHandle, Troupe } from 'troupe'
import * as testing from 'troupe/testing'
import { checkHistory, TestClock, TestTroupe } from 'troupe/testing'
import * as authoring from 'troupe/workflow'
import { runStep, step, workflow } from 'troupe/workflow'
import { RUN_TRANSITIONS } from '../../lib/model/run.ts'
import { HOST_DEFAULTS } from '../../lib/client/options.ts'
import { MAX_NAME_BYTES } from '../../lib/model/ids.ts'
import { MAILBOX_CAPACITY } from '../../lib/supervisor/mail.ts'
import { STEP_DEFAULTS } from '../../lib/workflow/step-options.ts'
import { openTroupe, storeFolder } from '../harness.ts'

const reference = readFileSync(new URL('../../../docs/reference.md', import.meta.url), 'utf8')

/** The rows of the table under a heading, as cells without backquotes. */
function table(heading: string): readonly (readonly string[])[] {
  const section = reference.split(/^## /m).find(part => part.startsWith(`${heading}\n`)) ?? ''
  const rows = section.split('\n').filter(line => line.startsWith('|')).slice(2)
  return rows.map(row => row.split('|').slice(1, -1).map(cell => cell.trim().replaceAll('`', '')))
}

/** The options that the code knows, as its refusal of an unknown one lists them. */
async function knownOptions(useUnknown: () => unknown): Promise<readonly string[]> {
  try {
    await useUnknown()
  } catch (error) {
    if (error instanceof InvalidOptionError) return optionsNamedBy(error)
    throw error
  }
  return []
}

function optionsNamedBy(error: Error): readonly string[] {
  return /\(([^)]*)\); received/.exec(error.message)?.[1]?.split(', ') ?? []
}

/** The options of one call in a table whose first column is the call. */
function optionsOf(heading: string, call: string): readonly string[] {
  return table(heading).filter(row => row[0] === call && row.length === 4).map(row => row[1] ?? '').sort(byText)
}

const errors = readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8')

const byText = (a: string, b: string): number => a < b ? -1 : a > b ? 1 : 0

const unknown = { noSuchOption: 1 } as object

t.test('every option the code knows is in the reference, and every one in the reference is known', async t => {
  const troupe = await openTroupe(t, { workflows: new URL('../fixtures/docs/workflows.js', import.meta.url) })
  const run = await troupe.start('documented', [])
  const calls: readonly (readonly [string, () => unknown])[] = [
    ['Troupe.open', () => Troupe.open(unknown as never)],
    ['start, startMany', () => troupe.start('documented', [], unknown)],
    ['step', () => step(() => {}, unknown)],
    ['workflow', () => workflow(() => {}, unknown)],
  ]
  for (const [heading, call] of calls) {
    const known = await knownOptions(call)
    t.ok(known.length > 3, `${heading} knows ${known.length}`)
    t.same([...known].sort(byText), table(heading).map(([name]) => name ?? '').sort(byText), heading)
  }
  const shared = table('result, cancel, close')
  for (const [name, call] of [['result', () => run.result(unknown)], ['cancel', () => run.cancel(unknown)], ['close', () => troupe.close(unknown)]] as const) {
    t.same([...await knownOptions(call)].sort(byText), shared.filter(row => row[0] === name).map(row => row[1] ?? '').sort(byText), name)
  }
  t.same(await knownOptions(() => runStep(() => {}, unknown)), await knownOptions(() => step(() => {}, unknown)))
})

t.test('so it is for what runs, queues, schedules, listings and upkeep offer', async t => {
  const troupe = await openTroupe(t, { workflows: new URL('../fixtures/docs/workflows.js', import.meta.url) })
  const run = await troupe.start('documented', [])
  const calls: readonly (readonly [heading: string, call: string, () => unknown])[] = [
    ['Of a run, on the host', 'send', () => run.send(1, unknown)],
    ['Of a run, on the host', 'getEvent', () => run.getEvent('key', unknown)],
    ['Of a run, on the host', 'readStream', () => run.readStream('key', unknown).next()],
    ['Of a run, on the host', 'fork', () => run.fork(unknown as never)],
    ['Queues and schedules', 'setQueue', () => troupe.setQueue('name', unknown)],
    ['Queues and schedules', 'setSchedule', () => troupe.setSchedule('name', 'documented', [], unknown)],
    ['list, count, prune, backup', 'list', () => troupe.list(unknown).next()],
    ['list, count, prune, backup', 'list', () => troupe.count(unknown)],
    ['list, count, prune, backup', 'prune', () => troupe.prune(unknown as never)],
  ]
  for (const [heading, call, use] of calls) {
    const known = await knownOptions(use)
    t.ok(known.length > 0, `${call} knows ${known.length}`)
    t.same(optionsOf(heading, call), [...known].sort(byText), call)
  }
  t.same(await knownOptions(() => troupe.setQueue('name', { rateLimit: unknown as never })), ['limit', 'periodSeconds'])
  const said = await (await troupe.start('refusals', [])).result() as Readonly<Record<string, Error>>
  for (const [call, error] of Object.entries(said)) {
    t.ok(error instanceof InvalidOptionError, call)
    t.same(optionsOf('In the body of a workflow', call), [...optionsNamedBy(error)].sort(byText), call)
  }
  const documented = new Set(['Of a run, on the host', 'Queues and schedules', 'list, count, prune, backup'].flatMap(heading => table(heading).map(row => row[0])))
  t.same(documented, new Set(calls.map(([, call]) => call)), 'no table has a call that is not held by the code')
})

t.test('so it is for what tests of workflows are offered', async t => {
  const workflows = new URL('../fixtures/docs/workflows.js', import.meta.url)
  const troupe = await TestTroupe.open({ workflows })
  t.teardown(() => troupe.close())
  const calls: readonly (readonly [call: string, () => unknown])[] = [
    ['TestTroupe.open', () => TestTroupe.open(unknown as never)],
    ['TestClock', () => new TestClock(unknown)],
    ['crashNow', () => troupe.crashNow(unknown as never)],
    ['checkHistory', () => checkHistory(storeFolder(t), unknown as never)],
    ['checkHistory', () => troupe.checkHistory(unknown)],
  ]
  for (const [call, use] of calls) {
    const known = await knownOptions(use)
    t.ok(known.length > 1, `${call} knows ${known.length}`)
    t.same(optionsOf('troupe/testing', call), [...known].sort(byText), call)
  }
  t.same(new Set(table('troupe/testing').filter(row => row.length === 4).map(row => row[0])), new Set(calls.map(([call]) => call)))
})

t.test('the bounds in the reference are those of the code', async t => {
  t.match(reference, `${MAILBOX_CAPACITY.toLocaleString('en')} messages wait`)
  t.match(reference, `strings of 1 to ${MAX_NAME_BYTES} bytes of UTF-8`)
  const troupe = await openTroupe(t, { workflows: new URL('../fixtures/docs/workflows.js', import.meta.url) })
  const tags = (count: number): Record<string, string> => Object.fromEntries(Array.from({ length: count }, (_, index) => [`t${index}`, '']))
  await t.resolves(troupe.start('documented', [], { tags: tags(64) }), '64 tags, and empty ones')
  await t.rejects(troupe.start('documented', [], { tags: tags(65) }), { code: 'TROUPE_INVALID_OPTION' })
  await t.resolves(troupe.setQueue('q', { concurrency: 1, rateLimit: { limit: 1_000_000, periodSeconds: 0.001 } }))
  await t.rejects(troupe.setQueue('q', { concurrency: 0 }), { code: 'TROUPE_INVALID_OPTION' })
  await t.rejects(troupe.setQueue('q', { rateLimit: { limit: 1_000_001, periodSeconds: 1 } }), { code: 'TROUPE_INVALID_OPTION' })
  await t.rejects(troupe.setSchedule('s', 'documented', [], { everySeconds: 0.99 }), { code: 'TROUPE_INVALID_OPTION' })
  await t.rejects(troupe.setSchedule('s', 'documented', [], { everySeconds: 60, cron: '* * * * *' }), { code: 'TROUPE_INVALID_OPTION' })
  await t.rejects(troupe.setSchedule('s', 'documented', [], {}), { code: 'TROUPE_INVALID_OPTION' })
  await troupe.setSchedule('s', 'documented', [], { everySeconds: 3600 })
  t.match(await troupe.listSchedules(), [{ missed: 'skip' }])
  t.equal(table('Queues and schedules').find(row => row[1] === 'missed')?.[2], "'skip'")
})

t.test('the defaults in the reference are those of the code', async t => {
  const defaults = Object.fromEntries(table('step').map(([name, value]) => [name, value]))
  for (const [name, value] of Object.entries(STEP_DEFAULTS)) t.equal(defaults[name], String(value), `step ${name}`)
  const open = Object.fromEntries(table('Troupe.open').map(([name, value]) => [name, value]))
  t.equal(open['actorsPerThread'], String(HOST_DEFAULTS.actorsPerThread))
  t.equal(open['durability'], `'${HOST_DEFAULTS.durability}'`)
  const shared = table('result, cancel, close')
  const value = (call: string, option: string): string | undefined => shared.find(row => row[0] === call && row[1] === option)?.[2]
  t.equal(value('cancel', 'graceSeconds'), String(HOST_DEFAULTS.graceSeconds))
  t.equal(value('close', 'mode'), `'${HOST_DEFAULTS.closeMode}'`)
  t.equal(value('close', 'timeoutSeconds'), String(HOST_DEFAULTS.closeTimeoutSeconds))
})

t.test('the run states in the reference, and the moves between them, are those of the code', async t => {
  const documented = Object.fromEntries(table('Run states').map(([state, , next]) => [
    state, (next ?? '').replace(' by resume()', '').split(', ').filter(word => word !== '').sort(byText)]))
  const code = Object.fromEntries(Object.entries(RUN_TRANSITIONS).map(([state, next]) => [state, [...next].sort(byText)]))
  t.same(documented, code)
})

t.test('every export, and every method of Troupe and of a handle, is in the reference or among the errors', async t => {
  const methods = [Troupe.prototype, RunHandle.prototype, TestTroupe.prototype, TestClock.prototype].flatMap(prototype => Object.getOwnPropertyNames(prototype)).filter(name => !['constructor', 'hand', 'watch'].includes(name))
  const names = [...Object.keys(host), ...Object.keys(authoring), ...Object.keys(testing), ...methods]
  t.ok(names.length > 60, `${names.length} names`)
  // In code or in a heading: a word of the prose does not count.
  const code = [...`${reference}${errors}`.matchAll(/`[^`\n]+`|^#.*$/gm)].map(([text]) => text)
  const words = new Set(code.join(' ').match(/\w+/g))
  t.same([...new Set(names)].filter(name => !words.has(name)), [])
})

t.test('what stats() tells is in the reference', async t => {
  const troupe = await openTroupe(t, { workflows: new URL('../fixtures/docs/workflows.js', import.meta.url) })
  const stats = await troupe.stats()
  t.same(table('stats').map(([field]) => field ?? '').sort(byText), Object.keys(stats).sort(byText))
  for (const [field = '', text = ''] of table('stats')) {
    const value = stats[field as keyof typeof stats]
    const parts = /\{ (.*) \}/.exec(text)?.[1]?.split(', ')
    if (parts !== undefined) t.same(Object.keys(Array.isArray(value) ? value[0] as object : value).sort(byText), parts.sort(byText), field)
  }
})
