/** What runs cost that only wait: memory of a process with many of them, against one with none. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fewRounds, withFolder } from './bench.ts'
import type { Bench, Setting } from './bench.ts'
import { Samples } from './figures.ts'
import type { Row } from './figures.ts'

/** The goal is one for so many; for fewer the noise is more than the difference. */
const GOAL_RUNS = 1_000_000
const GOAL_MB = 150

interface Report {
  readonly residentMb: number
  readonly anonymousMb: number
}

export const memory: Bench = {
  name: 'memory',
  title: 'memory of a process with sleeping runs (--sleeping), more than of one with none: since they were started, and after it was started anew',
  systems: { resident: 'all that is resident, pages of the store\'s file among it', anonymous: 'what is no file\'s' },
  async run(setting) {
    const sleeping = setting.quick ? 20 : setting.sleeping
    const filled = new Samples()
    const reopened = new Samples()
    for (let round = 0; round < fewRounds(setting, sleeping >= GOAL_RUNS ? 1 : 3); round++) {
      setting.progress(`round ${round + 1}, none`)
      const none = await measure(setting, 0)
      setting.progress(`round ${round + 1}, ${sleeping} sleeping`)
      const many = await measure(setting, sleeping)
      for (const [samples, life] of [[filled, 0], [reopened, 1]] as const) {
        for (const [name, key] of [['resident', 'residentMb'], ['anonymous', 'anonymousMb']] as const) samples.add(name, Math.max(0.001, many[life][key] - none[life][key]))
      }
    }
    const goals = sleeping >= GOAL_RUNS ? { goals: [{ of: 'anonymous', atMost: GOAL_MB * sleeping / GOAL_RUNS }] } : {}
    return [
      { label: `${sleeping} sleeping, since started`, unit: 'MB more', series: filled.series('resident', 'anonymous') },
      { label: `${sleeping} sleeping, process anew`, unit: 'MB more', series: reopened.series('resident', 'anonymous'), ...goals },
    ] satisfies readonly Row[]
  },
}

/** Of the process that started them, and of the next one. */
async function measure(setting: Setting, sleeping: number): Promise<readonly [Report, Report]> {
  return withFolder(setting, async folder => {
    const args = [join(folder, 'store'), setting.threads, sleeping].map(String)
    if (setting.quick) return twice(sleeping === 0 ? { residentMb: 0, anonymousMb: 0 } : await live(args, setting))
    return [await live(args, setting), await live(args, setting)]
  })
}

function twice(report: Report): readonly [Report, Report] {
  return [report, report]
}

async function live(args: readonly string[], setting: Setting): Promise<Report> {
  const program = fileURLToPath(new URL('./fixtures/memory.js', import.meta.url))
  const child = spawn(process.execPath, [program, ...args, setting.quick ? '0' : '3000'], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const exited = once(child, 'exit')
  const [word] = await Promise.race([once(child, 'message'), exited]) as [unknown]
  if (typeof word !== 'object' || word === null) throw new Error(`the process with sleeping runs ended early (${String(word)})`)
  await exited
  return word as Report
}
