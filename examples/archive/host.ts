import { Troupe, type Logger, type RunHandle } from 'troupe'
import { followNews, type Phase } from './news.ts'
import type { Progress } from './progress.ts'
import type { Screen } from './screen.ts'
import { Tracker } from './tracker.ts'

/** How a piece of durable work ended for this process. After 'interrupted' and 'disk-full' the next start goes on. */
export type Ending<R> =
  | { readonly kind: 'finished', readonly result: R }
  /** The run itself failed: it is over, and the next start makes a new one. */
  | { readonly kind: 'failed', readonly error: unknown }
  | { readonly kind: 'interrupted', readonly signal: Signal, readonly progress: Progress }
  | { readonly kind: 'disk-full', readonly paths: readonly string[] }

export interface Work<R> {
  readonly store: string
  readonly durability?: 'power-loss' | 'process-crash'
  readonly threads?: number | undefined
  readonly screen: Screen
  readonly firstPhase: Phase
  /** Starts the run, or finds the one that an earlier start left, and sets the tracker to where it was. */
  begin(troupe: Troupe, tracker: Tracker): Promise<RunHandle<R>>
}

const SIGNALS = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as const
type Signal = keyof typeof SIGNALS

export function exitCodeOf(signal: Signal): number {
  return 128 + SIGNALS[signal]
}

/** What takes longer to come to its next checkpoint starts that step over. */
const DRAIN_SECONDS = 3

/** Opens troupe, does the work with its progress on the screen, and closes it again whatever happens. */
export async function runOnThreads<R>(work: Work<R>): Promise<Ending<R>> {
  const { screen } = work
  using signals = catchSignals()
  using disk = watchDisk()
  const troupe = await Troupe.open({
    store: work.store,
    workflows: [new URL('./workflows.js', import.meta.url), new URL('./restore-workflows.js', import.meta.url)],
    logger: loggerFor(screen, () => disk.full(work.store), () => disk.forget()),
    ...work.threads === undefined ? {} : { threads: work.threads },
    ...work.durability === undefined ? {} : { durability: work.durability }
  })
  const tracker = new Tracker(work.firstPhase)
  let signal: Signal | undefined
  let mode: 'drain' | 'abandon' = 'drain'
  try {
    const ending = await Promise.race([signals.first, untilEnd(troupe, tracker, disk, work)])
    if (typeof ending !== 'string') {
      if (ending.kind === 'disk-full') mode = 'abandon' // what waits for room would be waited for
      return ending
    }
    signal = ending
    screen.print(`${signal}: finishing what is at work; once more stops at once`)
  } finally {
    await troupe.close({ mode, timeoutSeconds: DRAIN_SECONDS })
  }
  return { kind: 'interrupted', signal, progress: tracker.snapshot(Date.now()) }
}

async function untilEnd<R>(troupe: Troupe, tracker: Tracker, disk: DiskWatch, work: Work<R>): Promise<Ending<R>> {
  using _news = followNews(news => {
    tracker.hear(news)
    if (news.type === 'disk-full') disk.full(news.path)
    else if (news.type === 'work' && news.items > 0) disk.hasRoom(news.path)
  })
  const handle = await work.begin(troupe, tracker)
  using _display = display(troupe, tracker, work.screen)
  return await Promise.race([outcomeOf(handle), disk.isFull])
}

/** @throws what kept the outcome from being known */
async function outcomeOf<R>(handle: RunHandle<R>): Promise<Ending<R>> {
  try {
    return { kind: 'finished', result: await handle.result() }
  } catch (error) {
    if ((await handle.info()).finishedAt === undefined) throw error
    return { kind: 'failed', error }
  }
}

function display(troupe: Troupe, tracker: Tracker, screen: Screen): Disposable {
  let asking = false
  const draw = async (): Promise<void> => {
    if (asking) return
    asking = true
    try {
      const { threads } = await troupe.stats()
      if (timer !== undefined) screen.show(tracker.snapshot(Date.now(), { inUse: threads.filter(thread => thread.actors > 0).length, all: threads.length }))
    } catch {
      // closing: there is nothing to show any more
    } finally {
      asking = false
    }
  }
  let timer: NodeJS.Timeout | undefined = setInterval(() => void draw(), screen.intervalMs)
  return {
    [Symbol.dispose]() {
      clearInterval(timer)
      timer = undefined
    }
  }
}

/** A second signal ends the process at once; within a second it is taken for the same one, which npm and the terminal both send. */
function catchSignals(): Disposable & { readonly first: Promise<Signal> } {
  let heardAt: number | undefined
  let tell: (signal: Signal) => void = () => {}
  const first = new Promise<Signal>(resolve => { tell = resolve })
  const hear = (signal: NodeJS.Signals): void => {
    if (signal !== 'SIGINT' && signal !== 'SIGTERM' && signal !== 'SIGHUP') return
    if (heardAt !== undefined && Date.now() - heardAt > 1000) process.exit(exitCodeOf(signal))
    heardAt ??= Date.now()
    tell(signal)
  }
  for (const signal of Object.keys(SIGNALS)) process.on(signal, hear)
  return {
    first,
    [Symbol.dispose]() {
      for (const signal of Object.keys(SIGNALS)) process.off(signal, hear)
    }
  }
}

const PATIENCE_MS = 4000
/** Longer than the longest pause between two attempts of a step: who has not complained for that long has found room. */
const FORGET_MS = 20_000

interface DiskWatch extends Disposable {
  readonly isFull: Promise<{ readonly kind: 'disk-full', readonly paths: readonly string[] }>
  full(path: string): void
  /** Something found room, perhaps what had not before. */
  hasRoom(path: string | undefined): void
  /** There is room again. */
  forget(): void
}

/** A full disk is given some seconds. As long as anything else still fits, the work goes on; then it stops, to be gone on with later. */
function watchDisk(): DiskWatch {
  const paths = new Set<string>()
  let timer: NodeJS.Timeout | undefined
  let lastFullAt = 0
  let anythingFitted = false
  let tell: (ending: { kind: 'disk-full', paths: string[] }) => void = () => {}
  const isFull = new Promise<{ kind: 'disk-full', paths: string[] }>(resolve => { tell = resolve })
  const decide = (): void => {
    timer = undefined
    if (paths.size === 0 || Date.now() - lastFullAt > FORGET_MS) paths.clear()
    else if (anythingFitted) arm()
    else tell({ kind: 'disk-full', paths: [...paths] })
  }
  const arm = (): void => {
    anythingFitted = false
    timer = setTimeout(decide, PATIENCE_MS)
  }
  return {
    isFull,
    full(path) {
      paths.add(path)
      lastFullAt = Date.now()
      if (timer === undefined) arm()
    },
    hasRoom(path) {
      anythingFitted = true
      if (path !== undefined) paths.delete(path)
    },
    forget() {
      paths.clear()
    },
    [Symbol.dispose]: () => clearTimeout(timer)
  }
}

/** troupe's own warnings and errors belong on the screen, above the bar. That its store finds no room is said once. */
function loggerFor(screen: Screen, storeRefuses: () => void, storeRecovers: () => void): Logger {
  let isRefused = false
  const print = (fields: object, message = 'a warning'): void => {
    if (eventOf(fields) === 'commit-refused') {
      storeRefuses()
      if (isRefused) return
      isRefused = true
    }
    screen.print(`troupe: ${message}`)
  }
  const info = (fields: object): void => {
    if (eventOf(fields) !== 'store-recovered') return
    isRefused = false
    storeRecovers()
  }
  return { debug: () => {}, info, warn: print, error: print }
}

function eventOf(fields: object): unknown {
  return 'event' in fields ? fields.event : undefined
}
