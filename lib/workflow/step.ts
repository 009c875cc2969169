import { InvalidOptionError } from '../errors.ts'
import { recordingScope } from './context.ts'
import type { StepDefinition } from './context.ts'
import { resolveStepOptions } from './step-options.ts'
import type { StepOptions } from './step-options.ts'

/** A function whose result is recorded when it is called inside a run. Outside a run, and inside another step, it is an ordinary call. */
export type Step<A extends unknown[], R> = ((...args: A) => Promise<Awaited<R>>) & { readonly stepName: string }

type StepDecorator = <This, A extends unknown[], R>(
  method: (this: This, ...args: A) => Promise<R>, context: ClassMethodDecoratorContext) => (this: This, ...args: A) => Promise<R>

/**
 * Wraps a sync or async function as a step. Inside a run its result is recorded once and never computed again; its arguments
 * are handed over as structured clones, so that what it does to them is not seen live and missed on replay.
 * @throws InvalidOptionError at definition
 */
export function step<A extends unknown[], R>(fn: (...args: A) => R, options?: StepOptions): Step<A, R>
/** The same as a (standard, TC39) decorator of an async method, static or instance: `@step({ retriesAllowed: true })`. */
export function step(options?: StepOptions): StepDecorator
export function step<A extends unknown[], R>(target?: ((...args: A) => R) | StepOptions, options?: StepOptions): Step<A, R> | StepDecorator {
  if (typeof target === 'function') return wrapStep(resolveStepOptions(target.name, options), target)
  const decorate: StepDecorator = (method, context) => {
    checkMethod('step', context)
    return wrapStep(resolveStepOptions(String(context.name), target), method as (...args: unknown[]) => unknown) as never
  }
  return decorate
}

/**
 * A step written in place: `const page = await runStep(() => fetchPage(url), { name: 'fetchPage' })`.
 * `name` is required for arrow functions.
 */
export function runStep<R>(fn: () => R, options?: StepOptions): Promise<Awaited<R>> {
  let definition: StepDefinition
  try {
    if (typeof fn !== 'function') throw new InvalidOptionError({ option: 'fn', rule: 'be a function', received: fn })
    definition = resolveStepOptions(fn.name, options)
  } catch (error) {
    return Promise.reject(error) // it returns a promise: what is wrong comes as a rejection, too
  }
  return call(definition, undefined, [], fn) as Promise<Awaited<R>>
}

function wrapStep<A extends unknown[], R>(definition: StepDefinition, fn: (...args: A) => R): Step<A, R> {
  const wrapped = function (this: unknown, ...args: A): Promise<Awaited<R>> {
    return call(definition, this, args, fn as (...args: unknown[]) => unknown) as Promise<Awaited<R>>
  }
  Object.defineProperties(wrapped, { name: { value: definition.name }, stepName: { value: definition.name, enumerable: true } })
  return wrapped as unknown as Step<A, R>
}

function call(definition: StepDefinition, self: unknown, args: readonly unknown[], fn: (...args: unknown[]) => unknown): Promise<unknown> {
  const scope = recordingScope()
  if (scope === undefined) return plainCall(self, args, fn)
  return scope.operations.step(definition, args, given => fn.apply(self, given as unknown[]))
}

/** An ordinary call, but always a promise, as inside a run. */
export async function plainCall(self: unknown, args: readonly unknown[], fn: (...args: unknown[]) => unknown): Promise<unknown> {
  return fn.apply(self, args as unknown[])
}

/** Decorators only make sense on methods that a caller can name. */
export function checkMethod(decorator: string, context: ClassMethodDecoratorContext): void {
  if (typeof context !== 'object' || context === null || context.kind !== 'method') {
    throw new InvalidOptionError({ option: `@${decorator}`, rule: 'decorate an async method (standard decorators, not experimentalDecorators)', received: context })
  }
}
