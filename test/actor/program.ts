/** Random concurrent programs for the tests of replay, as trees that are run by one workflow. */
import { now, random, randomUUID, sleep, startChild, step, workflow } from '../../lib/workflow/index.ts'
import { currentStep } from '../../lib/workflow/index.ts'
import type { Chance } from '../chance.ts'

export type Program =
  | { readonly type: 'step', readonly label: string, readonly mode: 'plain' | 'fails' | 'large' | 'retried' | 'exhausted' }
  | { readonly type: 'value', readonly of: 'now' | 'random' | 'randomUUID' }
  | { readonly type: 'sleep', readonly seconds: number }
  | { readonly type: 'child', readonly label: string, readonly mode: 'call' | 'start' }
  /** This many microtasks of the workflow's own. */
  | { readonly type: 'hops', readonly count: number }
  | { readonly type: 'sequence' | 'all' | 'settled' | 'any', readonly parts: readonly Program[] }
  /** The winner of a race decides what is done next. */
  | { readonly type: 'race', readonly parts: readonly Program[], readonly next: readonly Program[] }
  | { readonly type: 'catching', readonly part: Program }

export function randomProgram(chance: Chance, depth: number, names = { next: 0 }): Program {
  const label = (): string => `op${names.next++}`
  const parts = (least: number): Program[] => Array.from({ length: least + chance.below(3) }, () => randomProgram(chance, depth - 1, names))
  if (depth === 0 || chance.below(5) === 0) {
    const kind = chance.below(12)
    if (kind < 6) return { type: 'step', label: label(), mode: chance.pick(['plain', 'plain', 'plain', 'fails', 'large', 'retried', 'exhausted']) }
    if (kind < 7) return { type: 'value', of: chance.pick(['now', 'random', 'randomUUID']) }
    if (kind < 8) return { type: 'sleep', seconds: chance.below(100) }
    if (kind < 10) return { type: 'child', label: label(), mode: chance.pick(['call', 'start']) }
    return { type: 'hops', count: chance.below(6) }
  }
  switch (chance.below(8)) {
    case 0: return { type: 'all', parts: parts(2) }
    case 1: return { type: 'settled', parts: parts(2) }
    case 2: return { type: 'any', parts: parts(2) }
    case 3: return { type: 'catching', part: randomProgram(chance, depth - 1, names) }
    case 4: case 5: {
      const racers = parts(2)
      return { type: 'race', parts: racers, next: racers.map(() => randomProgram(chance, depth - 1, names)) }
    }
    default: return { type: 'sequence', parts: parts(1) }
  }
}

const retry = { retriesAllowed: true, maxAttempts: 2, intervalSeconds: 1 }
const large = 'x'.repeat(20_000)

function callStep(label: string, mode: (Program & { type: 'step' })['mode']): Promise<unknown> {
  switch (mode) {
    case 'plain': return step((name: string) => `${name} done`, { name: label })(label)
    case 'large': return step((name: string) => ({ name, large }), { name: label })(label)
    case 'fails': return step(async (name: string) => { throw new RangeError(`${name} failed`) }, { name: label })(label)
    case 'retried': return step((name: string) => {
      if (currentStep()!.attempt === 1) throw new Error(`${name} once`)
      return `${name} in attempt ${currentStep()!.attempt}`
    }, { name: label, ...retry })(label)
    case 'exhausted': return step((name: string) => { throw new Error(`${name} ${currentStep()!.attempt}`) }, { name: label, ...retry })(label)
  }
}

const kid = workflow((label: string) => label, { name: 'kid' })

/** What a value looks like in a log: errors by name and message. */
export function shown(value: unknown): string {
  if (value instanceof AggregateError) return `${value.name}[${value.errors.map(shown).join('; ')}]`
  if (value instanceof Error) return `${value.name}: ${value.message}`
  return JSON.stringify(value, (_, part: unknown) => part instanceof Error ? shown(part) : part) ?? 'undefined'
}

/** Runs it; `log` gets every call as it is made and every outcome as it is seen. */
export async function execute(program: Program, log: string[], place = ''): Promise<unknown> {
  const observed = async (what: string, promise: Promise<unknown>): Promise<unknown> => {
    log.push(`call ${what}`)
    try {
      const value = await promise
      log.push(`${what} = ${shown(value)}`)
      return value
    } catch (error) {
      log.push(`${what} threw ${shown(error)}`)
      throw error
    }
  }
  const each = (parts: readonly Program[]): Promise<unknown>[] => parts.map((part, i) => execute(part, log, `${place}.${i}`))
  switch (program.type) {
    case 'step': return observed(program.label, callStep(program.label, program.mode))
    case 'value': return observed(`${program.of}${place}`, { now, random, randomUUID }[program.of]())
    case 'sleep': return observed(`sleep${place}`, sleep(program.seconds))
    case 'child': {
      if (program.mode === 'call') return observed(program.label, kid(program.label))
      const child = await startChild(kid, [program.label], { id: `id of ${program.label}` })
      log.push(`started ${child.id}`)
      return observed(program.label, child.result())
    }
    case 'hops':
      for (let i = 0; i < program.count; i++) {
        await Promise.resolve()
        log.push(`hop ${i}${place}`)
      }
      return undefined
    case 'sequence': {
      const results = []
      for (const [i, part] of program.parts.entries()) results.push(await execute(part, log, `${place}.${i}`))
      return results
    }
    case 'all': return observed(`all${place}`, Promise.all(each(program.parts)))
    case 'settled': return observed(`settled${place}`, Promise.allSettled(each(program.parts)))
    case 'any': return observed(`any${place}`, Promise.any(each(program.parts)))
    case 'race': {
      const racers = each(program.parts).map((racer, i) => racer.then(() => i, () => i))
      const winner = await observed(`race${place}`, Promise.race(racers)) as number
      return execute(program.next[winner]!, log, `${place}.then${winner}`)
    }
    case 'catching':
      try {
        return await execute(program.part, log, `${place}.try`)
      } catch (error) {
        return `caught ${shown(error)}`
      }
  }
}
