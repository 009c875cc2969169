/** One visit to one system: its server and its processes are started, every case is measured, and all of it is ended. */
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { NOTHING_MEASURED } from './contract.ts'
import type { Answer, Measured, Order, Reach } from './contract.ts'
import { versionOf } from './places.ts'
import { CannotRun, startServer } from './servers.ts'
import type { Server } from './servers.ts'
import type { System } from './systems.ts'

export interface Plan {
  readonly inFlight: readonly number[]
  /** Before the first case: processes have just started, and compile their code while it runs. */
  readonly firstWarmUpMs: number
  readonly warmUpMs: number
  readonly windowMs: number
  readonly computing: { readonly runs: number, readonly steps: number, readonly iterations: number }
  /** Of a peer for the trivial steps, where it is not to be found out. */
  readonly processes?: number
  /** What was found out in an earlier visit: processes by workflows in flight. */
  readonly chosen: ReadonlyMap<number, number>
  progress(text: string): void
}

export interface Visited {
  readonly server?: { readonly version: string, readonly settings: string }
  /** By workflows in flight. */
  readonly steps: ReadonlyMap<number, Case>
  readonly compute: Case
}

export interface Case extends Measured {
  readonly processes: number
  /** Flushes that the disk was asked for meanwhile, by anyone on the machine; undefined where the system does not count them. */
  readonly flushes?: number
}

/** How long an order may take: what hangs is named, and the bench goes on. */
const PATIENCE_MS = 90_000
const processes = new Set<ChildProcess>()

/** Ends every process of a system now. What a signal that ends the bench does. */
export function abandonProcesses(): void {
  for (const child of processes) child.kill('SIGKILL')
}

export async function visit(system: System, folder: string, plan: Plan): Promise<Visited> {
  if (system.cannotRun !== undefined) throw new CannotRun(system.cannotRun)
  const missing = system.packages.filter(name => versionOf(name) === undefined)
  if (missing.length > 0) throw new CannotRun(`not installed: ${missing.join(', ')}. They come with npm ci in bench/peers`)
  const counts = countsOf(system, plan)
  plan.progress('starts')
  mkdirSync(folder, { recursive: true })
  const server = system.server === undefined ? undefined : await startServer(system.server, join(folder, 'server'))
  const children: ChildProcess[] = []
  try {
    const total = Math.max(counts.most, counts.compute)
    const most = Math.max(...plan.inFlight, plan.computing.runs)
    for (let index = 0; index < total; index++) {
      const child = startProcess()
      children.push(child)
      const reach = await reachOf(system, server, join(folder, 'store'), index)
      await ask(child, { type: 'open', module: system.module, opening: { reach, process: index, processes: total, inFlight: most, cores: availableParallelism() } })
    }
    const measured = await measure(children, counts, plan)
    for (const child of children) await ask(child, { type: 'close' }).catch(() => {})
    return { ...measured, ...(server !== undefined && { server: { version: server.version, settings: server.settings } }) }
  } finally {
    for (const child of children) child.kill('SIGKILL')
    await server?.stop()
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

interface Counts {
  /** With how many processes the trivial steps are tried, by workflows in flight. The best figure counts. */
  steps(inFlight: number): readonly number[]
  readonly compute: number
  readonly most: number
}

/**
 * A peer has as many processes as there are cores wherever that is better for it than one: with the trivial steps, the first visit tries both for each case, and the later ones do what
 * was better. For steps that compute it is always better.
 */
function countsOf({ processes }: System, { processes: given, chosen }: Plan): Counts {
  const cores = availableParallelism()
  const compute = processes === 'cores' ? cores : 1
  const tried = (inFlight: number): readonly number[] => {
    if (processes === 1 || inFlight === 1) return [1]
    if (given !== undefined) return [given]
    const known = chosen.get(inFlight)
    return known === undefined ? [...new Set([1, cores])] : [known]
  }
  return { steps: tried, compute, most: processes === 1 ? 1 : Math.max(cores, given ?? 1) }
}

async function measure(children: readonly ChildProcess[], counts: Counts, plan: Plan): Promise<Pick<Visited, 'steps' | 'compute'>> {
  const { firstWarmUpMs, warmUpMs, windowMs } = plan
  plan.progress('warms up')
  await load(children, children.length, 16, { warmUpMs: firstWarmUpMs, windowMs: 1 })
  const steps = new Map<number, Case>()
  for (const inFlight of plan.inFlight) {
    for (const processes of counts.steps(inFlight)) {
      plan.progress(`C = ${inFlight}, ${processes} ${processes === 1 ? 'process' : 'processes'}`)
      const before = flushesOfDisks()
      const measured = await load(children, processes, inFlight, { warmUpMs, windowMs })
      const after = flushesOfDisks()
      const best = steps.get(inFlight)
      if (best !== undefined && best.workflows >= measured.workflows) continue
      steps.set(inFlight, { ...measured, processes, ...(before !== undefined && after !== undefined && { flushes: after - before }) })
    }
  }
  plan.progress('computes')
  const used = children.slice(0, counts.compute)
  const { runs, ...each } = plan.computing
  const computed = await Promise.all(used.map((child, index) => askMeasure(child, { type: 'compute', runs: share(runs, used.length, index), ...each })))
  return { steps, compute: { ...together(computed), processes: used.length } }
}

/** The first `count` processes share the load, the others rest. */
async function load(children: readonly ChildProcess[], count: number, inFlight: number, times: { readonly warmUpMs: number, readonly windowMs: number }): Promise<Measured> {
  return together(await Promise.all(children.map((child, index) =>
    askMeasure(child, { type: 'steps', inFlight: index < count ? share(inFlight, count, index) : 0, ...times }))))
}

/** What several processes did at the same time. */
export function together(parts: readonly Measured[]): Measured {
  return parts.reduce((sum, part) => ({
    workflows: sum.workflows + part.workflows,
    seconds: Math.max(sum.seconds, part.seconds),
    finished: sum.finished + part.finished,
    workflowMs: [...sum.workflowMs, ...part.workflowMs],
    stepMs: [...sum.stepMs, ...part.stepMs],
    errors: sum.errors + part.errors,
    ...((sum.firstError ?? part.firstError) !== undefined && { firstError: sum.firstError ?? part.firstError }),
  }), NOTHING_MEASURED)
}

/** The part of `whole` that the one at `index` of `parts` has; together they have all of it. */
export function share(whole: number, parts: number, index: number): number {
  return Math.floor(whole / parts) + (index < whole % parts ? 1 : 0)
}

async function reachOf(system: System, server: Server | undefined, store: string, index: number): Promise<Reach> {
  mkdirSync(store, { recursive: true })
  return { folder: store, ...await server?.reach(system.ownDatabase === true ? `peer${index}` : 'peer') }
}

function startProcess(): ChildProcess {
  const child = fork(join(import.meta.dirname, 'contestant.js'), { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (text: string) => { said = (said + text).slice(-2000) })
  child.once('exit', () => {
    processes.delete(child)
    if (said.trim() !== '') lastWords.set(child, said.trim().split('\n').slice(-5).join(' | '))
  })
  processes.add(child)
  return child
}

/** What a process printed before it ended: the reason, if it did not end as it was asked to. */
const lastWords = new WeakMap<ChildProcess, string>()

async function askMeasure(child: ChildProcess, order: Order): Promise<Measured> {
  const answer = await ask(child, order)
  return answer.type === 'measured' ? answer.measured : NOTHING_MEASURED
}

async function ask(child: ChildProcess, order: Order): Promise<Answer> {
  const controller = new AbortController()
  const { signal } = controller
  const timer = setTimeout(() => controller.abort(), PATIENCE_MS)
  try {
    child.send(order)
    const answer = await Promise.race([
      once(child, 'message', { signal }).then(([answer]) => answer as Answer),
      once(child, 'exit', { signal }).then(([code]) => ({ type: 'failed', reason: `its process ended with ${String(code)}: ${lastWords.get(child) ?? ''}` }) satisfies Answer),
    ])
    if (answer.type === 'failed') throw new CannotRun(answer.reason)
    return answer
  } catch (error) {
    if (signal.aborted) throw new CannotRun(`it did not answer to "${order.type}" within ${PATIENCE_MS / 1000} s`)
    throw error
  } finally {
    clearTimeout(timer)
    controller.abort()
  }
}

/** Linux counts them for each disk since 5.5. Partitions and what lies on top of a disk count again, so the largest is taken. */
function flushesOfDisks(): number | undefined {
  try {
    const counts = readFileSync('/proc/diskstats', 'utf8').trim().split('\n').map(line => Number(line.trim().split(/\s+/)[18]))
    const largest = Math.max(...counts.filter(count => Number.isFinite(count)))
    return largest > 0 ? largest : undefined
  } catch {
    return undefined
  }
}
