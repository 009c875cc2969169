/** DBOS Transact for TypeScript on PostgreSQL: workflows started in the process that runs them, as its guide does. */
import { DBOS } from '@dbos-inc/dbos-sdk'

/** @param {import('../contract.ts').Opening} opening */
export async function open({ reach, work, process: index }) {
  DBOS.setConfig({
    name: 'peers',
    systemDatabaseUrl: reach.postgres,
    // Twice the default, as only half of a pool is for those who wait for results.
    systemDatabasePoolSize: 20,
    executorID: `peer-${index}`,
    applicationVersion: '1',
    logLevel: 'error',
  })
  const tenSteps = DBOS.registerWorkflow(task => work.tenSteps(task, (_, step) => DBOS.runStep(step, { name: 'trivial' })), { name: 'tenSteps' })
  const computing = DBOS.registerWorkflow(task => work.computing(task, (_, step) => DBOS.runStep(step, { name: 'compute' })), { name: 'computing' })
  await DBOS.launch()
  return {
    tenSteps: async task => (await DBOS.startWorkflow(tenSteps)(task)).getResult(),
    computing: async task => (await DBOS.startWorkflow(computing)(task)).getResult(),
    close: () => DBOS.shutdown(),
  }
}
