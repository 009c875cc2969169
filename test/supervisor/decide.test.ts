/** Decisions as pure functions: a state and something that happens in, changes, words, effects and the next state out. */
import t from 'tap'
import { decodeEntry, encodeEntry } from '../../lib/codec/entry.ts'
import type { Encoded } from '../../lib/codec/encoded.ts'
import { decodeError, encodeError } from '../../lib/codec/error.ts'
import { encodeValue } from '../../lib/codec/value.ts'
import type { Wait } from '../../lib/codec/wait.ts'
import { CAREFUL_AFTER_DEATHS, MAX_PROCESS_DEATHS } from '../../lib/model/respawn.ts'
import { RUN_STATUSES, RUN_TRANSITIONS } from '../../lib/model/run.ts'
import type { RunKey } from '../../lib/model/run.ts'
import type { ToSupervisor } from '../../lib/protocol/actor.ts'
import { TIMER_SLOT } from '../../lib/store/contract.ts'
import { decide } from '../../lib/supervisor/decide.ts'
import type { Decision, RunInput } from '../../lib/supervisor/decision.ts'
import { evolve } from '../../lib/supervisor/evolve.ts'
import { QUEUED } from '../../lib/supervisor/state.ts'
import type { RunState } from '../../lib/supervisor/state.ts'
import { live, runState } from './states.ts'

const NOW = 50_000
const POLICY = { respawn: { maxRespawns: 2, windowMs: 10_000 } }
const error = encodeError(new Error('an error'))
const value = encodeValue(1, { what: 'value', root: 'value' })
const entry = (index: number, outcome: 'result' | 'error' = 'result'): Encoded =>
  encodeEntry({ index, kind: 'step', name: 's', startedAtMs: 0, finishedAtMs: 1, outcome, value, attempts: [] })

const after = (state: RunState, input: RunInput, nowMs = NOW): Decision => decide(state, input, nowMs, POLICY)
const kinds = (decision: Decision): string[] => decision.changes.map(({ type }) => type)
const effects = (decision: Decision): string[] => decision.effects.filter(({ type }) => type !== 'log').map(effect => effect.type === 'tell-actor' ? effect.order.type : effect.type)
const completed = (index: number, outcome: 'result' | 'error' = 'result'): ToSupervisor => ({ type: 'operation-completed', index, kind: 'step', outcome, entry: entry(index, outcome) })
const sleepWait: Wait = { type: 'sleep', name: 'sleep', startedAtMs: 1, dueAtMs: 900 }
const retryWait: Wait = { type: 'retry', name: 's', startedAtMs: 1, attempts: [{ attempt: 1, startedAtMs: 1, finishedAtMs: 2, error }], dueAtMs: 900 }
const childWait: Wait = { type: 'child', name: 'kid', startedAtMs: 1, childId: 'run-9', childKey: 9 as RunKey }
const crash = (facts: Partial<RunInput & { type: 'thread-ended' }> = {}): RunInput =>
  ({ type: 'thread-ended', alone: true, culprit: undefined, problem: 'ended', deliberate: false, ...facts })

t.test('a crashed run that is held back is not woken before that is over, and not a second time after it', t => {
  const held = runState({ progress: { status: 'waiting', respawnAtMs: 900, crashesAtMs: [1, 2] }, waits: new Map<number, Wait>([[1, retryWait], [2, childWait]]) })
  for (const input of [{ type: 'timer-due', slot: 1, dueAtMs: 900 }, { type: 'child-finished', index: 2, outcome: { type: 'result', value } }] as const) {
    const decision = after(held, input)
    t.match(decision, { life: { type: 'absent' }, progress: { status: 'waiting', respawnAtMs: 900 } }, input.type)
    evolve(held, decision)
  }
  t.equal(held.journalLength, 1, 'what has come meanwhile is recorded')
  const decision = after(held, { type: 'timer-due', slot: TIMER_SLOT.respawn, dueAtMs: 900 })
  t.match(decision, { life: QUEUED, progress: { status: 'enqueued' } })
  t.equal(decision.progress.respawnAtMs, undefined)
  t.ok(kinds(decision).includes('timer-cleared'))
  t.end()
})

/** Every thing that can happen, once. */
const INPUTS: readonly RunInput[] = [
  { type: 'actor-started' }, { type: 'step-started', index: 1, name: 's', attempt: 1, startedAtMs: 5, timeoutMs: undefined },
  completed(1), completed(1, 'error'),
  { type: 'attempt-failed', index: 1, name: 's', attempt: 2, startedAtMs: 3, finishedAtMs: 4, error, delayMs: 100 },
  { type: 'attempt-judged', index: 1, delayMs: 5 }, { type: 'sleep-called', index: 7, durationMs: 10 },
  { type: 'child-called', index: 8, mode: 'call', workflow: 'kid', args: value, id: undefined, queue: undefined, timeoutMs: undefined },
  { type: 'child-awaited', index: 8, childId: 'run-9' }, { type: 'run-completed', result: value }, { type: 'run-failed', error },
  { type: 'run-diverged', index: 3, recorded: 'a', called: 'b' }, { type: 'actor-waiting', heard: 0 }, { type: 'actor-passivated' },
  { type: 'passivation-refused' }, { type: 'actor-stuck', seconds: 10 }, { type: 'timer-due', slot: 1, dueAtMs: 900 },
  { type: 'timer-due', slot: TIMER_SLOT.deadline, dueAtMs: 800 }, { type: 'child-started', index: 8, mode: 'call', workflow: 'kid', childId: 'run-9', childKey: 9 as RunKey },
  { type: 'operation-settled', index: 8, kind: 'child', name: 'kid', outcome: 'error', value: error }, { type: 'child-finished', index: 2, outcome: { type: 'result', value } },
  { type: 'awaiter-added', awaiter: { parent: 4 as RunKey, index: 0 } }, { type: 'end-requested', reason: 'cancelled', graceMs: 5 },
  { type: 'resume-requested', forget: { fromPosition: 0, index: Infinity } }, crash(), crash({ alone: false }), crash({ deliberate: true }), { type: 'actor-vanished' }, { type: 'process-died' },
  { type: 'passivation-wanted', force: true },
]

function freeze<T>(part: T): T {
  if (typeof part !== 'object' || part === null || part instanceof Uint8Array) return part
  for (const inner of part instanceof Map ? part.values() : Object.values(part)) freeze(inner)
  return Object.freeze(part)
}

const busyState = (facts: Parameters<typeof runState>[0] = {}): RunState => runState({
  journalLength: 1, life: live('active'), awaiters: [{ parent: 3 as RunKey, index: 2 }],
  waits: new Map<number, Wait>([[1, retryWait], [2, childWait], [6, sleepWait]]),
  running: new Map([[5, { name: 'r', attempt: 1, startedAtMs: 7 }]]), ...facts,
})

t.test('deciding writes nothing, reads no clock and no chance: the same state and input give the same decision', async t => {
  for (const mode of ['spawning', 'active', 'waiting', 'passivating'] as const) {
    for (const input of INPUTS) {
      const state = freeze(busyState({ life: live(mode), progress: { status: mode === 'waiting' ? 'waiting' : 'running', deadlineAtMs: 800 } }))
      const before = JSON.stringify([state, [...state.waits], [...state.running]])
      const [first, second] = [1, 2].map(() => decide(state, freeze(input), NOW, freeze(POLICY)))
      t.same(first, second, `${input.type} while ${mode}`)
      t.equal(JSON.stringify([state, [...state.waits], [...state.running]]), before)
    }
  }
})

t.test('nothing moves a finished run but resume(), and a succeeded one not even that', async t => {
  for (const status of ['succeeded', 'failed', 'cancelled', 'quarantined'] as const) {
    for (const input of INPUTS) {
      const decision = after(runState({ progress: { status } }), input)
      const isMoved = input.type === 'resume-requested' && status !== 'succeeded'
      t.equal(decision.progress.status, isMoved ? 'enqueued' : status, `${input.type} when ${status}`)
      t.equal(decision.changes.length > 0, isMoved)
    }
  }
})

t.test('what the table of moves does not have, evolve refuses', async t => {
  for (const from of RUN_STATUSES) {
    for (const to of RUN_STATUSES.filter(status => status !== from)) {
      const state = runState({ progress: { status: from } })
      const decision = { ...after(state, { type: 'actor-stuck', seconds: 1 }), progress: { ...state.progress, status: to } } as Decision
      if ((RUN_TRANSITIONS[from] as readonly string[]).includes(to)) t.doesNotThrow(() => { evolve(state, decision) }, `${from} to ${to}`)
      else t.throws(() => { evolve(state, decision) }, { code: 'TROUPE_INTERNAL' }, `${from} to ${to}`)
    }
  }
})

// ---- operations --------------------------------------------------------------------------------------------------

t.test('a completed step: its entry and the end of its wait in one commit, and the actor is told', async t => {
  const decision = after(busyState(), completed(1))
  t.same(kinds(decision), ['timer-cleared', 'wait-removed', 'entry-appended'])
  t.match(decision.changes[2], { position: 1 })
  t.match(decision.effects, [{ type: 'tell-actor', threadId: 7, order: { type: 'entry-recorded', index: 1, position: 1 } }])
})

t.test('a failed attempt: error, times and due time are recorded with its timer', async t => {
  const decision = after(runState({ life: live('active'), waits: new Map([[1, retryWait]]) }), INPUTS[4]!)
  t.same(kinds(decision), ['timer-cleared', 'wait-recorded', 'timer-set'])
  const wait = decision.waits.at(-1)![1]
  t.match(wait, { type: 'retry', startedAtMs: 1, dueAtMs: NOW + 100 })
  t.same(wait?.type === 'retry' && wait.attempts.map(({ attempt }) => attempt), [1, 2])
})

t.test('a sleep called again keeps its wake time', async t => {
  t.match(after(runState({ life: live('active') }), { type: 'sleep-called', index: 6, durationMs: 70 }).changes, [{ type: 'wait-recorded' }, { type: 'timer-set', slot: 6, dueAtMs: NOW + 70 }])
  t.same(after(runState({ life: live('active'), waits: new Map([[6, sleepWait]]) }), { type: 'sleep-called', index: 6, durationMs: 70 }).changes, [])
})

t.test('a timer that does not stand any more changes nothing', async t => {
  for (const [slot, dueAtMs] of [[6, 899], [1, 901], [2, 900], [77, 900], [TIMER_SLOT.deadline, 1], [TIMER_SLOT.start, 900], [TIMER_SLOT.respawn, 900]] as const) {
    t.same(after(busyState({ progress: { status: 'running', deadlineAtMs: 800 } }), { type: 'timer-due', slot, dueAtMs }).changes, [], `${slot} at ${dueAtMs}`)
  }
})

t.test('the end of a sleep wakes a run wherever it is', async t => {
  const due: RunInput = { type: 'timer-due', slot: 6, dueAtMs: 900 }
  const waits = (): Map<number, Wait> => new Map([[6, sleepWait]])
  const absent = after(runState({ waits: waits(), progress: { status: 'waiting' } }), due)
  t.same([absent.life.type, absent.progress.status], ['queued', 'enqueued'])
  t.same(kinds(absent), ['timer-cleared', 'wait-removed', 'entry-appended', 'run-changed'])
  const waiting = after(runState({ waits: waits(), progress: { status: 'waiting' }, life: live('waiting') }), due)
  t.match(waiting.life, { type: 'live', mode: 'active', told: 1 })
  t.same(effects(waiting), ['entry-arrived'])
  const leaving = after(runState({ waits: waits(), progress: { status: 'waiting' }, life: live('passivating') }), due)
  t.match(leaving.life, { mode: 'passivating', held: [{ type: 'entry-arrived' }] })
  t.equal(leaving.progress.status, 'running', 'a crash now must not leave it waiting')
  t.same(effects(leaving), [])
})

t.test('what fails while the run is being ended is no outcome, what succeeds is recorded', async t => {
  const ending = busyState({ progress: { status: 'running', ending: { reason: 'cancelled', atMs: 1, graceMs: 1 } } })
  t.same(after(ending, completed(5, 'error')).changes, [])
  t.same(after(ending, INPUTS[4]!).changes, [])
  t.ok(kinds(after(ending, completed(5))).includes('entry-appended'))
})

// ---- lives -------------------------------------------------------------------------------------------------------

t.test('a spawn counts the life first, fixes the deadline once, and tells what is due', async t => {
  const state = runState({ meta: { timeoutMs: 100 }, progress: { status: 'enqueued' }, life: QUEUED, waits: new Map([[1, retryWait]]) })
  const decision = after(state, { type: 'run-admitted', threadId: 3 })
  t.match(decision.progress, { status: 'running', incarnation: 1, startedAtMs: NOW, deadlineAtMs: NOW + 100 })
  t.match(decision.changes, [{ type: 'timer-set', slot: TIMER_SLOT.deadline, dueAtMs: NOW + 100 }, { type: 'run-changed' }])
  t.match(decision.life, { type: 'live', threadId: 3, mode: 'spawning', held: [{ type: 'attempt-due', index: 1, attempt: 2 }] })
  t.ok(effects(decision).includes('spawn-actor'))
  const again = after(runState({ meta: { timeoutMs: 100 }, progress: { status: 'enqueued', incarnation: 4, startedAtMs: 1, deadlineAtMs: 101 }, life: QUEUED }), { type: 'run-admitted', threadId: 3 })
  t.match(again.progress, { incarnation: 5, startedAtMs: 1, deadlineAtMs: 101 })
  t.same(kinds(again), ['run-changed'])
})

t.test('an actor\'s word that it waits counts only when it has heard everything', async t => {
  t.equal(after(runState({ life: live('active', { told: 2 }) }), { type: 'actor-waiting', heard: 1 }).progress.status, 'running')
  t.match(after(runState({ life: live('active', { told: 2 }) }), { type: 'actor-waiting', heard: 2 }), { progress: { status: 'waiting' }, life: { mode: 'waiting' } })
  t.equal(after(runState({ life: live('passivating') }), { type: 'actor-waiting', heard: 0 }).progress.status, 'running')
})

t.test('what came while an actor was let go brings it back, or is told when it refuses', async t => {
  const held = [{ type: 'attempt-due', index: 1, attempt: 2 }] as const
  const leaving = (): RunState => runState({ life: live('passivating', { held: [...held] }), progress: { status: 'waiting' } })
  t.equal(after(leaving(), { type: 'actor-passivated' }).life.type, 'queued')
  t.match(after(leaving(), { type: 'passivation-refused' }), { life: { mode: 'active', held: [], told: 1 }, progress: { status: 'running' } })
  t.match(after(runState({ life: live('passivating'), progress: { status: 'waiting' } }), { type: 'actor-passivated' }), { life: { type: 'absent' }, progress: { status: 'waiting' } })
})

t.test('a call for a child that is not answered yet holds the actor; its word on waiting counts after the answer', async t => {
  const state = runState({ life: live('active') })
  for (const input of [INPUTS[7]!, { type: 'actor-waiting', heard: 0 }] as const) evolve(state, after(state, input))
  t.match(state, { progress: { status: 'running' }, life: { mode: 'active', asking: 1 } })
  evolve(state, after(state, { type: 'child-started', index: 8, mode: 'call', workflow: 'kid', childId: 'run-9', childKey: 9 as RunKey }))
  t.match(state, { progress: { status: 'waiting' }, life: { mode: 'waiting', asking: 0 } })
})

// ---- crashes -----------------------------------------------------------------------------------------------------

t.test('alone in a step: a failed attempt, judged by the step\'s policy in the next life', async t => {
  const decision = after(runState({ life: live('active'), running: new Map([[5, { name: 'r', attempt: 1, startedAtMs: 7 }]]) }), crash())
  t.match(decision, { progress: { status: 'enqueued', crashes: 1, crashesAtMs: [] }, life: { type: 'queued' } })
  const wait = decision.waits.at(-1)![1] as Wait & { type: 'retry' }
  t.equal(wait.dueAtMs, undefined)
  t.match(decodeError(wait.attempts[0]!.error!), { code: 'TROUPE_STEP_CRASHED', stepName: 'r' })
})

t.test('alone outside steps: at once, then later, then quarantined; a checkpoint forgets', async t => {
  const state = runState({ life: live('active') })
  evolve(state, after(state, crash()))
  t.match(state, { progress: { status: 'enqueued', crashesAtMs: [NOW] }, life: { type: 'queued' } })
  state.life = live('active')
  evolve(state, { ...after(state, { type: 'run-admitted', threadId: 7 }), life: live('active') })
  evolve(state, after(state, crash(), NOW + 1))
  t.match(state, { progress: { status: 'waiting', respawnAtMs: NOW + 101 }, life: { type: 'absent' } })
  const spared = runState({ life: live('active'), progress: { ...state.progress, status: 'running' } })
  t.same(after(spared, completed(0)).progress.crashesAtMs, [])
  const third = runState({ life: live('active'), progress: { ...state.progress, status: 'running' } })
  const last = after(third, crash(), NOW + 2)
  t.equal(last.progress.status, 'quarantined')
  t.match(decodeError(last.outcome!.value), { code: 'TROUPE_RUN_QUARANTINED', crashes: 3 })
})

t.test('among neighbours nobody is blamed, and by the supervisor\'s own hand nothing is counted', async t => {
  t.match(after(runState({ life: live('active') }), crash({ alone: false })).progress, { status: 'enqueued', suspect: true, crashes: 1, crashesAtMs: [] })
  t.match(after(runState({ life: live('active') }), crash({ alone: false, deliberate: true })).progress, { status: 'enqueued', suspect: false, crashes: 0 })
})

t.test('an attempt that did not yield past its time has failed with a timeout, in whatever company; its next one is alone', async t => {
  const running = new Map([[4, { name: 'q', attempt: 1, startedAtMs: 6 }], [5, { name: 'r', attempt: 2, startedAtMs: 7, timeoutMs: 1500 }]])
  const waits = new Map<number, Wait>([[5, { ...retryWait, name: 'r' }]])
  const state = runState({ life: live('active'), running, waits })
  const decision = after(state, crash({ alone: false, deliberate: true, timedOut: 5 }))
  t.match(decision.progress, { status: 'enqueued', crashes: 0, crashesAtMs: [], suspect: true })
  t.match(decision.progress.trouble, { atMs: NOW, text: 'attempt 2 of step "r" took longer than its timeoutSeconds of 1.5 and did not yield' })
  const [[index, wait] = []] = decision.waits
  t.equal(index, 5, 'the other attempt under way is not charged')
  const { attempts, dueAtMs } = wait as Wait & { type: 'retry' }
  t.same(attempts.map(({ attempt }) => attempt), [1, 2])
  t.match(decodeError(attempts[1]!.error!), { code: 'TROUPE_STEP_TIMEOUT', stepName: 'r', timeoutSeconds: 1.5 })
  t.equal(dueAtMs, undefined, 'the policy is asked by the next life')
  t.equal(after(state, crash({ deliberate: true, timedOut: 6 })).waits.length, 0, 'one that is over by then is not charged')
  t.match(after(runState({ life: live('active'), running, progress: { ending: { reason: 'cancelled', atMs: 1, graceMs: 1 } } }), crash({ deliberate: true, timedOut: 5 })).progress, { status: 'cancelled' })
})

t.test('whose code may have held a thread that was ended goes on alone, uncharged; who merely waited there is not meant', async t => {
  t.match(after(runState({ life: live('active') }), crash({ alone: true, deliberate: true, isSuspect: true })).progress, { status: 'enqueued', suspect: true, crashes: 0, crashesAtMs: [] })
  t.match(after(runState({ life: live('waiting'), progress: { status: 'waiting' } }), crash({ deliberate: true, isSuspect: true })).progress, { status: 'waiting', suspect: false })
})

t.test('what happened to the thread is told in words, and what follows', async t => {
  const told = (input: RunInput, facts: Parameters<typeof runState>[0] = {}): string | undefined => after(runState({ life: live('active'), ...facts }), input).progress.trouble?.text
  const running = new Map([[5, { name: 'r', attempt: 1, startedAtMs: 7 }]])
  t.match(told(crash({ problem: 'ran out of memory' }), { running }), /^attempt 1 of step "r" crashed: its thread ran out of memory\. It counts as a failed attempt/)
  t.match(told(crash({ problem: 'exited' })), /^its thread exited, outside its steps: crash 1 since its last checkpoint, of which it may have 2\. It goes on from there at once/)
  t.match(told(crash(), { progress: { crashesAtMs: [NOW - 1] } }), /crash 2 .* in 100 ms/)
  t.match(told(crash(), { progress: { crashesAtMs: [NOW - 2, NOW - 1] } }), /^its thread ended: crash 3 without progress\. It is set aside until resume\(\)/)
  t.match(told(crash({ alone: false })), /while other runs were on it, too\. Nobody is blamed/)
  t.equal(told(crash({ deliberate: true })), undefined, 'a neighbour that is respawned has nothing to be told')
  t.match(after(runState({ progress: { processDeaths: CAREFUL_AFTER_DEATHS - 1 } }), { type: 'process-died' }).progress.trouble?.text, /died 5 times in a row/)
})

t.test('deaths of the process blame nobody until they recur without progress', async t => {
  t.match(after(runState({}), { type: 'process-died' }).progress, { status: 'enqueued', processDeaths: 1, crashesAtMs: [] })
  t.equal(after(runState({ progress: { processDeaths: MAX_PROCESS_DEATHS - 1 } }), { type: 'process-died' }).progress.status, 'quarantined')
  t.equal(after(runState({ life: live('active'), progress: { processDeaths: 99 } }), completed(0)).progress.processDeaths, 0)
})

// ---- ends --------------------------------------------------------------------------------------------------------

t.test('an outcome, the timers, the waits of a succeeded run and the word to who waits for it go together', async t => {
  const decision = after(busyState({ progress: { status: 'running', deadlineAtMs: 800 } }), { type: 'run-completed', result: value })
  t.same(kinds(decision).sort(), ['awaiter-removed', 'outcome-recorded', 'run-changed', 'timer-cleared', 'timer-cleared', 'timer-cleared', 'wait-removed', 'wait-removed', 'wait-removed'])
  t.match(decision.words, [{ type: 'to-run', key: 3, input: { type: 'child-finished', index: 2, outcome: { type: 'result' } } }])
  t.notOk('deadlineAtMs' in decision.progress)
  t.same(effects(decision), ['settle-waiters'])
})

t.test('a run that is being ended does not succeed any more', async t => {
  for (const [reason, status, code] of [['cancelled', 'cancelled', 'TROUPE_RUN_CANCELLED'], ['timed-out', 'failed', 'TROUPE_RUN_TIMEOUT']] as const) {
    const state = (): RunState => busyState({ progress: { status: 'running', ending: { reason, atMs: 1, graceMs: 1 } } })
    for (const input of [{ type: 'run-completed', result: value }, { type: 'run-failed', error }, { type: 'actor-passivated' }, crash(), { type: 'process-died' }] as const) {
      const decision = after(state(), input)
      t.equal(decision.progress.status, status, `${input.type} when ${reason}`)
      t.match(decodeError(decision.outcome!.value), { code })
    }
  }
})

t.test('divergence quarantines with both operations named, and touches no entry', async t => {
  const decision = after(busyState(), { type: 'run-diverged', index: 3, recorded: 'step "a"', called: 'step "b"' })
  t.equal(decision.progress.status, 'quarantined')
  t.match(decodeError(decision.outcome!.value), { code: 'TROUPE_NONDETERMINISTIC', index: 3, recorded: 'step "a"', called: 'step "b"', runId: 'run-1' })
  t.notOk(kinds(decision).some(type => type.startsWith('entr') || type === 'wait-removed'))
})

t.test('a cancel ends what has no actor at once, and tells an actor, with a grace', async t => {
  for (const [status, life] of [['enqueued', QUEUED], ['delayed', undefined], ['waiting', undefined]] as const) {
    t.equal(after(runState({ progress: { status }, ...(life !== undefined && { life }) }), { type: 'end-requested', reason: 'cancelled', graceMs: 9 }).progress.status, 'cancelled', status)
  }
  const told = after(runState({ life: live('waiting'), progress: { status: 'waiting' } }), { type: 'end-requested', reason: 'cancelled', graceMs: 9 })
  t.same(effects(told), ['end-run', 'arm-grace'])
  t.match(told.progress, { status: 'running', ending: { reason: 'cancelled', atMs: NOW, graceMs: 9 } })
  const twice = after(runState({ life: live('active'), progress: told.progress }), { type: 'end-requested', reason: 'timed-out', graceMs: 1 })
  t.same(twice.changes, [], 'the first reason stays')
})

t.test('resume forgets the outcome and the last failed operation, keeps sleeps, and asks attempts and children anew', async t => {
  const state = busyState({ life: { type: 'absent' }, journalLength: 3, running: new Map(), progress: { status: 'failed', crashesAtMs: [1], suspect: true, processDeaths: 2 } })
  const decision = after(state, { type: 'resume-requested', forget: { fromPosition: 1, index: Infinity } })
  t.match(decision.progress, { status: 'enqueued', crashesAtMs: [], suspect: false, processDeaths: 0 })
  t.equal(decision.journalLength, 1)
  t.same(kinds(decision), ['outcome-forgotten', 'entries-forgotten', 'wait-removed', 'wait-removed', 'timer-set', 'run-changed'])
  t.same(decision.waits, [[1, undefined], [2, undefined]])
})

t.test('resume keeps no sleep that may have begun after what is forgotten, whatever the clock said then', async t => {
  const state = runState({ journalLength: 2, waits: new Map([[0, sleepWait], [3, sleepWait]]), progress: { status: 'failed' } })
  t.same(after(state, { type: 'resume-requested', forget: { fromPosition: 1, index: 1 } }).waits, [[3, undefined]])
  t.same(after(state, { type: 'resume-requested', forget: undefined }).waits, [])
})

// ---- children ----------------------------------------------------------------------------------------------------

t.test('a child\'s end completes the parent\'s call with its bytes as they are', async t => {
  const state = runState({ waits: new Map([[2, childWait]]), progress: { status: 'waiting' } })
  const decision = after(state, { type: 'child-finished', index: 2, outcome: { type: 'error', value: error } })
  const appended = decision.changes.find(change => change.type === 'entry-appended')!
  t.match(decodeEntry(appended.type === 'entry-appended' ? appended.entry : error), { kind: 'child', outcome: 'error', childId: 'run-9', name: 'kid' })
  t.equal(decision.progress.status, 'enqueued')
  t.same(after(runState({ progress: { status: 'waiting' } }), { type: 'child-finished', index: 2, outcome: { type: 'result', value } }).changes, [], 'nobody waits there')
})

t.test('who asks to be told of a child is told once: later, or at once when it has finished', async t => {
  const awaiter = { parent: 4 as RunKey, index: 0 }
  const state = runState({})
  evolve(state, after(state, { type: 'awaiter-added', awaiter }))
  t.same(state.awaiters, [awaiter])
  t.same(after(state, { type: 'awaiter-added', awaiter }).changes, [])
  const finished = runState({ progress: { status: 'succeeded' }, outcome: { type: 'result', value } })
  t.match(after(finished, { type: 'awaiter-added', awaiter }).words, [{ type: 'to-run', key: 4, input: { type: 'child-finished', index: 0 } }])
})
