/** How soon an unfinished run works again after the process was killed. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, lstatSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { BroadcastChannel } from 'node:worker_threads'
import { Troupe } from 'troupe'
import { alternate, DURABLE, withFolder, WORKFLOWS } from './bench.ts'
import type { Bench, Setting } from './bench.ts'
import { Samples } from './figures.ts'
import type { Row } from './figures.ts'
import { held, WORK_CHANNEL } from './fixtures/workflows.ts'

const UNFINISHED = 1000
/** For so many sleeping runs, or more. */
const GOAL_SLEEPING = 100_000
const GOAL_MS = 500

interface Case {
  readonly unfinished: number
  readonly sleeping: number
  readonly samples: Samples
}

export const recovery: Bench = {
  name: 'recovery',
  title: 'from open() until the first unfinished run works again (with none: a new one), after a SIGKILL',
  systems: { 'until it works': DURABLE, 'until open() resolves': DURABLE },
  async run(setting) {
    const unfinished = setting.quick ? 4 : UNFINISHED
    const all = [[0, 0], [unfinished, 0], [unfinished, setting.sleeping]]
    const cases = (setting.quick ? [[2, 5]] : all)
      .map(([some, asleep]): Case => ({ unfinished: some!, sleeping: asleep!, samples: new Samples() }))
    await withFolder(setting, async folder => {
      const contestants: ((round: number) => Promise<void>)[] = []
      for (const [index, one] of cases.entries()) {
        const prepared = join(folder, String(index))
        const releasedBy = join(folder, `${index}.released`)
        setting.progress(`preparing ${describe(one)}`)
        await prepare(prepared, releasedBy, one)
        writeFileSync(releasedBy, '')
        contestants.push(async round => {
          setting.progress(`round ${round + 1}, ${describe(one)}`)
          await measure(setting, prepared, releasedBy, one)
        })
      }
      await alternate(setting.rounds, contestants)
    })
    return cases.map((one): Row => ({
      label: describe(one),
      unit: 'ms',
      series: one.samples.series('until it works', 'until open() resolves'),
      ...(one.unfinished > 0 && one.sleeping >= GOAL_SLEEPING && { goals: [{ of: 'until it works', atMost: GOAL_MS }] }),
    }))
  },
}

function describe({ unfinished, sleeping }: Case): string {
  return `${unfinished} unfinished, ${sleeping} sleeping`
}

/** Leaves the store as a process does that was killed in the midst of its work. */
async function prepare(store: string, releasedBy: string, { unfinished, sleeping }: Case): Promise<void> {
  const program = fileURLToPath(new URL('./fixtures/prepare.js', import.meta.url))
  const child = spawn(process.execPath, [program, store, releasedBy, String(unfinished), String(sleeping)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const exited = once(child, 'exit')
  const [word] = await Promise.race([once(child, 'message'), exited]) as [unknown]
  child.kill('SIGKILL')
  await exited
  if (word !== 'ready') throw new Error(`the process that prepares a store ended early (${String(word)})`)
}

async function measure(setting: Setting, prepared: string, releasedBy: string, { unfinished, samples }: Case): Promise<void> {
  await withFolder(setting, async folder => {
    const store = join(folder, 'store')
    cpSync(prepared, store, { recursive: true, filter: path => !lstatSync(path).isSocket() })
    const channel = new BroadcastChannel(WORK_CHANNEL)
    const works = new Promise<number>(resolve => { channel.onmessage = () => { resolve(performance.now()) } })
    const startedMs = performance.now()
    const troupe = await Troupe.open({ store, workflows: WORKFLOWS, threads: setting.threads })
    try {
      samples.add('until open() resolves', performance.now() - startedMs)
      if (unfinished === 0) await troupe.start(held, [releasedBy])
      samples.add('until it works', await works - startedMs)
    } finally {
      channel.close()
      await troupe.close({ mode: 'abandon' })
    }
  })
}
