import t from 'tap'
import type { Line } from '../fixtures/torture/log.ts'
import { Checker } from './checker.ts'

type Told = { readonly type: Line['type'], readonly boot?: number, readonly atMs?: number } & Readonly<Record<string, unknown>>

/** What the checker says of these lines. */
function problemsOf(...lines: readonly Told[]): readonly string[] {
  const checker = new Checker()
  for (const [i, line] of lines.entries()) checker.feed({ boot: 1, atMs: i, ...line } as unknown as Line)
  return checker.problems
}

/** The same, and then everything is over. */
function problemsAtTheEnd(...lines: readonly Told[]): readonly string[] {
  const checker = new Checker()
  for (const [i, line] of [...lines, { type: 'done', runs: 1 } as const].entries()) checker.feed({ boot: 1, atMs: i, ...line } as unknown as Line)
  checker.end()
  return checker.problems
}

const asking = (run: string, workflow: string, args: readonly unknown[] = [], more: object = {}): Told => ({ type: 'asking', run, workflow, args, ...more })
const started = (run: string): Told => ({ type: 'started', run })
const entered = (run: string, step: string, attempt: number, more: object = {}): Told => ({ type: 'entered', run, step, index: 0, attempt, inputs: '-', after: [], ...more })
const told = (run: string, outcome: string, more: object = {}): Told => ({ type: 'told', run, outcome, ...more })
const final = (run: string, status: string, outcome: string, more: object = {}): Told => ({ type: 'final', run, workflow: 'values', args: [], status, outcome, ...more })

t.test('a step that was acknowledged does not run again', async t => {
  const once = [entered('r', 'a', 1), entered('r', 'b', 1, { after: ['r#a'] })]
  t.same(problemsOf(...once, entered('r', 'b', 1, { boot: 2, after: ['r#a'] })), [], 'b was not')
  t.match(problemsOf(...once, entered('r', 'a', 1, { boot: 2 })), [/r#a.*ran again though.*r#b/])
  t.match(problemsOf(entered('r', 'a', 1), told('r', 'value 2'), entered('r', 'a', 1, { boot: 2 })), [/outcome was told/])
  t.match(problemsOf(entered('r', 'a', 1), entered('r', 'a', 2), entered('r', 'b', 1, { after: ['r#a'] }), entered('r', 'a', 3)), [/ran again/])
})

t.test('attempts count from 1 without a gap; one comes twice only if something died in between', async t => {
  t.same(problemsOf(entered('r', 'a', 1), entered('r', 'a', 2), entered('r', 'a', 2, { boot: 2 }), entered('r', 'a', 3, { boot: 2 })), [])
  t.match(problemsOf(entered('r', 'a', 2)), [/not the first/])
  t.match(problemsOf(entered('r', 'a', 1), entered('r', 'a', 3, { boot: 2 })), [/after attempt 1/])
  t.match(problemsOf(entered('r', 'a', 1), entered('r', 'a', 2), entered('r', 'a', 1, { boot: 2 })), [/after attempt 2/])
  t.match(problemsAtTheEnd(entered('r', 'a', 1), entered('r', 'a', 1)), [/after attempt 1/])
  t.same(problemsAtTheEnd(entered('r', 'a', 1), { type: 'ending', what: 'thread' }, entered('r', 'a', 1)), [])
  t.same(problemsAtTheEnd(entered('r', 'a', 1), entered('r', 'a', 1), { type: 'ending', what: 'thread' }), [], 'the host says so a little later')
  t.match(problemsOf(entered('r', 'a', 1), entered('r', 'a', 2, { inputs: 'other' })), [/other inputs/])
})

t.test('what was started is there, and comes to the outcome that it must come to, once', async t => {
  const run = [asking('r', 'ledger', [3, 10]), started('r')]
  t.same(problemsAtTheEnd(...run, final('r', 'succeeded', 'value 13', { workflow: 'ledger', args: [3, 10] })), [])
  t.match(problemsAtTheEnd(...run), [/r was started and is not there/])
  t.match(problemsOf(...run, { type: 'unknown', run: 'r' }), [/r was started and is lost/])
  t.match(problemsOf(...run, told('r', 'value 12')), [/must come to value 13/])
  t.match(problemsOf(...run, told('r', 'error RunCancelledError')), [/cancelled by nobody/])
  t.match(problemsOf(...run, told('r', 'error RunTimeoutError')), [/had no deadline/])
  t.match(problemsOf(told('r', 'value 1'), told('r', 'value 2', { boot: 2 })), [/was told value 1, then value 2/])
  t.match(problemsOf(...run, told('r', 'value 13'), final('r', 'succeeded', 'value 14')), [/was told value 13, and at the end/, /must come to value 2/])
  t.match(problemsAtTheEnd(...run, final('r', 'waiting', 'error None', { workflow: 'mailbox' }))[0], /r is waiting at the end/)
  const checker = new Checker()
  checker.end()
  t.match(checker.problems, [/did not come to its end/])
})

t.test('runs that finished before a prune may be gone, others not', async t => {
  const run = [asking('r', 'values'), started('r'), entered('r', 'a', 1)]
  t.same(problemsAtTheEnd(...run, { type: 'pruning', beforeMs: 3 }), [])
  t.match(problemsAtTheEnd(...run, { type: 'pruning', beforeMs: 2 }), [/not there/])
  const box = [asking('m', 'mailbox'), started('m'), { type: 'pruning', beforeMs: 1000 } as const, { type: 'unknown', run: 'm' } as const]
  t.match(problemsOf(...box), [/m was started and is lost/], 'nobody has told it to end')
})

t.test('a cancelled run does not run in later processes, nor do its children; a resumed one may', async t => {
  const cancelled = [asking('r', 'long', [9, 1]), { type: 'cancelling', run: 'r', children: true } as const, { type: 'cancelled', run: 'r' } as const]
  t.same(problemsOf(...cancelled, entered('r', 'a', 1)), [], 'it may take a while to hear of it')
  t.match(problemsOf(...cancelled, entered('r', 'a', 1, { boot: 2 })), [/was cancelled in boot 1/])
  t.match(problemsOf(...cancelled, entered('r/3', 'a', 1, { boot: 2 })), [/was cancelled in boot 1/])
  t.same(problemsOf(...cancelled, told('r', 'error RunCancelledError'), final('r/3', 'cancelled', 'error RunCancelledError', { workflow: 'long' })), [])
  t.match(problemsOf(...cancelled, final('r', 'failed', 'error Other', { workflow: 'unknown' })), [/was cancelled, and is failed/])
  const failed = [asking('s', 'stubborn'), entered('s', 'first', 1), entered('s', 'second', 1, { after: ['s#first'] }), told('s', 'error PlannedError')]
  const again = entered('s', 'second', 1, { boot: 2 })
  t.match(problemsOf(...failed, again), [/outcome was told/])
  t.same(problemsOf(...failed, { type: 'resuming', run: 's' }, again, told('s', 'value "passed"')), [])
  t.match(problemsOf(...failed, { type: 'resuming', run: 's' }, entered('s', 'first', 1)), [/outcome was told|called with the result/])
})

t.test('messages come once and in order, streams and events as they were written, occurrences without a gap, queues within their places', async t => {
  const box = [asking('m', 'mailbox'), started('m'), ...[0, 1, 2, 'end'].map(sequence => ({ type: 'sent', run: 'm', sequence }) as const)]
  t.same(problemsOf(...box, told('m', 'value [0,1,2]')), [])
  for (const wrong of ['value [0,1]', 'value [0,1,1,2]', 'value [0,2,1]']) t.match(problemsOf(...box, told('m', wrong)), [/must come to value \[0,1,2\]/])
  t.match(problemsOf({ type: 'streamed', run: 'p', position: 2, value: 7 }), [/position 2/])
  t.match(problemsOf({ type: 'seen', run: 'p', value: 2 }, { type: 'seen', run: 'p', value: 1, boot: 2 }), [/its event was 2/])
  const tick = (second: number): Told => final(`s@2026-01-01T00:00:0${second}.000Z`, 'succeeded', 'value "tock"', { workflow: 'tick' })
  t.same(problemsAtTheEnd(tick(1), tick(3), tick(2)), [])
  t.match(problemsAtTheEnd(tick(1), tick(3)), [/after occurrence/])
  const inside = (run: string): readonly Told[] => [asking(run, 'queued', [1]), entered(run, 'in', 1)]
  t.same(problemsOf(...inside('a'), ...inside('b'), entered('a', 'out', 1), ...inside('c')), [])
  t.match(problemsOf(...inside('a'), ...inside('b'), ...inside('c')), [/hold places/])
})

t.test('delays and forks are held to their word', async t => {
  const late = asking('d', 'values', [], { delayMs: 200, atMs: 1000 })
  t.same(problemsOf(late, entered('d', 'first', 1, { atMs: 1200 })), [])
  t.match(problemsOf(late, entered('d', 'first', 1, { atMs: 1150 })), [/before its delay/])
  const fork = asking('f', 'ledger', [4, 1], { forkedBefore: 2 })
  t.same(problemsOf(fork, entered('f', 'add-1', 1, { index: 2 })), [])
  t.match(problemsOf(fork, entered('f', 'add-0', 1, { index: 1 })), [/forked before step 2/])
})
