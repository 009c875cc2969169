import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { NonRetryableError, sleep, step, workflow } from 'troupe/workflow'

/**
 * An order with compensation (a saga): reserve, charge, ship. When a step fails for good, what was done before it is undone in
 * reverse order, whatever crashes meanwhile.
 */
export interface Order {
  readonly id: string
  readonly item: string
  readonly cents: number
  /** The folder that stands for the outside world: a file for each service. */
  readonly world: string
  /** How long shipping waits for the courier, and between two steps of undoing. */
  readonly pauseSeconds: number
}

export type Outcome =
  | { readonly status: 'shipped', readonly parcel: string }
  | { readonly status: 'undone', readonly reason: string, readonly undone: readonly string[] }

/**
 * What the services do. Each call carries a key and does nothing the second time: a step whose thread died before its result was
 * recorded runs again.
 */
function once(order: Order, service: string, action: string): void {
  const key = `${order.id}/${action}`
  const file = join(order.world, `${service}.log`)
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : []
  if (!lines.includes(key)) appendFileSync(file, `${key}\n`)
}

const reserve = step(function reserve(order: Order) {
  if (order.item === 'unicorn') throw new NonRetryableError('there are no unicorns in the warehouse')
  once(order, 'warehouse', 'reserve')
})
const release = step(function release(order: Order) { once(order, 'warehouse', 'release') })

const charge = step(function charge(order: Order) {
  if (order.cents > 100_000) throw new NonRetryableError(`the card was refused for ${order.cents} cents`)
  once(order, 'bank', 'charge')
})
const refund = step(function refund(order: Order) { once(order, 'bank', 'refund') },
  // Undoing must come to an end: it is tried for as long as it takes.
  { retriesAllowed: true, maxAttempts: 1_000_000, intervalSeconds: 0.01, maxIntervalSeconds: 600 })

const ship = step(function ship(order: Order) {
  if (order.item === 'anvil') throw new NonRetryableError('no courier takes an anvil')
  if (order.item === 'vase' && !existsSync(join(order.world, `${order.id}.called-once`))) {
    writeFileSync(join(order.world, `${order.id}.called-once`), '')
    throw new Error('the courier does not answer')
  }
  once(order, 'courier', 'ship')
  return `parcel-${order.id}`
}, { retriesAllowed: true, maxAttempts: 3, intervalSeconds: 0.05 })

export const placeOrder = workflow(async function placeOrder(order: Order): Promise<Outcome> {
  const undo: { readonly name: string, readonly call: () => Promise<void> }[] = []
  try {
    await reserve(order)
    undo.push({ name: 'reserve', call: () => release(order) })
    await charge(order)
    undo.push({ name: 'charge', call: () => refund(order) })
    await sleep(order.pauseSeconds)
    return { status: 'shipped', parcel: await ship(order) }
  } catch (error) {
    const undone: string[] = []
    for (const { name, call } of undo.reverse()) {
      await call()
      undone.push(name)
      await sleep(order.pauseSeconds)
    }
    return { status: 'undone', reason: reasonOf(error), undone }
  }
})

/** The error of the last attempt, where there were several. */
function reasonOf(error: unknown): string {
  const last = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return last instanceof Error ? last.message : String(last)
}
