/** A thread's task: load the workflow modules, take the port, and say what the thread knows. */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { encodeError } from '../codec/error.ts'
import { WorkflowModuleError } from '../errors.ts'
import { describeThrown, messageOf } from '../model/wording.ts'
import { Presence } from '../protocol/presence.ts'
import { followTime, systemClock } from '../system.ts'
import { FlightRecorder } from '../protocol/flight-recorder.ts'
import type { BootReport, BootTask, WorkflowReport } from '../protocol/thread.ts'
import { workflowRegistry } from '../workflow/registry.ts'
import type { WorkflowDefinition } from '../workflow/registry.ts'
import { ActorThread } from './thread.ts'

/** What the pool runs in this thread, once. It never throws: whatever goes wrong is part of the answer. */
export async function bootThread({ port, modules, recorder, presence, time }: BootTask): Promise<BootReport> {
  if (time !== undefined) followTime(time)
  const versions = new Map<string, string>()
  for (const module of modules) {
    try {
      await import(module)
      const version = await digestOf(module)
      for (const { name } of workflowRegistry.all()) if (!versions.has(name)) versions.set(name, version)
    } catch (error) {
      const problem = `could not be loaded: ${messageOf(error)}`
      return { type: 'boot-failed', error: encodeError(new WorkflowModuleError({ module, problem, cause: error })) }
    }
    const [name] = workflowRegistry.duplicates()
    if (name !== undefined) {
      const problem = `defines workflow "${name}", and so does another definition: two of one name cannot be told apart`
      return { type: 'boot-failed', error: encodeError(new WorkflowModuleError({ module, problem })) }
    }
  }
  const booted = new ActorThread(port, workflowRegistry, systemClock, recorder && new FlightRecorder(recorder), new Presence(presence))
  process.on('exit', code => { booted.die(`exited with code ${code}`) })
  process.on('uncaughtExceptionMonitor', (error, origin) => {
    booted.die(`${origin === 'unhandledRejection' ? 'had an unhandled rejection' : 'threw an error that nobody caught'}: ${describeThrown(error)}`)
  })
  return { type: 'booted', workflows: workflowRegistry.all().map(definition => report(definition, versions.get(definition.name) ?? '')) }
}

function report(definition: WorkflowDefinition, version: string): WorkflowReport {
  const { name, respawn, isolated, timeoutMs, queue, args } = definition
  return {
    name,
    version,
    isolated,
    maxRespawns: respawn.maxRespawns,
    respawnWindowMs: respawn.windowMs,
    checksArgs: args !== undefined,
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(queue !== undefined && { queue }),
  }
}

/** Of the module's own file: what it imports may change unseen. */
async function digestOf(module: string): Promise<string> {
  return createHash('sha256').update(await readFile(fileURLToPath(module))).digest('hex').slice(0, 12)
}
