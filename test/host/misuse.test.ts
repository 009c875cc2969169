import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import {
  InvalidOptionError, RunIdTakenError, StoreInUseError, Troupe, UnknownRunError, UnknownWorkflowError, UnserializableValueError, WorkflowModuleError,
} from 'troupe'
import type { RunFilter, TroupeOptions } from 'troupe'
import { workflow } from 'troupe/workflow'
import { openTroupe, recordingLogger, rejection, storeFolder, storeImage, until } from '../harness.ts'
import { doubled, echo, failing, sleeper } from '../fixtures/host/plain.js'

const fixture = (name: string): URL => new URL(`../fixtures/host/${name}.js`, import.meta.url)
const troupe = await openTroupe(t, { workflows: fixture('plain') })

// Something of everything to leave unchanged.
await (await troupe.start(doubled, [1], { id: 'done', tags: { kind: 'x' } })).result()
await rejection((await troupe.start(failing, ['on purpose'], { id: 'failed' })).result())
await troupe.start(echo, [1], { id: 'delayed', delaySeconds: 86_400 })
const asleep = await troupe.start(sleeper, [], { id: 'asleep' })
await until('it sleeps', async () => (await asleep.info()).status === 'waiting')

/** Each call is refused with InvalidOptionError that names the option, and the store stays as it was. */
async function refuses(t: Test, calls: readonly (readonly [option: string, call: () => Promise<unknown>])[]): Promise<void> {
  const before = await storeImage(troupe)
  for (const [option, call] of calls) {
    const error = await rejection(call())
    if (!(error instanceof InvalidOptionError)) throw new Error(`another error where option ${option} was expected`, { cause: error })
    t.equal(error.option, option, error.message)
    t.equal(error.code, 'TROUPE_INVALID_OPTION')
    t.match(error.message, / must .+; received /)
  }
  t.same(await storeImage(troupe), before, 'the store is unchanged')
}

const NO_SECONDS = [-1, NaN, Infinity, -Infinity, '1', null, {}, 1e300]
const NO_NAMES = ['', 7, null, {}, 'x'.repeat(513), 'ü'.repeat(257), '\udc00']

function table(rows: Readonly<Record<string, readonly unknown[]>>, call: (options: object) => Promise<unknown>): (readonly [string, () => Promise<unknown>])[] {
  return Object.entries(rows).flatMap(([option, values]) => values.map(value => [option, () => call({ [option]: value })] as const))
}

t.test('every bad option of open() is refused by name, and no folder is made', async t => {
  const store = storeFolder(t)
  const good: TroupeOptions = { store, workflows: fixture('plain'), threads: 1 }
  const open = (options: object): Promise<unknown> => Troupe.open({ ...good, ...options })
  await refuses(t, [
    ...table({
      store: [undefined, '', 7, null, {}, 'a\0b', 'redis://host/db', new URL('file:///tmp')],
      workflows: [undefined, [], '', 'relative.js', './relative.js', 'https://a.example/w.js', new URL('https://a.example/w.js'), new URL('file://host/w.js'), 'file:///a%2Fb.js', 7, null, [fixture('plain'), 7], {}],
      threads: [0, -1, 1.5, NaN, Infinity, '2', null, 1025],
      actorsPerThread: [0, -1, 1.5, NaN, Infinity, '2', null],
      durability: ['', 'none', true, null, 1],
      threadHeapMiB: [0, 15, -1, NaN, Infinity, '64', null],
      logger: [null, {}, 'console', { debug() {}, info() {}, warn() {} }, { debug: 1, info: 1, warn: 1, error: 1 }],
      thread: [2],
    }, open),
    ['Troupe.open() options', () => Troupe.open(null as never)],
    ['Troupe.open() options', () => Troupe.open('folder' as never)],
    ['store', () => Troupe.open(undefined as never)],
  ])
  t.notOk(existsSync(store))
})

t.test('every bad option of start() and startMany() is refused by name', async t => {
  const rows: Readonly<Record<string, readonly unknown[]>> = {
    id: NO_NAMES,
    queue: NO_NAMES,
    priority: [-1, 1.5, NaN, Infinity, 2 ** 31, '1', null],
    delaySeconds: NO_SECONDS,
    timeoutSeconds: [0, ...NO_SECONDS],
    deduplicationId: NO_NAMES,
    queueKey: NO_NAMES,
    tags: [null, 'a', [], 7, Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`t${i}`, 'x']))],
    ids: [['a']],
  }
  const badTags = [{ color: 7 }, { color: null }, { color: undefined }, { color: 'x'.repeat(513) }]
  for (const startWith of [
    (options: object) => troupe.start(echo, [], options),
    (options: object) => troupe.startMany(echo, [{ args: [] }, { args: [], options: options }, { args: [] }]),
  ]) {
    await refuses(t, [
      ...table(rows, startWith),
      ...badTags.map(tags => ['tags.color', () => startWith({ tags })] as const),
      ['tags (a name)', () => startWith({ tags: { '': 'x' } })],
      ['start() options', () => startWith(null as never)],
      ['start() options', () => startWith([] as never)],
      ['start() options', () => startWith('id' as never)],
    ])
  }
})

t.test('arguments that are no list, and runs that are none, are refused', async t => {
  const bad = [undefined, null, 'args', { length: 1 }, new Set([1])]
  await refuses(t, [
    ...bad.map(args => ['args', () => troupe.start(echo, args as never)] as const),
    ...bad.map(args => ['args', () => troupe.startMany(echo, [{ args: [] }, { args: args as never }])] as const),
    ...[undefined, null, 'runs', { args: [] }].map(runs => ['runs', () => troupe.startMany(echo, runs as never)] as const),
    ['arg', () => troupe.startMany(echo, [{ args: [], arg: 1 } as never])],
    ...[undefined, null, 7, 'args'].map(run => ['runs[1]', () => troupe.startMany(echo, [{ args: [] }, run as never])] as const),
  ])
})

t.test('arguments that cannot be stored are refused with their path, and nothing is started', async t => {
  const before = await storeImage(troupe)
  const error = await rejection(troupe.start(echo, [1, { deep: [() => 1] }]))
  t.ok(error instanceof UnserializableValueError && error.path === 'args[1].deep[0]')
  t.ok(await rejection(troupe.startMany(echo, [{ args: [1] }, { args: [Symbol('s')] }])) instanceof UnserializableValueError)
  t.same(await storeImage(troupe), before)
})

t.test('what is no known workflow is refused, with the known ones named', async t => {
  const before = await storeImage(troupe)
  const elsewhere = workflow(async function elsewhere() {})
  const unknown: readonly [given: unknown, named: string | RegExp][] = [
    ['elsewhere', 'elsewhere'], [elsewhere, 'elsewhere'], ['', ''], [() => {}, /anonymous function/], [function plain() {}, /plain.*not made by workflow\(\)/],
    [undefined, 'undefined'], [null, 'null'], [7, '7'], [{}, /object/i], [Symbol('s'), /Symbol/], [{ workflowName: 'doubled' }, /object/i],
  ]
  for (const [given, named] of unknown) {
    for (const call of [() => troupe.start(given as string, []), () => troupe.startMany(given as string, [{ args: [] }])]) {
      const error = await rejection(call())
      if (!(error instanceof UnknownWorkflowError)) return t.fail(`another error for ${String(given)}`, { error })
      t.equal(error.code, 'TROUPE_UNKNOWN_WORKFLOW')
      t.match(error.workflow, named)
      for (const known of ['doubled', 'echo', 'sleeper']) t.match(error.message, `"${known}"`)
    }
  }
  t.same(await storeImage(troupe), before)
})

t.test('the id of a run of another workflow is taken, alone, in a list, and for what is finished', async t => {
  const before = await storeImage(troupe)
  for (const id of ['done', 'asleep', 'delayed', 'failed']) {
    const another = id === 'asleep' ? 'doubled' : 'sleeper'
    for (const call of [
      () => troupe.start(another, [], { id }),
      () => troupe.startMany(another, [{ args: [] }, { args: [], options: { id } }, { args: [] }]),
    ]) {
      const error = await rejection(call())
      t.ok(error instanceof RunIdTakenError && error.runId === id && error.code === 'TROUPE_RUN_ID_TAKEN', id)
    }
  }
  t.same(await storeImage(troupe), before)
})

t.test('get() of what is not there is UnknownRunError, and of what is no id InvalidOptionError', async t => {
  const error = await rejection(troupe.get('nobody'))
  t.ok(error instanceof UnknownRunError && error.runId === 'nobody' && error.code === 'TROUPE_UNKNOWN_RUN')
  await refuses(t, NO_NAMES.map(id => ['id', () => troupe.get(id as string)] as const))
})

t.test('every bad condition of list() and count() is refused by name', async t => {
  const rows: Readonly<Record<string, readonly unknown[]>> = {
    ids: ['a', 7, null, {}, [7], ['']],
    idPrefix: NO_NAMES,
    workflow: [...NO_NAMES, ['ok', 7]],
    status: ['done', '', 7, null, ['running', 'done']],
    queue: [...NO_NAMES, [null]],
    parentId: NO_NAMES,
    tags: [null, 'a', []],
    createdAfter: [0, '2026-01-01', null, new Date(NaN)],
    createdBefore: [0, '2026-01-01', null, new Date(NaN)],
    order: ['newest', '', null, 1],
    limit: [-1, 1.5, NaN, Infinity, '3', null],
    values: ['yes', 1, null],
    state: ['running'],
  }
  for (const ask of [(filter: unknown) => troupe.list(filter as RunFilter).next(), (filter: unknown) => troupe.count(filter as RunFilter)]) {
    await refuses(t, table(rows, ask))
    for (const filter of [null, 'running', 7, []]) t.ok(await rejection(ask(filter)) instanceof InvalidOptionError)
  }
})

t.test('every bad option of result(), cancel() and close() is refused by name, and nothing is cancelled or closed', async t => {
  await refuses(t, [
    ...table({ timeoutSeconds: NO_SECONDS, signal: [{}, null, 'abort', new AbortController()], timeout: [1] }, options => asleep.result(options)),
    ...table({ graceSeconds: NO_SECONDS, children: ['yes', 1, null], grace: [1] }, options => asleep.cancel(options)),
    ...table({ mode: ['now', '', null, true], timeoutSeconds: NO_SECONDS, force: [true] }, options => troupe.close(options)),
    ...[null, 5, 'all', []].flatMap(options => [
      ['result() options', () => asleep.result(options as never)] as const,
      ['cancel() options', () => asleep.cancel(options as never)] as const,
      ['close() options', () => troupe.close(options as never)] as const,
    ]),
  ])
  t.equal(await (await troupe.start(doubled, [2])).result(), 4, 'it is open')
})

t.test('a module that is missing, or throws at load, or defines a name twice, is WorkflowModuleError that names it, and leaves the store free', async t => {
  const store = storeFolder(t)
  const missing = new URL('missing.js', import.meta.url)
  const bad: readonly [workflows: TroupeOptions['workflows'], module: URL, problem: RegExp][] = [
    [missing, missing, /could not be loaded/],
    [[fixture('plain'), missing], missing, /could not be loaded/],
    [fixture('throws-at-load'), fixture('throws-at-load'), /does not want to be loaded/],
    [fixture('throws-null-at-load'), fixture('throws-null-at-load'), /could not be loaded: null/],
    [fixture('throws-lost-at-load'), fixture('throws-lost-at-load'), /could not be loaded: lost its prototype/],
    [fixture('exits-at-load'), fixture('exits-at-load'), /could not be loaded.*code: 9/],
    [fixture('defines-twice'), fixture('defines-twice'), /"twice"/],
    [[fixture('plain'), fixture('twin')], fixture('twin'), /"doubled"/],
  ]
  const before = await openTroupe(t, { workflows: fixture('plain'), store })
  await (await before.start(doubled, [3], { id: 'a' })).result()
  const image = await storeImage(before)
  await before.close()
  for (const [workflows, module, problem] of bad) {
    const error = await rejection(Troupe.open({ store, workflows, threads: 2, logger: recordingLogger() }))
    if (!(error instanceof WorkflowModuleError)) return t.fail('another error', { error })
    t.equal(error.code, 'TROUPE_WORKFLOW_MODULE')
    t.match(error.message, problem)
    t.match(error.message, module.href)
  }
  t.same(await storeImage(await openTroupe(t, { workflows: fixture('plain'), store })), image)
})

t.test('a thread that ends while its modules are loaded is replaced, as long as that is not the rule', async t => {
  const store = storeFolder(t)
  process.env['EXITS_ONCE'] = `${store}.exited`
  t.teardown(() => { delete process.env['EXITS_ONCE'] })
  const opened = await openTroupe(t, { workflows: fixture('exits-at-load'), store, threads: 2 })
  t.ok(existsSync(`${store}.exited`))
  t.equal(await (await opened.start('late', [])).result(), 'loaded')
})

t.test('a failed open() of a new store leaves none that cannot be opened', async t => {
  const store = join(t.testdir({}), 'deep', 'store')
  t.ok(await rejection(Troupe.open({ store, workflows: fixture('throws-at-load'), threads: 1 })) instanceof WorkflowModuleError)
  const after = await openTroupe(t, { workflows: fixture('plain'), store })
  t.equal(await after.count(), 0)
})

t.test('a second Troupe over a store that is open is StoreInUseError naming the pid, and the first goes on', async t => {
  const store = storeFolder(t)
  const first = await openTroupe(t, { workflows: fixture('plain'), store })
  const error = await rejection(Troupe.open({ store, workflows: fixture('plain'), threads: 1 }))
  t.ok(error instanceof StoreInUseError && error.code === 'TROUPE_STORE_IN_USE')
  t.match((error as StoreInUseError).message, `pid ${process.pid}`)
  t.equal(await (await first.start(doubled, [5])).result(), 10)
})
