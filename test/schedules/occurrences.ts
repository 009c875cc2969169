import type { Troupe } from 'troupe'
import { tick } from '../fixtures/queues/work.ts'
import { listAll, until } from '../harness.ts'

/** Ids of all occurrences that came to their end, in order of time. */
export async function occurrences(troupe: Troupe, count: number): Promise<string[]> {
  await until(`${count} occurrences have ended`, async () => await troupe.count({ status: 'succeeded', workflow: tick.workflowName }) >= count)
  return (await listAll(troupe, { workflow: tick.workflowName })).map(({ id }) => id).sort()
}
