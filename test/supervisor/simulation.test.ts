/** Random lives of many runs over decide, evolve and a store: the invariants hold after every step. */
import t from 'tap'
import { chanceOf, seedOf } from '../chance.ts'
import { Simulation } from './simulation.ts'

const RUNS = Number(process.env['TROUPE_SIMULATIONS'] ?? 40)
const STEPS = 300

t.test('whatever happens in whatever order, memory equals the store (I6), each unfinished run has a cause to wake (I7), and no move is refused', async t => {
  const seed = seedOf(t)
  const statuses = new Set<string>()
  for (let i = 0; i < RUNS; i++) {
    const simulation = new Simulation(chanceOf(seed + i))
    let wrong: readonly string[] = []
    for (let step = 0; step < STEPS && wrong.length === 0; step++) {
      try {
        wrong = simulation.step()
      } catch (error) {
        wrong = [String(error)]
      }
      for (const { progress } of simulation.states.values()) statuses.add(progress.status)
    }
    if (wrong.length > 0) {
      t.same(wrong, [], `simulation ${i} of seed ${seed} (TROUPE_SEED=${seed + i} TROUPE_SIMULATIONS=1)`)
      for (const line of simulation.history.slice(-40)) t.comment(line)
      return
    }
  }
  t.same([...statuses].sort(), ['cancelled', 'delayed', 'enqueued', 'failed', 'quarantined', 'running', 'succeeded', 'waiting'], 'every state was reached')
})
