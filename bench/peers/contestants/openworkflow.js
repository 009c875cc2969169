/** openworkflow on PostgreSQL, or on SQLite where Node has node:sqlite. A namespace for each process. */
import { OpenWorkflow } from 'openworkflow'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

const LOOK_AGAIN_MS = 2

/** @param {import('../contract.ts').Opening} opening */
export async function open({ reach, work, process: index }) {
  const namespaceId = `peer-${index}`
  const backend = reach.postgres === undefined
    ? (await import('openworkflow/sqlite')).BackendSqlite.connect(join(reach.folder, 'openworkflow.db'), { namespaceId })
    : await (await import('openworkflow/postgres')).BackendPostgres.connect(reach.postgres, { namespaceId })
  const client = new OpenWorkflow({ backend })

  // Its handle looks every second for the result, and no option changes that. So as not to measure that second, the bench is told by
  // the workflow's own code that it ends, and then looks until the store has the outcome.
  const ending = new Map()
  const define = (name, body) => client.defineWorkflow({ name }, async ({ input, step }) => {
    try {
      return await body(input, (at, run) => step.run({ name: `${name}-${at}` }, run))
    } finally {
      ending.get(input.key)?.()
    }
  })
  const workflows = { tenSteps: define('tenSteps', work.tenSteps), computing: define('computing', work.computing) }
  let keys = 0

  async function run(workflow, task) {
    const key = ++keys
    const ended = new Promise(resolve => ending.set(key, resolve))
    const handle = await workflow.run({ ...task, key })
    await ended
    ending.delete(key)
    for (;;) {
      const run = await backend.getWorkflowRun({ workflowRunId: handle.workflowRun.id })
      if (run.status === 'completed') return run.output
      if (run.status === 'failed') throw new Error(JSON.stringify(run.error))
      await delay(LOOK_AGAIN_MS)
    }
  }

  // A worker asks the store once for each free place whenever it looks for work, so it gets as many places as there will be workflows.
  let worker
  return {
    prepare: async inFlight => {
      await worker?.stop()
      worker = inFlight === 0 ? undefined : client.newWorker({ concurrency: inFlight })
      await worker?.start()
    },
    tenSteps: task => run(workflows.tenSteps, task),
    computing: task => run(workflows.computing, task),
    close: async () => {
      await worker?.stop()
      await backend.stop()
    },
  }
}
