/**
 * BullMQ on Redis. It is a queue of jobs, not of workflows: here a job saves after each step how far it is, as its documentation shows for jobs of several steps.
 * Nothing is replayed. A queue for each process.
 */
import { Queue, QueueEvents, Worker } from 'bullmq'

/** @param {import('../contract.ts').Opening} opening */
export async function open({ reach, work, inFlight, process: index }) {
  const connection = { ...reach.redis, maxRetriesPerRequest: null }
  const name = `peer-${index}`
  const doStep = job => async (at, step) => {
    const result = await step()
    await job.updateData({ ...job.data, step: at + 1, sum: (job.data.sum ?? 0) + result })
    return result
  }
  const worker = new Worker(name, job => work[job.name](job.data, doStep(job)), { connection, concurrency: inFlight })
  const queue = new Queue(name, { connection })
  const events = new QueueEvents(name, { connection })
  events.setMaxListeners(0)
  await Promise.all([worker.waitUntilReady(), queue.waitUntilReady(), events.waitUntilReady()])
  return {
    tenSteps: async task => (await queue.add('tenSteps', task)).waitUntilFinished(events),
    computing: async task => (await queue.add('computing', task)).waitUntilFinished(events),
    close: async () => {
      await worker.close()
      await Promise.all([queue.close(), events.close()])
    },
  }
}
