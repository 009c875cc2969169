import { readFile } from 'node:fs/promises'
import t from 'tap'
import * as errors from '../lib/errors.ts'
import { ERROR_CODES, InvalidOptionError, NonRetryableError, RetryAfterError, TroupeError } from '../lib/errors.ts'

// Compiled, this file is dist/test/errors.test.js.
const page = await readFile(new URL('../../docs/errors.md', import.meta.url), 'utf8')

/** One of each, made as the library makes them. */
const samples: readonly TroupeError[] = [
  new errors.StepRetriesExhaustedError({ stepName: 'resize', attempts: 2, errors: [new Error('first'), new RangeError('second.')] }),
  new errors.StepTimeoutError({ stepName: 'resize', timeoutSeconds: 5, attempt: 2 }),
  new errors.StepCrashedError({ stepName: 'resize', problem: 'ran out of memory' }),
  new errors.RunCancelledError({ runId: 'r1' }),
  new errors.RunTimeoutError({ runId: 'r1', timeoutSeconds: 60 }),
  new errors.RunQuarantinedError({ runId: 'r1', crashes: 6 }),
  new errors.RunNotFinishedError({ runId: 'r1', timeoutSeconds: 1 }),
  new errors.StillAtWorkError({ runIds: ['r1'], patienceSeconds: 60 }),
  new errors.UnknownRunError({ runId: 'r1' }),
  new errors.MailboxFullError({ runId: 'r1', capacity: 10_000 }),
  new errors.StreamClosedError({ runId: 'r1', stream: 'progress' }),
  new errors.UnknownWorkflowError({ workflow: 'thumbs', known: ['thumbnails', 'report'] }),
  new errors.RunIdTakenError({ runId: 'r1', workflow: 'report', takenBy: 'thumbnails' }),
  new errors.NondeterminismError({ runId: 'r1', index: 3, recorded: 'step "resize"', called: 'sleep' }),
  new errors.UnserializableValueError({ what: 'the result of step "resize"', path: 'result.stream', problem: 'is a function' }),
  new errors.InvalidOptionError({ option: 'maxAttempts', rule: 'be a whole number >= 1', received: 0, doing: 'Defining step "resize"' }),
  new errors.WorkflowModuleError({ module: 'file:///w.js', problem: 'could not be loaded: no such file' }),
  new errors.OutsideRunError({ operation: 'sleep()' }),
  new errors.TroupeClosedError({ operation: 'start()' }),
  new errors.InternalError({ problem: 'an entry has no index' }),
  new errors.StoreInUseError({ store: '/data', pid: 42 }),
  new errors.StoreFormatError({ what: 'store "/data"', problem: 'was written by a newer version' }),
  new errors.StoreUnavailableError({ store: '/data', problem: 'the disk is full' }),
]

t.test('docs/errors.md has a section for each code and no other, in the same order, naming the class', async t => {
  const sections = [...page.matchAll(/^### `(TROUPE_[A-Z_]+)` - `(\w+)`$/gm)].map(match => ({ code: match[1], name: match[2] }))
  t.strictSame(sections, ERROR_CODES.map(entry => ({ code: entry.code, name: entry.class.name })))
  const bodies = page.split(/^### .*$/m).slice(1)
  for (const [i, body] of bodies.entries()) {
    for (const part of ['**When.**', '**What to do.**']) t.ok(body.includes(part), `${sections[i]?.code} has "${part}"`)
  }
})

t.test('every exported subclass of TroupeError is in the list of codes once', async t => {
  const exported = Object.values(errors).filter(value => typeof value === 'function' && value.prototype instanceof TroupeError)
  t.strictSame(new Set(exported), new Set(ERROR_CODES.map(entry => entry.class)))
  t.equal(new Set(ERROR_CODES.map(entry => entry.code)).size, ERROR_CODES.length)
})

t.test('each class makes errors with its code, its name, and a message that says what to do', async t => {
  t.equal(samples.length, ERROR_CODES.length)
  for (const [i, { code, class: Class }] of ERROR_CODES.entries()) {
    const error = samples[i]
    t.ok(error instanceof Class && error instanceof TroupeError && error instanceof Error, Class.name)
    t.match(error, { code, name: Class.name })
    t.notOk(Object.hasOwn(error as object, 'name'), 'the name stands on the prototype')
    t.notOk(Object.keys(error as object).includes('message'))
    t.match(error?.message ?? '', /^.{10,}[.;:] \w.{10,}[.]$/, 'what was being done and what went wrong; what to do')
    t.notMatch(error?.message, /undefined|\[object/, 'no fact is missing')
  }
})

const sample = (code: string): TroupeError | undefined => samples.find(error => error.code === code)

t.test('messages carry the facts, and the facts are fields', async t => {
  t.match(samples[0], { stepName: 'resize', attempts: 2, errors: [{ message: 'first' }, { message: 'second.' }], cause: { message: 'second.' } })
  t.equal(samples[0]?.message, 'Step "resize" failed in all 2 of its attempts; the last error was: RangeError: second. ' +
    'Look at `errors` for each of them, and raise maxAttempts or the interval if the trouble was passing.')
  t.match(sample('TROUPE_NONDETERMINISTIC'), { runId: 'r1', index: 3, recorded: 'step "resize"', called: 'sleep', message: /index 3: recorded was step "resize", called was sleep/ })
  t.match(sample('TROUPE_INVALID_OPTION'), { option: 'maxAttempts', message: 'Defining step "resize": option "maxAttempts" must be a whole number >= 1; received 0.' })
  t.match(sample('TROUPE_UNKNOWN_WORKFLOW')?.message, '"thumbnails", "report"')
  t.notOk('cause' in new errors.StepRetriesExhaustedError({ stepName: 's', attempts: 0, errors: [] }))
  t.equal(new errors.StepRetriesExhaustedError({ stepName: 's', attempts: 1, errors: [undefined] }).cause, undefined)
})

t.test('whatever was received as an option is shown in short and cannot break the message', async t => {
  const shown = (received: unknown): string => new InvalidOptionError({ option: 'o', rule: 'be right', received }).message
  const hostile = { get [Symbol.toStringTag](): string { throw new Error('hostile') }, toString() { throw new Error('hostile') } }
  for (const received of [undefined, null, NaN, '3', Symbol('s'), 5n, {}, Object.create(null), hostile, Proxy.revocable({}, {}).proxy, 'x'.repeat(1e5), Array.from({ length: 1e5 })]) {
    t.ok(shown(received).length < 250, shown(received))
  }
  t.match(shown('3'), "received '3'.")
  t.match(shown(function retry() {}), 'received function retry.')
})

t.test('NonRetryableError and RetryAfterError are the user\'s to throw: no code, checked on creation', async t => {
  t.match(new NonRetryableError('no', { cause: 1 }), { name: 'NonRetryableError', message: 'no', cause: 1 })
  t.match(new RetryAfterError('later', { afterSeconds: 0.5, cause: 2 }), { name: 'RetryAfterError', message: 'later', afterSeconds: 0.5, cause: 2 })
  t.notOk(new NonRetryableError('no') instanceof TroupeError)
  for (const afterSeconds of [-1, NaN, Infinity, '3', undefined, null]) {
    t.throws(() => new RetryAfterError('x', { afterSeconds: afterSeconds as number }), { code: 'TROUPE_INVALID_OPTION', option: 'afterSeconds' })
  }
  t.throws(() => new RetryAfterError('x', undefined as unknown as { afterSeconds: number }), InvalidOptionError)
})
