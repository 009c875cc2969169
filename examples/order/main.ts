/**
 * Places five orders and prints how each ended.
 *
 *   node dist/examples/order/main.js [FOLDER] [PAUSE-SECONDS]
 *
 * FOLDER holds the store and the world; the same command after kill -9 goes on with what is there.
 */
import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Troupe } from 'troupe'
import { placeOrder, type Outcome } from './workflows.ts'

const folder = resolve(process.argv[2] ?? 'order-output')
const pauseSeconds = Number(process.argv[3] ?? 0.2)
const world = join(folder, 'world')
mkdirSync(world, { recursive: true })

const baskets = [
  { id: '1001', item: 'cup', cents: 1_200 },
  { id: '1002', item: 'vase', cents: 8_000 },
  { id: '1003', item: 'unicorn', cents: 5_000 },
  { id: '1004', item: 'piano', cents: 900_000 },
  { id: '1005', item: 'anvil', cents: 30_000 },
]

function outcomeText(outcome: Outcome): string {
  if (outcome.status === 'shipped') return `shipped as ${outcome.parcel}`
  return `not shipped, ${outcome.reason}; undone: ${outcome.undone.join(', ') || 'nothing'}`
}

await using troupe = await Troupe.open({ store: join(folder, 'store'), workflows: new URL('./workflows.js', import.meta.url) })
// A start is asked for at each run of this program, and done once: the id is the order's.
const runs = await troupe.startMany(placeOrder, baskets.map(basket => ({
  args: [{ ...basket, world, pauseSeconds }], options: { id: `order/${basket.id}` },
})))
console.log(`${runs.length} orders are placed; they survive kill -9`)
for (const [at, run] of runs.entries()) console.log(`${baskets[at]!.id} ${baskets[at]!.item}: ${outcomeText(await run.result())}`)
