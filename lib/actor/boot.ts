/** A thread's first task: load the workflow modules, take the port, and say what the thread knows. */
import type { MessagePort } from 'node:worker_threads'
import { encodeError } from '../codec/error.ts'
import { WorkflowModuleError } from '../errors.ts'
import { systemClock } from '../system.ts'
import type { BootReport, ThreadTask, WorkflowReport } from '../protocol/thread.ts'
import { workflowRegistry } from '../workflow/registry.ts'
import type { WorkflowDefinition } from '../workflow/registry.ts'
import { ActorThread } from './thread.ts'

let thread: ActorThread | undefined

/** What the pool runs in this thread. It never throws: whatever goes wrong is part of an answer. */
export async function runThreadTask(task: ThreadTask): Promise<BootReport | undefined> {
  if (task.type === 'boot-thread') return boot(task.port, task.modules)
  await thread?.spawn(task)
  return undefined
}

async function boot(port: MessagePort, modules: readonly string[]): Promise<BootReport> {
  for (const module of modules) {
    try {
      await import(module)
    } catch (error) {
      const problem = `could not be loaded: ${error instanceof Error ? error.message : String(error)}`
      return { type: 'boot-failed', error: encodeError(new WorkflowModuleError({ module, problem, cause: error })) }
    }
    const [name] = workflowRegistry.duplicates()
    if (name !== undefined) {
      const problem = `defines workflow "${name}", and so does another definition: two of one name cannot be told apart`
      return { type: 'boot-failed', error: encodeError(new WorkflowModuleError({ module, problem })) }
    }
  }
  const booted = new ActorThread(port, workflowRegistry, systemClock)
  thread = booted
  process.on('exit', code => { booted.die(`exited with code ${code}`) })
  process.on('uncaughtExceptionMonitor', (error, origin) => {
    booted.die(`${origin === 'unhandledRejection' ? 'had an unhandled rejection' : 'threw an error that nobody caught'}: ${describe(error)}`)
  })
  return { type: 'booted', workflows: workflowRegistry.all().map(report) }
}

function report(definition: WorkflowDefinition): WorkflowReport {
  const { name, respawn, isolated, timeoutMs, queue, args } = definition
  return {
    name,
    isolated,
    maxRespawns: respawn.maxRespawns,
    respawnWindowMs: respawn.windowMs,
    checksArgs: args !== undefined,
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(queue !== undefined && { queue }),
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
}
