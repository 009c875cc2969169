/** A process of one system: opens it, runs what it is asked to, closes it. Ends when the bench is gone. */
import { busy } from '../fixtures/busy.ts'
import type { Answer, Contestant, ContestantModule, Order } from './contract.ts'
import { computeAll, keepInFlight } from './load.ts'
import { createWork } from './work.ts'

let contestant: Contestant | undefined

async function obey(order: Order): Promise<Answer> {
  if (order.type === 'open') {
    const { open } = await import(order.module) as ContestantModule
    contestant = await open({ ...order.opening, work: createWork(busy) })
    return { type: 'done' }
  }
  if (contestant === undefined) return { type: 'failed', reason: 'it is not open' }
  if (order.type === 'steps' || order.type === 'compute') await contestant.prepare?.(order.type === 'steps' ? order.inFlight : order.runs)
  if (order.type === 'steps') return { type: 'measured', measured: await keepInFlight(contestant, order) }
  if (order.type === 'compute') return { type: 'measured', measured: await computeAll(contestant, order, busy) }
  await contestant.close()
  return { type: 'done' }
}

process.on('message', (order: Order) => {
  void obey(order)
    .catch((error: unknown): Answer => ({ type: 'failed', reason: error instanceof Error ? error.stack ?? error.message : String(error) }))
    .then(answer => process.send?.(answer, () => { if (order.type === 'close') process.exit(0) }))
})
process.on('disconnect', () => process.exit(1))
// Ctrl-C reaches every process of the terminal. The bench ends its own.
process.on('SIGINT', () => {})
