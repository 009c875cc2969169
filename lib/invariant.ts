/** Ways to say that something cannot happen. */
import { InternalError } from './errors.ts'

/** The end of an exhaustive switch: a case that was forgotten does not compile. */
export function assertNever(value: never): never {
  throw new InternalError({ problem: `met a case that does not exist: ${JSON.stringify(value)}` })
}

/** What the code around it relies on. */
export function assertInvariant(condition: boolean, problem: string): asserts condition {
  if (!condition) throw new InternalError({ problem })
}
