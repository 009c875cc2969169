/**
 * The worker threads: a Piscina pool that makes, boots, replaces and ends them, and one port a thread for everything that is said, the
 * spawn of each actor and its end among it, batched by turn: a task of the pool costs ten times a word on the port. What is strange here
 * comes from how Piscina behaves:
 *  - atomics are off: with them a thread's event loop stands still while it has no task;
 *  - the pool places nothing by itself: each boot names its thread;
 *  - close() is never used: it ends busy threads early; destroy() after our own accounting is exact.
 */
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads'
import { Piscina } from 'piscina'
import { WorkflowModuleError } from '../errors.ts'
import type { RunKey } from '../model/run.ts'
import type { Envelope, ToActor, ToSupervisor } from '../protocol/actor.ts'
import { BatchWriter, transferListOf } from '../protocol/batch.ts'
import { readFacts, releasesApart } from '../protocol/facts.ts'
import type { FromThread } from '../protocol/facts.ts'
import { FLIGHT_RECORDER_BYTES, FlightRecorder } from '../protocol/flight-recorder.ts'
import type { ThreadStats } from '../protocol/host.ts'
import { writeOrder } from '../protocol/orders.ts'
import type { ToThread } from '../protocol/orders.ts'
import type { Batch } from '../protocol/batch.ts'
import type { BootReport, BootTask, SpawnTask, ThreadMessage, ThreadOrder, WorkflowReport } from '../protocol/thread.ts'
import { anonymousBytes } from '../system.ts'
import { defaultHeapMiB, resourceLimitsFor } from './heap-bound.ts'
import { describeEnd } from './pool-thread.ts'
import type { Thread } from './pool-thread.ts'
import { memoryIsBack } from './process-growth.ts'
import { MEASURES_FROM_OUTSIDE, Pulse } from './pulse.ts'
import type { Sentence } from './pulse.ts'
import { EncodedRefusal } from './refusal.ts'

/** Threads that are to end all at once are told so again after this. */
const END_AGAIN_MS = 500
/** A thread whose modules did not load is replaced after this. */
const BOOT_AGAIN_MS = 1000
/** Threads that may end while the pool is started: each is replaced. Then it is their modules that end them. */
const MOST_BOOT_DEATHS = 3

export interface PoolOptions {
  readonly threads: number
  readonly threadHeapMiB?: number
  readonly modules: readonly string[]
  /** The file a worker thread begins with. */
  readonly entry: string
  /** The time that its threads tell, if not the machine's. */
  readonly time?: SharedArrayBuffer
  /** Threads tell of every attempt by a message before it begins. */
  readonly tellsEveryStart?: boolean
}

/** What the pool reports. Facts of a thread come in the order in which it sent them, its end after all of them. */
export interface PoolListener {
  facts(threadId: number, facts: readonly Envelope<ToSupervisor>[]): void
  threadReady(threadId: number, pulse?: Pulse): void
  /** A life is over: the actor let its thread go. */
  released(threadId: number, key: RunKey, incarnation: number): void
  threadEnded(threadId: number, ended: ThreadEnd): void
  argsChecked(message: ThreadMessage & { type: 'args-checked' | 'args-refused' }): void
  /** A thread that replaces an ended one could not be booted. */
  bootFailed(error: unknown): void
}

export interface ThreadEnd {
  /** Completes "its thread ...". */
  readonly problem: string
  /** Whose code ended it, where its last words said so. */
  readonly culprit: { readonly key: RunKey, readonly incarnation: number, readonly index: number | undefined } | undefined
  readonly deliberate: boolean
  /** Why it was ended, where that concerns its actors. */
  readonly sentence?: Sentence | undefined
  /** Lives whose code was in the thread; those of runs that have ended count, too. */
  readonly actors?: number
}

/** What the supervisor asks of a pool: the threads behind it may be a test's own. */
export type Pool = Pick<ThreadPool, keyof ThreadPool>

export class ThreadPool {
  readonly #options: PoolOptions
  readonly #listener: PoolListener
  readonly #piscina: Piscina
  readonly #threads = new Map<number, Thread>()
  readonly #dirty = new Set<Thread>()
  #flushScheduled = false
  #destroyed = false
  #destroying: Promise<void> | undefined

  constructor(options: PoolOptions, listener: PoolListener) {
    this.#options = options
    this.#listener = listener
    this.#piscina = new Piscina({
      filename: options.entry,
      name: 'bootThread',
      minThreads: options.threads,
      maxThreads: options.threads,
      idleTimeout: Infinity,
      atomics: 'disabled',
      concurrentTasksPerWorker: Number.MAX_SAFE_INTEGER, // admission bounds it
      stricterFIFO: true,
      recordTiming: false,
      loadBalancer: (task, workers) => workers.find(worker => worker.id === threadOf(task)) ?? null,
      resourceLimits: resourceLimitsFor(options.threadHeapMiB ?? defaultHeapMiB()),
    })
    this.#piscina.on('error', () => {}) // a thread that ends while it has no task: heard by its own listeners below
  }

  /**
   * Boots all threads and resolves with the workflows that their modules define.
   * @throws WorkflowModuleError, or an EncodedRefusal of one, when a module does not load
   */
  async start(): Promise<readonly WorkflowReport[]> {
    const { threads, modules } = this.#options
    let booted = 0
    let deaths = 0
    return new Promise((resolve, reject) => {
      this.#piscina.on('workerCreate', ({ id }: { readonly id: number }) => {
        this.#boot(id).then(workflows => {
          if (++booted === threads) resolve(workflows)
        }, (error: unknown) => {
          if (booted >= threads) this.#bootFailed(id, error)
          else if (error instanceof EncodedRefusal) reject(error)
          else if (++deaths > MOST_BOOT_DEATHS) reject(new WorkflowModuleError({ module: modules.join('", "'), problem: `could not be loaded: ${messageOf(error)}`, cause: error }))
        })
      })
    })
  }

  /** Threads that take actors, with how many each has. */
  *threads(): Iterable<{ readonly threadId: number, readonly actors: number }> {
    for (const { threadId, actors, ready, ended, deliberate, deaf, error } of this.#threads.values()) {
      if (ready && !ended && !deliberate && !deaf && error === undefined) yield { threadId, actors: actors.size }
    }
  }

  /** Load by thread; utilization (0 to 1) since the last call. */
  measure(): readonly ThreadStats[] {
    return [...this.#threads.values()].filter(({ ready, ended }) => ready && !ended).map(thread => {
      const { threadId, actors, pulse: { heapBytes, bufferBytes }, worker } = thread
      const now = worker.performance.eventLoopUtilization()
      const { utilization } = worker.performance.eventLoopUtilization(now, thread.measuredFrom)
      thread.measuredFrom = now
      // Two threads' clocks are read one after the other: an idle loop comes out a little below 0, or as NaN.
      return { threadId, actors: actors.size, utilization: Math.min(1, Math.max(0, utilization || 0)), heapBytes, bufferBytes }
    })
  }

  /** The thread in which something of a run still goes on: its actor's life is not over. */
  threadOf(key: RunKey, incarnation?: number): number | undefined {
    for (const { threadId, actors, ended } of this.#threads.values()) {
      const living = actors.get(key)
      if (!ended && living !== undefined && (incarnation === undefined || living === incarnation)) return threadId
    }
    return undefined
  }

  /** How long a thread has work to do without hearing anything, besides the attempt that runs in it now. */
  aheadMs(threadId: number): number {
    return this.#threads.get(threadId)?.pulse.presence.aheadMs ?? 0
  }

  actorsOn(threadId: number): number {
    return this.#threads.get(threadId)?.actors.size ?? 0
  }

  /** False: the thread is ending, and the actor was not spawned. */
  spawn(threadId: number, task: SpawnTask): boolean {
    const thread = this.#threads.get(threadId)
    if (thread === undefined || thread.ended || thread.deliberate || thread.deaf || thread.error !== undefined) return false
    thread.actors.set(task.key, task.incarnation)
    if (thread.actors.size === 1) thread.worker.ref() // not the port: it closes before the thread's end is told
    this.#send(thread, task.key, task.incarnation, task)
    return true
  }

  tell(threadId: number, key: RunKey, incarnation: number, order: ToActor): void {
    const thread = this.#threads.get(threadId)
    if (thread !== undefined && !thread.ended) this.#send(thread, key, incarnation, order)
  }

  #send(thread: Thread, key: RunKey, incarnation: number, word: ToThread): void {
    thread.out.add(key, incarnation, word)
    this.#dirty.add(thread)
    if (this.#flushScheduled) return
    this.#flushScheduled = true
    queueMicrotask(() => { this.#flush() })
  }

  /** Asks a thread something that belongs to no actor, and says which; undefined when there is none. */
  order(order: ThreadOrder): number | undefined {
    for (const { threadId } of this.threads()) {
      this.#threads.get(threadId)!.port.postMessage(order)
      return threadId
    }
    return undefined
  }

  /** Ends a thread from outside. Its actors are told of as ended deliberately, unless its sentence says otherwise. */
  endThread(threadId: number, sentence?: Sentence): void {
    const thread = this.#threads.get(threadId)
    if (thread === undefined || thread.deliberate) return
    thread.deliberate = true
    thread.sentence = sentence
    thread.pulse.end()
    thread.pulse.stir()
  }

  /** Ends a thread as a crash does: nothing that it still says is heard. */
  crashThread(threadId: number): void {
    const thread = this.#threads.get(threadId)
    if (thread === undefined || thread.deaf) return
    thread.deaf = true
    thread.lastWords = { type: 'thread-dying', key: undefined, incarnation: 0, index: undefined, cause: 'crashed, as a test wanted' }
    thread.pulse.end()
    thread.pulse.stir()
  }

  /** All threads are there and take actors, and `actors` live in them: none is being booted, let go or ended. */
  isStill(actors: number): boolean {
    let ready = 0
    let living = 0
    for (const thread of this.threads()) {
      ready++
      living += thread.actors
    }
    return ready === this.#options.threads && living === actors
  }

  /** Ends all threads; nothing is reported any more. */
  destroy(): Promise<void> {
    return this.#destroying ??= this.#destroy()
  }

  async #destroy(): Promise<void> {
    this.#destroyed = true
    for (const thread of this.#threads.values()) {
      thread.ended = true
      thread.port.close()
    }
    const pulses = [...this.#threads.values()].map(({ pulse }) => pulse)
    const again = setInterval(() => { for (const pulse of pulses) pulse.end() }, END_AGAIN_MS)
    await this.#piscina.destroy()
    clearInterval(again)
  }

  /** Reports the attempts that run in a thread, also those that it has not told of yet. */
  lookAt(threadId: number): void {
    const thread = this.#threads.get(threadId)
    if (thread === undefined || thread.ended) return
    // Its record goes before its end is told: an attempt that is over is not taken for one that begins.
    this.#hearRecorder(thread, 'living')
  }

  /** Hears what the threads have said already, before they are ended. */
  drain(): void {
    for (const thread of this.#threads.values()) if (!thread.ended) this.#drain(thread)
  }

  async #boot(threadId: number): Promise<readonly WorkflowReport[]> {
    const worker = this.#piscina.threads.find(candidate => candidate.threadId === threadId)!
    const { port1, port2 } = new MessageChannel()
    const recorder = new SharedArrayBuffer(FLIGHT_RECORDER_BYTES)
    const actors = new Map<RunKey, number>()
    const pulse = new Pulse({
      worker, threadId, actors,
      order: order => { port1.postMessage(order satisfies ThreadOrder) },
      hear: () => {
        this.#drain(thread)
        this.lookAt(threadId)
      },
    })
    const thread: Thread = {
      worker, threadId, port: port1, out: new BatchWriter(writeOrder), recorder: new FlightRecorder(recorder), stepNames: new Map(), ready: false, actors, pulse,
      measuredFrom: worker.performance.eventLoopUtilization(),
      lastWords: undefined, error: undefined, deliberate: false, sentence: undefined, deaf: false, ended: false,
    }
    this.#threads.set(threadId, thread)
    port1.on('message', (message: Batch | ThreadMessage) => { this.#receive(thread, message) })
    port1.unref() // actors keep the loop alive, where it is to be kept alive
    worker.on('error', error => { thread.error ??= error })
    worker.on('exit', code => {
      if (thread.sentence?.isCrash === undefined || MEASURES_FROM_OUTSIDE) this.#exited(thread, code)
      else void memoryIsBack(anonymousBytes).then(() => { this.#exited(thread, code) })
    })
    const boot = {
      port: port2, modules: this.#options.modules, presence: pulse.presence.shared,
      ...(this.#options.tellsEveryStart !== true && { recorder }), ...(this.#options.time && { time: this.#options.time }),
    } satisfies BootTask
    const placed = Object.assign(boot, { [Piscina.queueOptionsSymbol]: { threadId } })
    const report = await this.#piscina.run(placed, { transferList: [port2] }) as BootReport
    if (report.type === 'boot-failed') throw new EncodedRefusal(report.error)
    thread.ready = true
    this.#listener.threadReady(threadId, pulse)
    return report.workflows
  }

  /** A thread that replaces an ended one could not load its modules: it is replaced in turn, a little later. */
  #bootFailed(threadId: number, error: unknown): void {
    const thread = this.#threads.get(threadId)
    if (this.#destroyed || thread === undefined) return // it ended while it booted, and is replaced already
    this.#listener.bootFailed(error)
    setTimeout(() => { this.endThread(threadId) }, BOOT_AGAIN_MS).unref()
  }

  #receive(thread: Thread, message: Batch | ThreadMessage): void {
    if (thread.deaf) return
    thread.pulse.heard()
    if ('packed' in message) this.#hear(thread, readFacts(message))
    else if (message.type === 'thread-dying') thread.lastWords ??= message
    else if (message.type === 'step-named') thread.stepNames.set(message.nameId, message.name)
    else if (message.type === 'thread-measured') thread.pulse.measured(message)
    else this.#listener.argsChecked(message)
  }

  #hear(thread: Thread, words: readonly Envelope<FromThread>[]): void {
    const { facts, released } = releasesApart(words)
    this.#listener.facts(thread.threadId, facts)
    for (const { key, incarnation } of released) this.#released(thread, key, incarnation)
  }

  #released(thread: Thread, key: RunKey, incarnation: number): void {
    // By now it may live again on this thread: then that life is the one that counts.
    if (thread.actors.get(key) === incarnation) thread.actors.delete(key)
    if (thread.actors.size === 0) thread.worker.unref()
    this.#listener.released(thread.threadId, key, incarnation)
  }

  /** Hears at once what the thread has sent. */
  #drain(thread: Thread): void {
    for (let next = receiveMessageOnPort(thread.port); next !== undefined; next = receiveMessageOnPort(thread.port)) {
      this.#receive(thread, next.message as Batch | ThreadMessage)
    }
  }

  /** What its flight recorder says is reported like what it says itself. */
  #hearRecorder(thread: Thread, of: 'living' | 'dead'): void {
    if (thread.deaf) return
    const facts: Envelope<ToSupervisor>[] = []
    for (const { key, incarnation, index, attempt, startedAtMs, nameId } of thread.recorder.read(of)) {
      const name = thread.stepNames.get(nameId)
      if (name !== undefined) facts.push({ key, incarnation, body: { type: 'step-started', index, name, attempt, startedAtMs, timeoutMs: undefined } })
    }
    if (facts.length > 0) this.#listener.facts(thread.threadId, facts)
  }

  #exited(thread: Thread, code: number): void {
    if (this.#destroyed) return
    this.#drain(thread)
    this.#hearRecorder(thread, 'dead')
    thread.ended = true
    thread.port.close()
    this.#threads.delete(thread.threadId)
    const { lastWords, sentence, actors } = thread
    const isCrash = sentence?.isCrash?.() === true
    const deliberate = thread.deliberate && !isCrash
    const culprit = lastWords?.key === undefined ? undefined : { key: lastWords.key, incarnation: lastWords.incarnation, index: lastWords.index }
    this.#listener.threadEnded(thread.threadId, {
      problem: isCrash ? sentence.problem : describeEnd(thread, code, this.#options.threadHeapMiB), culprit, deliberate, sentence, actors: actors.size,
    })
  }

  #flush(): void {
    this.#flushScheduled = false
    for (const thread of this.#dirty) {
      if (thread.ended) continue
      const batch = thread.out.take()
      thread.port.postMessage(batch, transferListOf(batch))
      thread.pulse.stir()
    }
    this.#dirty.clear()
  }
}

function threadOf(task: object): number | undefined {
  return (task as { readonly [Piscina.queueOptionsSymbol]?: { readonly threadId: number } })[Piscina.queueOptionsSymbol]?.threadId
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
