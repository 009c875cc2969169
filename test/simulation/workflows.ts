/** The workflows of simulated runs: each runs the program it is given, and tells the stage what it sees. */
import { NonRetryableError, RetryAfterError, RunCancelledError, RunTimeoutError } from '../../lib/errors.ts'
import {
  closeStream, currentRun, currentStep, getEvent, now, patched, receive, runStep, send, setEvent, sleep, startChild, workflow, writeStream,
} from '../../lib/workflow/index.ts'
import type { Workflow } from '../../lib/workflow/index.ts'
import type { Body, Op, StepPlan } from './language.ts'

/** What surrounds the code that runs now; all of it is about the run that the code belongs to. */
export interface Stage {
  /** The changed code is the one that runs. */
  readonly isPatched: boolean
  /** An outcome has reached the workflow's code. */
  saw(path: string, what: string): void
  /** The run is being ended: what its code sees from now on is recorded nowhere. */
  ending(): void
  /** Code of a step begins; what comes back is different each time. */
  begins(plan: StepPlan): string
  ends(): void
  /** Comes back when something outside has happened. */
  outside(): Promise<void>
  after(ms: number): Promise<void>
  /** Ends the thread of this code, which goes no further. */
  die(index: number | undefined): Promise<never>
  /** How often code at this place of the run has asked, this time included. */
  times(path: string): number
  /** A message that nobody else sends. */
  message(path: string): string
}

let stage: Stage

export function setStage(given: Stage): void {
  stage = given
}

const LARGE = 'x'.repeat(20_000)

async function interpret(program: readonly Op[], place: string): Promise<number> {
  for (const [i, op] of program.entries()) await perform(op, `${place}.${i}`)
  return program.length
}

async function perform(op: Op, path: string): Promise<void> {
  switch (op.do) {
    case 'step': return void await seen(path, step(op, path))
    case 'sleep': return seen(path, sleep(op.seconds))
    case 'now': return void await seen(path, now())
    case 'hops':
      for (let i = 0; i < op.count; i++) await Promise.resolve()
      return
    case 'receive': {
      const { topic, timeoutSeconds } = op
      return void await seen(path, receive({ ...(topic !== undefined && { topic }), ...(timeoutSeconds !== undefined && { timeoutSeconds }) }))
    }
    case 'send': return forgiven(seen(path, send(op.to, stage.message(path), op.topic === undefined ? {} : { topic: op.topic })))
    case 'set-event': return seen(path, setEvent(op.key, path))
    case 'get-event': return forgiven(seen(path, getEvent(op.of, op.key, op.timeoutSeconds === undefined ? {} : { timeoutSeconds: op.timeoutSeconds })))
    case 'write': return forgiven(seen(path, writeStream(op.stream, path)))
    case 'close': return seen(path, closeStream(op.stream))
    case 'child': return child(op, path)
    case 'die':
      if (stage.times(path) <= op.times) await stage.die(undefined)
      return
    case 'patch': {
      // That it is not is recorded nowhere.
      const isChanged = stage.isPatched && await patched(`patch${path}`)
      return void await interpret(isChanged ? op.after : op.before, `${path}${isChanged ? 'new' : ''}`)
    }
    case 'all': return void await Promise.all(op.parts.map((part, i) => interpret(part, `${path}.${i}`)))
    case 'race': {
      const winner = await Promise.race(op.parts.map((part, i) => interpret(part, `${path}.${i}`).then(() => i)))
      stage.saw(path, `won by ${winner}`)
      return
    }
    case 'try': return forgiven(interpret(op.part, path))
  }
}

async function seen<T>(path: string, outcome: Promise<T>): Promise<T> {
  try {
    const value = await outcome
    stage.saw(path, JSON.stringify(value)?.replaceAll(LARGE, 'large') ?? 'undefined')
    return value
  } catch (error) {
    const isEnding = (error instanceof RunCancelledError || error instanceof RunTimeoutError) && error.runId === currentRun()!.id
    if (isEnding) stage.ending()
    else stage.saw(path, String(error))
    throw error
  }
}

async function forgiven(done: Promise<unknown>): Promise<void> {
  try {
    await done
  } catch {
    // It was seen.
  }
}

// ---- steps -----------------------------------------------------------------------------------------------------------

function step(plan: StepPlan, path: string): Promise<unknown> {
  const { retry, shouldRetry, timeoutSeconds } = plan
  return runStep(() => attempt(plan), {
    name: `step${path}`,
    ...(retry !== undefined && { retriesAllowed: true, maxIntervalSeconds: 86_400, ...retry }),
    ...(shouldRetry !== undefined && { shouldRetry: () => {
      if (shouldRetry === 'throws') throw new RangeError('no policy')
      return shouldRetry === 'yes'
    } }),
    ...(timeoutSeconds !== undefined && { timeoutSeconds }),
  })
}

/** Not async: a body that does not wait must end in the turn in which it begins. */
function attempt(plan: StepPlan): unknown {
  const { attempt: nth, index, signal } = currentStep()!
  const value = stage.begins(plan)
  const finish = (): unknown => {
    stage.ends()
    if (nth > plan.deaths && nth <= plan.deaths + plan.failures) throw failure(plan, nth)
    return plan.large ? value + LARGE : value
  }
  if (nth <= plan.deaths) return stage.die(index)
  return plan.body.type === 'at-once' ? finish() : work(plan.body, signal).then(finish, (error: unknown) => {
    stage.ends()
    throw error
  })
}

function failure({ error }: StepPlan, nth: number): Error {
  switch (error) {
    case 'plain': return new TypeError(`attempt ${nth}`)
    case 'retry-after': return new RetryAfterError('later', { afterSeconds: nth * 7 })
    case 'non-retryable': return new NonRetryableError('never')
  }
}

async function work(body: Body, signal: AbortSignal): Promise<void> {
  if (body.type === 'awaits') return stage.outside()
  if (body.type !== 'takes') return
  if (body.deaf) return stage.after(body.ms)
  await new Promise<void>((resolve, reject) => {
    signal.addEventListener('abort', () => { reject(signal.reason as Error) })
    void stage.after(body.ms).then(resolve)
  })
}

// ---- children --------------------------------------------------------------------------------------------------------

async function child(op: Op & { readonly do: 'child' }, path: string): Promise<void> {
  const { mode, workflow: name, program, queue, timeoutSeconds } = op
  const definition = workflows.get(name)!
  if (mode === 'call') return void await seen(path, definition(program))
  const started = startChild(definition, [program], { ...(queue !== undefined && { queue }), ...(timeoutSeconds !== undefined && { timeoutSeconds }) })
  const handle = await seen(path, started)
  if (mode === 'start-and-await') await seen(`${path}.result`, handle.result())
}

const fn = (program: readonly Op[]): Promise<number> => interpret(program, '')

const workflows = new Map<string, Workflow<[readonly Op[]], Promise<number>>>([
  ['plain', workflow(fn, { name: 'plain' })],
  ['alone', workflow(fn, { name: 'alone', isolated: true })],
  ['fragile', workflow(fn, { name: 'fragile', maxRespawns: 1, respawnWindowSeconds: 60, timeoutSeconds: 7200, queue: 'narrow' })],
  ['checked', workflow(fn, { name: 'checked', args: {
    '~standard': { version: 1, vendor: 'simulation', validate: value => Array.isArray(value) && Array.isArray(value[0]) && value[0].length > 0
      ? { value: value as [readonly Op[]] } : { issues: [{ message: 'no program' }] } },
  } })],
])
