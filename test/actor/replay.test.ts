/** What a workflow sees live is what it sees on replay (G7): the central property. */
import t from 'tap'
import { readEntryHead } from '../../lib/codec/entry.ts'
import { decodeValue } from '../../lib/codec/value.ts'
import { chanceOf, seedOf } from '../chance.ts'
import { registryOf, ScriptedThread } from './life.ts'
import { execute, randomProgram, shown } from './program.ts'
import { record, replay } from './recording.ts'
import type { ToSupervisor } from '../../lib/protocol/actor.ts'

const PROGRAMS = Number(process.env['TROUPE_PROGRAMS'] ?? 200)

function outcomeOf(last: ToSupervisor): string {
  if (last.type === 'run-completed') return `returned ${shown(decodeValue(last.result))}`
  if (last.type === 'run-failed') return `threw ${shown(decodeValue(last.error))}`
  return JSON.stringify(last)
}

const END = 'the end'

t.test('random concurrent programs, replayed from every prefix of their journals, make the same calls and see the same outcomes in the same order', async t => {
  const seed = seedOf(t)
  let journals = 0
  let longest = 0
  for (let i = 0; i < PROGRAMS; i++) {
    const chance = chanceOf(seed + i)
    const program = randomProgram(chance, 3)
    let log: string[] = []
    const body = async (): Promise<unknown> => {
      const mine = log
      try {
        return await execute(program, mine)
      } finally {
        mine.push(END)
      }
    }
    const registry = registryOf({ body })
    const until = (all: readonly string[]): readonly string[] => all.slice(0, all.indexOf(END) + 1)
    const life = new ScriptedThread(registry)
    try {
      void life.spawn()
      const live = await record(life, chance)
      const seen = until(log)
      const outcome = outcomeOf(live.last)
      longest = Math.max(longest, live.entries.length)
      for (let length = 0; length <= live.entries.length; length++) {
        log = []
        const again = new ScriptedThread(registry)
        try {
          const { last, asked } = await replay(again, live, length, chance)
          const recorded = new Set(live.entries.slice(0, length).map(({ index }) => index))
          const repeated = asked.filter(fact => 'index' in fact && fact.type !== 'run-diverged' && recorded.has(fact.index))
          const same = outcomeOf(last) === outcome && until(log).join('\n') === seen.join('\n') && repeated.length === 0
          if (!same) {
            t.same({ outcome: outcomeOf(last), log: until(log), repeated }, { outcome, log: seen, repeated: [] },
              `program ${i} of seed ${seed} (TROUPE_SEED=${seed + i} TROUPE_PROGRAMS=1), first ${length} of ${live.entries.length} entries`)
            t.comment(JSON.stringify(program), live.entries.map(({ entry }) => readEntryHead(entry)))
            return
          }
          journals++
        } finally {
          again.close()
        }
      }
    } catch (error) {
      t.comment(`program ${i} of seed ${seed}: ${JSON.stringify(program)}`, log)
      throw error
    } finally {
      life.close()
    }
  }
  t.ok(longest >= 5, `the longest journal had ${longest} entries`)
  t.pass(`${PROGRAMS} programs, ${journals} replays`)
})
