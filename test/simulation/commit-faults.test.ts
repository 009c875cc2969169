/** A commit that goes wrong before, during and after it is written, for each kind of what is written. */
import t from 'tap'
import type { Change } from '../../lib/store/contract.ts'
import { chanceOf, seedOf } from '../chance.ts'
import { FAULTS } from '../store/faulty-store.ts'
import type { Fault } from '../store/faulty-store.ts'
import { Simulation } from './simulation.ts'

/** Every kind of write. */
const KINDS: Readonly<Record<Change['type'], true>> = {
  'run-started': true, 'run-changed': true, 'outcome-recorded': true, 'outcome-forgotten': true, 'entry-appended': true, 'entries-forgotten': true,
  'wait-recorded': true, 'wait-removed': true, 'timer-set': true, 'timer-cleared': true, 'awaiter-added': true, 'awaiter-removed': true,
  'message-stored': true, 'message-removed': true, 'event-set': true, 'stream-appended': true, 'stream-closed': true, 'start-counted': true,
  'start-uncounted': true, 'setting-put': true, 'setting-removed': true, 'run-deleted': true,
}
const MOST_SIMULATIONS = 400

t.test('whatever kind of write goes wrong, before, during or after: it is done once, and nothing is acknowledged before', async t => {
  const first = seedOf(t)
  const chance = chanceOf(first)
  const left = new Set(Object.keys(KINDS).flatMap(kind => FAULTS.map(fault => `${fault} ${kind}`)))
  for (let i = 0; i < MOST_SIMULATIONS && left.size > 0; i++) {
    let calm = 0
    const faultOf = (changes: readonly Change[]): Fault | undefined => {
      if (calm-- > 0) return undefined
      const kinds = new Set(changes.map(({ type }) => type))
      const wanted = [...left].filter(pair => kinds.has(pair.split(' ')[1] as Change['type']))
      if (wanted.length === 0) return undefined
      calm = chance.below(6)
      const pair = chance.pick(wanted)
      left.delete(pair)
      return pair.split(' ')[0] as Fault
    }
    const { problems, seed, lines } = await new Simulation({ seed: first + i, steps: 400, faultOf }).run()
    if (problems.length === 0) continue
    t.same(problems, [], `simulation ${i}, seed ${seed}`)
    for (const line of lines.slice(-60)) t.comment(line)
    return
  }
  t.same([...left], [], 'each kind of write met each fault')
})
