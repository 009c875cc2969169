import type { StandardSchemaV1 } from '@standard-schema/spec'
import { InvalidOptionError } from '../errors.ts'
import { DEFAULT_RESPAWN_POLICY } from '../model/respawn.ts'
import { checkBoolean, checkName, checkNumber, checkOptions, optionalName, optionalTimeoutMs, refuse, secondsToMs } from '../options.ts'
import { recordingScope } from './context.ts'
import { workflowRegistry } from './registry.ts'
import type { WorkflowDefinition } from './registry.ts'
import { checkMethod, plainCall } from './step.ts'

export interface WorkflowOptions<A extends unknown[] = unknown[]> {
  /** Default: the function's own name. Durable: renaming it strands its unfinished runs. */
  readonly name?: string
  /** Respawns after crashes allowed within `respawnWindowSeconds` before the run is quarantined. Whole number >= 0. Default 5. */
  readonly maxRespawns?: number
  /** Default 600. */
  readonly respawnWindowSeconds?: number
  /** Bound on the whole run from its first spawn, in seconds. Durable over restarts. Default: none. */
  readonly timeoutSeconds?: number
  /** Name of the queue its runs join unless start() says otherwise. */
  readonly queue?: string
  /** Its actors never share a thread: exact blame, and the thread's whole heap, for code that is not trusted. Default false. */
  readonly isolated?: boolean
  /** Any Standard Schema (zod, valibot, arktype, ...) for the argument tuple; start() refuses what it refuses, by name too. */
  readonly args?: StandardSchemaV1<unknown, A>
}

/** Called inside a run, it starts a child run (its own actor, perhaps another thread) and resolves with its result. Outside a run it is an ordinary call. */
export type Workflow<A extends unknown[], R> = ((...args: A) => Promise<Awaited<R>>) & { readonly workflowName: string }

type WorkflowDecorator = <This, A extends unknown[], R>(
  method: (this: This, ...args: A) => Promise<R>, context: ClassMethodDecoratorContext) => (this: This, ...args: A) => Promise<R>

const KNOWN = ['name', 'maxRespawns', 'respawnWindowSeconds', 'timeoutSeconds', 'queue', 'isolated', 'args']

/**
 * Makes a function a workflow, known by its name to every thread that loads this module.
 * @throws InvalidOptionError at definition
 */
export function workflow<A extends unknown[], R>(fn: (...args: A) => R, options?: WorkflowOptions<A>): Workflow<A, R>
/** The same as a decorator of a static async method (an instance has no durable identity; InvalidOptionError says so). */
export function workflow(options?: WorkflowOptions): WorkflowDecorator
export function workflow<A extends unknown[], R>(
  target?: ((...args: A) => R) | WorkflowOptions, options?: WorkflowOptions<A>): Workflow<A, R> | WorkflowDecorator {
  if (typeof target === 'function') return define(target.name, target as (...args: unknown[]) => unknown, options) as Workflow<A, R>
  const decorate: WorkflowDecorator = (method, context) => {
    checkMethod('workflow', context)
    if (!context.static) {
      throw new InvalidOptionError({ option: '@workflow', rule: `decorate a static method: an instance has no durable identity, and "${String(context.name)}" is an instance method`, received: context.name })
    }
    const call = method as (...args: unknown[]) => unknown
    // Inside a run, too, `this` is the class.
    const bound: { call: (...args: unknown[]) => unknown } = { call }
    context.addInitializer(function () { bound.call = call.bind(this) })
    return define(String(context.name), (...args) => bound.call(...args), target) as never
  }
  return decorate
}

function define(functionName: string, fn: (...args: unknown[]) => unknown, options: unknown): Workflow<unknown[], unknown> {
  const definition = resolveWorkflowOptions(functionName, fn, options)
  const wrapped = function (this: unknown, ...args: unknown[]): Promise<unknown> {
    const scope = recordingScope()
    if (scope === undefined) return plainCall(this, args, fn)
    return scope.operations.callChild({ workflow: definition.name, args })
  }
  Object.defineProperties(wrapped, { name: { value: definition.name }, workflowName: { value: definition.name, enumerable: true } })
  workflowRegistry.add(definition)
  return wrapped as unknown as Workflow<unknown[], unknown>
}

function resolveWorkflowOptions(functionName: string, fn: (...args: unknown[]) => unknown, options: unknown): WorkflowDefinition {
  const given = checkOptions('workflow()', options, KNOWN)
  const timeoutMs = optionalTimeoutMs('timeoutSeconds', given['timeoutSeconds'])
  const queue = optionalName('queue', given['queue'])
  const args = checkSchema(given['args'])
  const { maxRespawns, respawnWindowSeconds, isolated } = given
  return {
    name: checkName('name', given['name'] === undefined ? functionName : given['name']),
    fn,
    respawn: {
      maxRespawns: maxRespawns === undefined ? DEFAULT_RESPAWN_POLICY.maxRespawns : checkNumber('maxRespawns', maxRespawns, { min: 0, whole: true }),
      windowMs: respawnWindowSeconds === undefined ? DEFAULT_RESPAWN_POLICY.windowMs : secondsToMs('respawnWindowSeconds', respawnWindowSeconds),
    },
    isolated: isolated === undefined ? false : checkBoolean('isolated', isolated),
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(queue !== undefined && { queue }),
    ...(args !== undefined && { args }),
  }
}

function checkSchema(schema: unknown): StandardSchemaV1<unknown, unknown[]> | undefined {
  if (schema === undefined) return undefined
  // Schemas may be functions (arktype) as well as objects.
  const holder = (typeof schema === 'object' || typeof schema === 'function') && schema !== null ? schema as Partial<StandardSchemaV1> : undefined
  if (typeof holder?.['~standard']?.validate !== 'function') {
    refuse('args', "be a Standard Schema (an object with a '~standard' property)", schema)
  }
  return schema as StandardSchemaV1<unknown, unknown[]>
}
