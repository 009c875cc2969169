/** An actor on the test's own thread, told and heard word by word. */
import t from 'tap'
import type { Test } from 'tap'
import { decodeEntry, encodeEntry } from '../../lib/codec/entry.ts'
import type { Encoded } from '../../lib/codec/encoded.ts'
import { decodeError, encodeError } from '../../lib/codec/error.ts'
import { decodeValue, encodeValue } from '../../lib/codec/value.ts'
import { RunCancelledError } from '../../lib/errors.ts'
import { MOVED_FROM_BYTES } from '../../lib/protocol/batch.ts'
import type { ToSupervisor } from '../../lib/protocol/actor.ts'
import { currentRun, currentStep, now, sleep, step } from '../../lib/workflow/index.ts'
import { registryOf, ScriptedThread, turn } from './life.ts'

function threadOf(t: Test, body: (...args: never[]) => unknown): ScriptedThread {
  const life = new ScriptedThread(registryOf({ body }))
  t.teardown(() => { life.close() })
  return life
}

const types = (facts: readonly ToSupervisor[]): string[] => facts.map(({ type }) => type)
const ended = encodeError(new RunCancelledError({ runId: 'run' }))
const entry = (index: number, name: string, value: unknown, kind: 'step' | 'sleep' | 'child' = 'step'): Encoded => encodeEntry({
  index, kind, name, startedAtMs: 0, finishedAtMs: 1, outcome: 'result', attempts: [],
  value: kind === 'sleep' ? new Uint8Array(0) as Encoded : encodeValue(value, { what: 'value', root: 'value' }),
})
const plainStep = (name: string, result: unknown = name) => step(() => result, { name })
const retry = { retriesAllowed: true, maxAttempts: 3, intervalSeconds: 1 }

t.test('a step is told to have started before its code runs, and its result is seen only once it is recorded', async t => {
  const log: string[] = []
  const life = threadOf(t, async () => {
    const result = await step(() => { log.push('ran') }, { name: 'work' })()
    log.push(`seen ${String(result)}`)
  })
  const over = life.spawn()
  life.clock.turn(0)
  t.same(log, [], 'its code runs in a turn of its own')
  t.match(await life.heard('step-started'), { index: 0, name: 'work', attempt: 1 })
  const completed = await life.heard('operation-completed')
  t.match(decodeEntry(completed.entry), { index: 0, kind: 'step', name: 'work', outcome: 'result' })
  await life.quiet()
  t.same(log, ['ran'])
  life.tell([{ type: 'entry-recorded', index: 0, position: 0 }])
  await life.heard('run-completed')
  await over
  t.same(log, ['ran', 'seen undefined'])
})

t.test('operations get their indexes as they are called, before anything is awaited', async t => {
  const life = threadOf(t, async () => {
    const calls = [plainStep('a')(), sleep(1), now(), plainStep('b')()]
    await Promise.all(calls)
  })
  void life.spawn()
  const facts = await life.quiet()
  t.same(facts.flatMap(fact => 'index' in fact ? [`${fact.type} ${fact.index}`] : []).sort(), [
    'operation-completed 0', 'operation-completed 2', 'operation-completed 3', 'sleep-called 1', 'step-started 0', 'step-started 3',
  ])
})

t.test('what is recorded is delivered in its order, one at a time, all continuations before the next one', async t => {
  const log: string[] = []
  const follow = async (name: string): Promise<void> => {
    await plainStep(name)()
    for (let hop = 0; hop < 5; hop++) {
      log.push(`${name}${hop}`)
      await Promise.resolve()
    }
  }
  const life = threadOf(t, async () => { await Promise.all(['a', 'b', 'c'].map(follow)) })
  void life.spawn()
  await life.quiet()
  life.tell([2, 0, 1].map((index, position) => ({ type: 'entry-recorded', index, position })))
  await life.heard('run-completed')
  t.same(log, ['c', 'a', 'b'].flatMap(name => [0, 1, 2, 3, 4].map(hop => `${name}${hop}`)))
})

t.test('a replay asks nothing of what is recorded, and goes on live where the journal ends', async t => {
  const life = threadOf(t, async () => [await plainStep('a')(), await plainStep('b')(), currentRun()!.incarnation])
  void life.spawn({ incarnation: 5, journal: [entry(0, 'a', 'from the journal')] })
  t.match(await life.heard('step-started'), { index: 1, name: 'b' })
  await life.heard('operation-completed')
  life.tell([{ type: 'entry-recorded', index: 1, position: 1 }], { incarnation: 5 })
  t.same(decodeValue((await life.heard('run-completed')).result), ['from the journal', 'b', 5])
})

t.test('an entry that came with the spawn and is told again is not delivered twice', async t => {
  const life = threadOf(t, async () => [await plainStep('a')(), await sleep(1), await plainStep('b')()])
  void life.spawn({ journal: [entry(0, 'a', 1)] })
  life.tell([{ type: 'entry-arrived', index: 0, position: 0, entry: entry(0, 'a', 'again') }])
  await life.heard('sleep-called')
  life.tell([{ type: 'entry-arrived', index: 1, position: 1, entry: entry(1, 'sleep', undefined, 'sleep') }])
  await life.heard('operation-completed')
  life.tell([{ type: 'entry-recorded', index: 2, position: 2 }])
  t.same(decodeValue((await life.heard('run-completed')).result), [1, undefined, 'b'])
})

t.test('words for another incarnation are not heard', async t => {
  const life = threadOf(t, () => sleep(1))
  void life.spawn({ incarnation: 3 })
  await life.heard('actor-waiting')
  for (const incarnation of [2, 4]) life.tell([{ type: 'end-run', error: ended }, { type: 'passivate', force: true }], { incarnation })
  t.same(await life.quiet(), [])
  life.tell([{ type: 'passivate', force: true }], { incarnation: 3 })
  await life.heard('actor-passivated')
})

// ---- letting go --------------------------------------------------------------------------------------------------

t.test('an actor that waits on durable operations alone says so, with how much it has heard, and is let go when it is asked to', async t => {
  const life = threadOf(t, async () => { await plainStep('a')(); await sleep(60) })
  const over = life.spawn()
  await life.heard('operation-completed')
  life.tell([{ type: 'entry-recorded', index: 0, position: 0 }])
  t.same(await life.heard('actor-waiting'), { type: 'actor-waiting', heard: 1 })
  t.same(await life.quiet(), [], 'once')
  life.tell([{ type: 'passivate', force: true }])
  await life.heard('actor-passivated')
  await over
  life.tell([{ type: 'entry-arrived', index: 1, position: 1, entry: entry(1, 'sleep', undefined, 'sleep') }])
  t.same(await life.quiet(), [], 'it is gone')
})

t.test('an actor at work does not say that it waits, and is not let go, not even by force', async t => {
  let finish!: () => void
  const work = step(() => new Promise<void>(resolve => { finish = resolve }), { name: 'work' })
  const life = threadOf(t, async () => { await Promise.all([work(), sleep(60)]) })
  void life.spawn()
  t.notOk(types(await life.quiet()).includes('actor-waiting'))
  life.tell([{ type: 'passivate', force: true }])
  await life.heard('passivation-refused')
  finish()
  await life.heard('operation-completed')
  t.same(await life.quiet(), [], 'what is reported and not recorded yet holds it, too')
  life.tell([{ type: 'entry-recorded', index: 0, position: 0 }])
  t.match(await life.heard('actor-waiting'), { heard: 2 })
})

t.test('while the thread has something foreign open it lets go by force only, and says anew that it waits', async t => {
  const life = threadOf(t, () => sleep(60))
  void life.spawn()
  await life.heard('actor-waiting')
  const foreign = setTimeout(() => {}, 60_000)
  t.teardown(() => { clearTimeout(foreign) })
  life.tell([{ type: 'passivate', force: false }])
  await life.heard('passivation-refused')
  t.match(await life.heard('actor-waiting'), { heard: 1 })
  life.tell([{ type: 'passivate', force: true }])
  await life.heard('actor-passivated')
})

t.test('what abandoned code still calls after it was let go is never settled and tells nobody anything', async t => {
  let wake!: () => void
  const log: string[] = []
  const life = threadOf(t, async () => {
    void sleep(60)
    await new Promise<void>(resolve => { wake = resolve })
    log.push('goes on')
    await plainStep('late')()
    log.push('settled')
  })
  void life.spawn()
  await life.heard('actor-waiting')
  life.tell([{ type: 'passivate', force: true }])
  await life.heard('actor-passivated')
  wake()
  t.same(await life.quiet(), [])
  t.same(log, ['goes on'])
})

t.test('an actor that is stirred from outside tells so by what it calls, and says anew that it waits', async t => {
  let wake!: () => void
  const life = threadOf(t, async () => {
    const outside = new Promise<void>(resolve => { wake = resolve })
    await Promise.race([sleep(60), outside])
    await sleep(30)
  })
  void life.spawn()
  await life.heard('actor-waiting')
  wake()
  t.same(types(await life.quiet()), ['sleep-called', 'actor-waiting'])
})

t.test('an actor stuck on something that is neither a step nor a durable operation is named after 10 s', async t => {
  const timers: { readonly ms: number, readonly call: () => void }[] = []
  const fake = (call: () => void, ms: number) => {
    timers.push({ ms, call })
    return { unref: () => undefined }
  }
  const life = threadOf(t, () => new Promise(() => {}))
  const real = globalThis.setTimeout
  globalThis.setTimeout = fake as never
  try {
    void life.spawn()
    await turn()
    await turn()
  } finally {
    globalThis.setTimeout = real
  }
  const stuck = timers.filter(({ ms }) => ms === 10_000)
  t.equal(stuck.length, 1)
  life.clock.turn(10_000)
  stuck[0]!.call()
  t.same(await life.heard('actor-stuck'), { type: 'actor-stuck', seconds: 10 })
})

// ---- ending ------------------------------------------------------------------------------------------------------

t.test('an order to end rejects every wait, aborts what runs, drops its failure, and the body may clean up without steps', async t => {
  const log: string[] = []
  const hanging = step(() => new Promise((_, reject) => {
    const { signal } = currentStep()!
    signal.addEventListener('abort', () => { reject(signal.reason as Error) })
  }), { name: 'hanging', ...retry })
  const life = threadOf(t, async () => {
    const seen = (name: string) => (error: unknown) => { log.push(`${name}: ${(error as Error).name}`) }
    await Promise.all([hanging().catch(seen('step')), sleep(60).catch(seen('sleep'))])
    await plainStep('after')().catch(seen('later step'))
    return 'ended nicely'
  })
  void life.spawn()
  await life.quiet()
  life.tell([{ type: 'end-run', error: ended }])
  const facts = await life.quiet()
  t.same(types(facts), ['run-completed'], 'neither the failure nor a retry is recorded')
  t.same(log, ['step: RunCancelledError', 'sleep: RunCancelledError', 'later step: RunCancelledError'])
})

t.test('a step that succeeds although the run is ending is recorded: what is done is done', async t => {
  let finish!: () => void
  const work = step(() => new Promise<string>(resolve => { finish = () => { resolve('done') } }), { name: 'work' })
  const life = threadOf(t, async () => {
    await work().catch(() => {})
    await new Promise<void>(resolve => { setImmediate(() => { setImmediate(resolve) }) })
  })
  void life.spawn()
  await life.quiet()
  life.tell([{ type: 'end-run', error: ended }])
  await turn()
  await turn()
  finish()
  const facts = await life.quiet()
  t.same(types(facts), ['operation-completed', 'run-completed'])
})

t.test('a body that lets the end through fails with it', async t => {
  const life = threadOf(t, () => sleep(60))
  const over = life.spawn()
  await life.heard('actor-waiting')
  life.tell([{ type: 'end-run', error: ended }])
  t.match(decodeError((await life.heard('run-failed')).error), { name: 'RunCancelledError' })
  await over
})

// ---- attempts ----------------------------------------------------------------------------------------------------

t.test('the next attempt is made when it is due, and words about other attempts change nothing', async t => {
  let ran = 0
  const life = threadOf(t, () => step(() => {
    ran++
    throw new Error(`attempt ${currentStep()!.attempt}`)
  }, { name: 'flaky', ...retry })())
  void life.spawn()
  t.match(await life.heard('attempt-failed'), { index: 0, attempt: 1, delayMs: 1000 })
  for (const attempt of [1, 3, 7]) life.tell([{ type: 'attempt-due', index: 0, attempt }])
  await life.quiet()
  t.equal(ran, 1)
  life.tell([{ type: 'attempt-due', index: 0, attempt: 2 }, { type: 'attempt-due', index: 0, attempt: 2 }])
  t.match(await life.heard('attempt-failed'), { attempt: 2, delayMs: 2000 })
  t.equal(ran, 2)
  life.tell([{ type: 'attempt-due', index: 0, attempt: 3 }])
  const completed = decodeEntry((await life.heard('operation-completed')).entry)
  t.equal(completed.outcome, 'exhausted')
  t.same(completed.attempts.map(({ attempt, error }) => [attempt, (decodeError(error!) as Error).message]), [[1, 'attempt 1'], [2, 'attempt 2'], [3, 'attempt 3']])
})

t.test('a life that begins between attempts waits for the next one, and makes it at once where it is due already', async t => {
  const attempts = [{ attempt: 1, startedAtMs: 1, finishedAtMs: 2, error: encodeError(new Error('first')) }]
  for (const early of [false, true]) {
    const life = threadOf(t, async () => {
      if (early) await plainStep('before')()
      return step(() => currentStep()!.attempt, { name: 'flaky', ...retry })()
    })
    const index = early ? 1 : 0
    void life.spawn({ waits: new Map([[index, { type: 'retry', name: 'flaky', startedAtMs: 1, attempts, dueAtMs: 5 }]]) })
    if (!early) t.notOk(types(await life.quiet()).includes('step-started'))
    life.tell([{ type: 'attempt-due', index, attempt: 2 }])
    if (early) {
      await life.heard('operation-completed')
      life.tell([{ type: 'entry-recorded', index: 0, position: 0 }])
    }
    t.match(await life.heard('step-started'), { index, attempt: 2, name: 'flaky' })
    const completed = decodeEntry((await life.heard('operation-completed')).entry)
    t.match(completed, { outcome: 'result', startedAtMs: 1 })
    t.equal(completed.attempts.length, 2)
    t.equal(decodeValue(completed.value), 2)
  }
})

t.test('an attempt whose thread died under it is judged by the step\'s own policy in the next life', async t => {
  const crash = [{ attempt: 1, startedAtMs: 1, finishedAtMs: 2, error: encodeError(new RangeError('its thread ended')) }]
  const wait = { type: 'retry', name: 'risky', startedAtMs: 1, attempts: crash } as const
  const asked: unknown[] = []
  const judged = async (options: object): Promise<ToSupervisor[]> => {
    const life = threadOf(t, () => step(() => { throw new Error('its code must not run') }, { name: 'risky', ...options })())
    void life.spawn({ waits: new Map([[0, wait]]) })
    return (await life.quiet()).filter(({ type }) => type !== 'actor-started')
  }
  const again = await judged({ ...retry, shouldRetry: (error: unknown, attempt: number) => asked.push([(error as Error).name, attempt]) > 0 })
  t.same(again, [{ type: 'attempt-judged', index: 0, delayMs: 1000 }, { type: 'actor-waiting', heard: 0 }])
  t.same(asked, [['RangeError', 1]])
  for (const [options, outcome] of [[{}, 'error'], [{ ...retry, shouldRetry: () => false }, 'error'], [{ ...retry, maxAttempts: 1 }, 'exhausted']] as const) {
    const [fact] = await judged(options)
    t.match(fact, { type: 'operation-completed', outcome })
  }
})

// ---- the port ----------------------------------------------------------------------------------------------------

t.test('a large result is moved and comes back with the word that it is recorded', async t => {
  const text = 'x'.repeat(MOVED_FROM_BYTES)
  const life = threadOf(t, async () => (await plainStep('large', text)() as string).length)
  void life.spawn()
  const { entry: recorded } = await life.heard('operation-completed')
  t.equal(life.moved.at(-1), 1)
  life.tell([{ type: 'entry-arrived', index: 0, position: 0, entry: recorded }])
  t.equal(decodeValue((await life.heard('run-completed')).result), text.length)
})

t.test('what is said in one turn goes in one batch', async t => {
  const life = threadOf(t, async () => { await Promise.all(Array.from({ length: 100 }, (_, i) => sleep(i))) })
  void life.spawn()
  await life.heard('actor-waiting')
  t.same(life.batches, [102])
})

t.test('a workflow that this thread does not know fails its run, naming those it knows', async t => {
  const life = threadOf(t, () => {})
  void life.spawn({ workflow: 'other' })
  const error = decodeError((await life.heard('run-failed')).error) as Error
  t.match(error, { code: 'TROUPE_UNKNOWN_WORKFLOW', workflow: 'other' })
  t.ok(error.message.includes('body'))
})

t.test('a body that calls another operation than was recorded is stopped there, whatever it catches and whatever it does next', async t => {
  const log: string[] = []
  const life = threadOf(t, async () => {
    try {
      await plainStep('renamed')()
    } catch {
      log.push('caught')
    } finally {
      log.push('finally')
    }
  })
  const over = life.spawn({ journal: [entry(0, 'original', 1)] })
  t.same(await life.heard('run-diverged'), { type: 'run-diverged', index: 0, recorded: 'step "original"', called: 'step "renamed"' })
  await over
  t.same(await life.quiet(), [])
  t.same(log, [])
})

t.test('several actors share a thread without hearing each other', async t => {
  const registry = registryOf({ body: async (n: number) => [n, currentRun()!.id, await step((m: number) => m * 2, { name: 'double' })(n), currentRun()!.id] })
  const life = new ScriptedThread(registry)
  t.teardown(() => { life.close() })
  for (let key = 1; key <= 5; key++) void life.spawn({ key: key as never, id: `run ${key}`, args: [key] })
  const results = new Map<number, unknown>()
  while (results.size < 5) {
    for (const { key, body } of await life.next()) {
      if (body.type === 'operation-completed') life.tell([{ type: 'entry-recorded', index: body.index, position: 0 }], { key })
      if (body.type === 'run-completed') results.set(key, decodeValue(body.result))
    }
  }
  t.same([...results].sort((a, b) => a[0] - b[0]).map(([, result]) => result), [1, 2, 3, 4, 5].map(n => [n, `run ${n}`, 2 * n, `run ${n}`]))
})
