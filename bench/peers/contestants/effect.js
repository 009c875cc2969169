/**
 * Effect's durable workflows on its cluster with PostgreSQL, by the layer for one process. A database for each process.
 * Of Effect 3: what Effect 4 needs beside it does not run on Node 20.
 */
import { ClusterWorkflowEngine, SingleRunner } from '@effect/cluster'
import { PgClient } from '@effect/sql-pg'
import { Activity, Workflow } from '@effect/workflow'
import { Effect, Layer, Logger, ManagedRuntime, Redacted, Schema } from 'effect'

const STEPS = 10

/** @param {import('../contract.ts').Opening} opening */
export async function open({ reach, work, process: index }) {
  const idempotencyKey = ({ key }) => key

  const tenSteps = Workflow.make({
    name: 'tenSteps',
    payload: { key: Schema.String, seed: Schema.Number, timed: Schema.Boolean },
    success: Schema.Struct({ sum: Schema.Number, tookMs: Schema.Array(Schema.Number) }),
    idempotencyKey,
  })
  const tenStepsLayer = tenSteps.toLayer(Effect.fnUntraced(function* ({ seed, timed }) {
    const tookMs = []
    let sum = 0
    for (let at = 0; at < STEPS; at++) {
      const startedMs = performance.now()
      sum += yield* Activity.make({ name: `trivial-${at}`, success: Schema.Number, execute: Effect.sync(() => work.trivial(seed, at)) })
      if (timed) tookMs.push(performance.now() - startedMs)
    }
    return { sum, tookMs }
  }))

  const computing = Workflow.make({
    name: 'computing',
    payload: { key: Schema.String, steps: Schema.Number, iterations: Schema.Number },
    success: Schema.Number,
    idempotencyKey,
  })
  const computingLayer = computing.toLayer(Effect.fnUntraced(function* ({ steps, iterations }) {
    let sum = 0
    for (let at = 0; at < steps; at++) {
      sum += yield* Activity.make({ name: `compute-${at}`, success: Schema.Number, execute: Effect.sync(() => work.busy(iterations)) })
    }
    return sum
  }))

  const engine = ClusterWorkflowEngine.layer.pipe(
    Layer.provideMerge(SingleRunner.layer()),
    Layer.provideMerge(PgClient.layer({ url: Redacted.make(reach.postgres) })),
  )
  const runtime = ManagedRuntime.make(Layer.mergeAll(tenStepsLayer, computingLayer).pipe(Layer.provideMerge(engine), Layer.provide(Logger.remove(Logger.defaultLogger))))
  await runtime.runPromise(Effect.void)
  let keys = 0
  const nextKey = () => `${index}-${++keys}`
  return {
    tenSteps: task => runtime.runPromise(tenSteps.execute({ key: nextKey(), ...task })),
    computing: task => runtime.runPromise(computing.execute({ key: nextKey(), ...task })),
    close: () => runtime.dispose(),
  }
}
