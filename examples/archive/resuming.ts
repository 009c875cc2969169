import type { RunInfo, StepInfo, Troupe } from 'troupe'
import type { Totals } from './news.ts'

/** What an earlier start left: asked once, when the work goes on. */

/** What a step of the run returned, if it has. Who asks knows the step, and so the type of its result. */
export async function resultOf<R>(troupe: Troupe, runId: string, stepName: string): Promise<R | undefined> {
  const done = (await stepsOf(troupe, runId)).find(step => step.name === stepName && step.status === 'succeeded')
  return done?.result as R | undefined
}

export async function hasBegun(troupe: Troupe, runId: string, operation: string): Promise<boolean> {
  return (await stepsOf(troupe, runId)).some(step => step.name === operation)
}

async function stepsOf(troupe: Troupe, runId: string): Promise<readonly StepInfo[]> {
  return await (await troupe.get(runId)).steps()
}

/** Adds up what the finished runs of one workflow below `runId` returned. */
export async function countDone(troupe: Troupe, runId: string, workflow: string, valueOf: (result: object) => Totals): Promise<Totals> {
  const done = { items: 0, bytes: 0 }
  for await (const { result } of finishedBelow(troupe, runId, workflow)) {
    if (typeof result !== 'object' || result === null) continue
    const { items, bytes } = valueOf(result)
    done.items += items
    done.bytes += bytes
  }
  return done
}

function finishedBelow(troupe: Troupe, runId: string, workflow: string): AsyncIterable<RunInfo> {
  return troupe.list({ idPrefix: `${runId}/`, workflow, status: 'succeeded', values: true })
}

/** A number of an object that came from the store, 0 when it has none by this name. */
export function numberIn(value: object, name: string): number {
  const found: unknown = Reflect.get(value, name)
  return typeof found === 'number' ? found : 0
}
