/** What a process costs that has nothing to do: many queues, schedules and sleeping runs, none of which is due. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { alternate, fewRounds, withFolder } from './bench.ts'
import type { Bench, Setting } from './bench.ts'
import { median, Samples } from './figures.ts'

const QUEUES = 35
const SCHEDULES = 20
const SLEEPING = 100_000
const REST_MS = 10_000
/** Of one core. */
const ALLOWED_PERCENT = 1

interface Report {
  readonly cpuPercent: number
  readonly timers: number
}

export const idle: Bench = {
  name: 'idle',
  title: `CPU use of a process at rest over ${REST_MS / 1000} s, % of one core, and how many timers fired in it`,
  async run(setting) {
    const sleeping = setting.quick ? 50 : SLEEPING
    const restMs = setting.quick ? 200 : REST_MS
    const samples = new Samples()
    const timers: number[] = []
    await alternate(fewRounds(setting, 2), [async round => {
      setting.progress(`round ${round + 1}`)
      const report = await rest(setting, sleeping, restMs)
      samples.add('used', report.cpuPercent)
      samples.add('allowed', ALLOWED_PERCENT)
      timers.push(report.timers)
    }])
    return [{
      label: `${QUEUES} queues, ${SCHEDULES} schedules, ${sleeping} sleeping`,
      unit: '% of a core',
      series: samples.series('used', 'allowed'),
      ratio: { of: 'used', to: 'allowed', goal: { atMost: 1 } },
      details: { timers: median(timers) },
    }]
  },
}

/** In a process of its own, so that nothing but the Troupe is in it. */
async function rest(setting: Setting, sleeping: number, restMs: number): Promise<Report> {
  return withFolder(setting, async folder => {
    const file = (name: string): string => fileURLToPath(new URL(`./fixtures/${name}.js`, import.meta.url))
    const args = [join(folder, 'store'), setting.threads, QUEUES, SCHEDULES, sleeping, restMs].map(String)
    const child = spawn(process.execPath, ['--import', new URL('./fixtures/count-timers.js', import.meta.url).href, file('idle'), ...args], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'], env: { ...process.env, TIMERS_FILE: join(folder, 'timers') },
    })
    const exited = once(child, 'exit')
    const [word] = await Promise.race([once(child, 'message'), exited]) as [unknown]
    if (typeof word !== 'object' || word === null) throw new Error(`the process at rest ended early (${String(word)})`)
    await exited
    return word as Report
  })
}
