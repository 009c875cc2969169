import { decodeValue, encodeValue } from '../codec/value.ts'
import type { StepDefinition } from '../workflow/context.ts'

/**
 * The arguments as they were at the call, anew for each attempt: what a step does to them must not be seen by the workflow,
 * because on replay the step does not run, nor by the next attempt.
 */
export function captureArgs(args: readonly unknown[], definition: StepDefinition, workflow: string): () => readonly unknown[] {
  if (args.every(isPrimitive)) return () => args
  try {
    const encoded = encodeValue(args, () => ({ what: `the arguments of step "${definition.name}" of workflow "${workflow}"`, root: 'args' }))
    return () => decodeValue(encoded) as unknown[]
  } catch (error) {
    return () => { throw error }
  }
}

function isPrimitive(value: unknown): boolean {
  return value === null || (typeof value !== 'object' && typeof value !== 'function' && typeof value !== 'symbol')
}
