/** The workflows this thread has loaded. A definition registers itself; the thread reports the list to its supervisor. */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { ResolvedRespawnPolicy } from '../model/respawn.ts'

export interface WorkflowDefinition {
  readonly name: string
  readonly fn: (...args: unknown[]) => unknown
  readonly respawn: ResolvedRespawnPolicy
  readonly isolated: boolean
  readonly timeoutMs?: number
  readonly queue?: string
  readonly args?: StandardSchemaV1<unknown, unknown[]>
}

export class WorkflowRegistry {
  readonly #definitions = new Map<string, WorkflowDefinition>()
  readonly #duplicates = new Set<string>()

  /** The first definition of a name stays; a second one is remembered and reported by the thread that loads both. */
  add(definition: WorkflowDefinition): void {
    if (this.#definitions.has(definition.name)) this.#duplicates.add(definition.name)
    else this.#definitions.set(definition.name, definition)
  }

  get(name: string): WorkflowDefinition | undefined {
    return this.#definitions.get(name)
  }

  all(): readonly WorkflowDefinition[] {
    return [...this.#definitions.values()]
  }

  duplicates(): readonly string[] {
    return [...this.#duplicates]
  }
}

export const workflowRegistry = new WorkflowRegistry()
