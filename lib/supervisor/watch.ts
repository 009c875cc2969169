/**
 * Looks at the worker threads from outside, by the machine's own time: whether they answer, and what they hold outside their heaps. An
 * attempt's timeoutSeconds is kept by its own thread as long as that answers, so nothing is done here for each step; only where a thread
 * does not answer is it asked which attempts are past their time. Such a thread is ended, and so is one that holds too much memory.
 */
import type { Clock } from '../model/clock.ts'
import type { RunKey } from '../model/run.ts'
import { anonymousBytes, monotonicMs } from '../system.ts'
import { acquittedForMs, heapLines, judgeHeap, nextLookMs, soonestFor } from './heap-bound.ts'
import type { HeapLines } from './heap-bound.ts'
import type { Pool } from './pool.ts'
import { ProcessGrowth } from './process-growth.ts'
import type { Sight, ThreadSeen } from './process-growth.ts'
import { MEASURES_FROM_OUTSIDE } from './pulse.ts'
import type { Pulse, Sentence } from './pulse.ts'
import type { Runs } from './runs.ts'
import type { RunState } from './state.ts'
import { describeHolder, inSeconds, others } from './watch-words.ts'

/** How often it looks while somebody is at work, and while a thread does not answer. */
const LOOK_EVERY_MS = 250
const LOOK_CLOSELY_MS = 100
/** How long a thread that does not answer may go on past the timeoutSeconds of an attempt in it. */
const STEP_GRACE_MS = 1000
/** A thread that has not answered for so long is named, and named again, but the same code no more often than this. */
const NAMED_AFTER_MS = [5000, 60_000]
const NAMED_AGAIN_MS = 60_000
/** JavaScript ends at once when its thread is told to: what takes longer is native code. */
const NATIVE_AFTER_MS = 2000
/** So much of what this process has more than before must go with a thread: then it was that thread's. */
const OWN_SHARE = 3 / 4
const MOST_SUSPECTED = 1000
const MIB = 2 ** 20

export interface WatchParts {
  readonly runs: Runs
  readonly pool: Pick<Pool, 'endThread'>
  readonly clock: Clock
  /** What each thread may hold in its heap, and outside of it. */
  readonly threadHeapMiB: number
  readonly threadBuffersMiB: number
  log(level: 'info' | 'warn', fields: object, message: string): void
}

interface TimedAttempt {
  readonly state: RunState
  readonly incarnation: number
  readonly index: number
  readonly attempt: number
  readonly name: string
  readonly timeoutMs: number
  /** What was left of its time when the thread answered last. */
  readonly leftMs: number
}

interface Silence {
  readonly sinceMs: number
  readonly timed: readonly TimedAttempt[]
  readonly growth: ProcessGrowth | undefined
  /** How often it was named. */
  named: number
}

interface Watched {
  readonly pulse: Pulse
  silence: Silence | undefined
  /** Of the look before the one at which it was last found to answer. */
  before: Sight | undefined
  endingNamed: boolean
  /** When it was asked to collect its garbage, and has not answered yet. */
  askedMs: number | undefined
  acquittedUntilMs: number
}

export class Watch {
  readonly #parts: WatchParts
  readonly #watched = new Map<number, Watched>()
  readonly #namedAtMs = new Map<string, number>()
  #timer: NodeJS.Timeout | undefined
  #plannedMs = 0
  #lookedMs = 0
  /** Runs whose thread was ended over memory while they were alone on it, and which nobody blamed. */
  readonly #suspected = new Set<RunKey>()
  /** Of the last look. */
  #sight: Sight | undefined
  #stopped = false

  constructor(parts: WatchParts) {
    this.#parts = parts
  }

  add(pulse: Pulse): void {
    pulse.onStir = () => { this.#wake() }
    const watched: Watched = { pulse, silence: undefined, before: undefined, endingNamed: false, askedMs: undefined, acquittedUntilMs: 0 }
    pulse.onMeasured = (by, collectedMs) => { this.#measured(watched, by, collectedMs) }
    this.#watched.set(pulse.threadId, watched)
  }

  remove(threadId: number): void {
    const watched = this.#watched.get(threadId)
    this.#watched.delete(threadId)
    if (watched?.endingNamed === true) {
      this.#parts.log('info', { event: 'thread-ended-late', threadId }, `Thread ${threadId} has ended at last; a new one takes its place.`)
    }
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  /** Somebody may be at work. This is called often. */
  #wake(): void {
    if (this.#timer !== undefined || this.#stopped) return
    this.#lookedMs = monotonicMs()
    this.#sight = this.#sightNow(MEASURES_FROM_OUTSIDE ? undefined : anonymousBytes())
    for (const watched of this.#watched.values()) watched.before = this.#sight
    this.#lookIn(Math.min(LOOK_EVERY_MS, ...[...this.#watched.values()].map(({ pulse }) => this.#nextLookMs(pulse, 0))))
  }

  #lookIn(delayMs: number): void {
    clearTimeout(this.#timer)
    this.#plannedMs = delayMs
    this.#timer = setTimeout(() => { this.#look() }, Math.max(0, delayMs - (monotonicMs() - this.#lookedMs))).unref()
  }

  #look(): void {
    this.#timer = undefined
    const nowMs = monotonicMs()
    // While this thread itself stood still it heard nothing: that is nobody else's silence.
    const passedMs = Math.min(nowMs - this.#lookedMs, 2 * this.#plannedMs)
    this.#lookedMs = nowMs
    const processBytes = MEASURES_FROM_OUTSIDE ? undefined : anonymousBytes()
    // They were asked at the last look, and have answered by now, or have ended.
    if (this.#sight !== undefined) this.#sight = this.#sightNow(this.#sight.processBytes, this.#sight.held)
    const silent: Watched[] = []
    let isNeeded = this.#isAnybodyAtWork()
    for (const watched of this.#watched.values()) {
      const { pulse } = watched
      if (pulse.endingMs === undefined && pulse.actors === 0) continue
      pulse.look(passedMs)
      if (pulse.endingMs !== undefined) {
        isNeeded = true
        this.#lookAtEnding(watched, pulse.endingMs)
      } else if (this.#lookAtSilence(watched, passedMs)) silent.push(watched)
    }
    const soonMs = this.#lookAtMemory(silent, processBytes)
    this.#sight = this.#sightNow(processBytes)
    if (isNeeded && !this.#stopped) this.#lookIn(Math.min(soonMs, silent.length > 0 ? LOOK_CLOSELY_MS : LOOK_EVERY_MS))
  }

  #isAnybodyAtWork(): boolean {
    for (const { life } of this.#parts.runs.live()) if (life.type === 'live' && life.mode !== 'waiting') return true
    return false
  }

  #lookAtEnding(watched: Watched, endingMs: number): void {
    if (watched.endingNamed || endingMs < NATIVE_AFTER_MS) return
    watched.endingNamed = true
    const { pulse: { threadId, holder } } = watched
    const who = describeHolder(holder, this.#on(threadId))
    this.#parts.log('warn', { event: 'thread-not-ending', threadId, ...who.fields },
      `Thread ${threadId} was told to end ${inSeconds(endingMs)} ago and has not: ${who.words} is in native code that does not return, and nothing can end that but ` +
      'the process. The thread, and what shared it, goes on when the call returns. Put such calls into a child process, or give them a bound of their own.')
  }

  // ---- threads that do not answer ----------------------------------------------------------------------------------

  /** Whether it does not answer. */
  #lookAtSilence(watched: Watched, passedMs: number): boolean {
    const { pulse } = watched
    if (pulse.silentMs === 0) {
      if ((watched.silence?.named ?? 0) > 0) {
        this.#parts.log('info', { event: 'thread-answers', threadId: pulse.threadId }, `Thread ${pulse.threadId} answers again.`)
      }
      watched.silence = undefined
      watched.before = this.#sight
      return false
    }
    const silence = watched.silence ??= this.#silenceOf(watched, passedMs)
    const overdue = silence.timed.find(timed => isUnderWay(timed) && pulse.silentMs >= timed.leftMs + STEP_GRACE_MS)
    if (overdue !== undefined) this.#endOverdue(watched, overdue)
    else if (silence.named < NAMED_AFTER_MS.length && pulse.silentMs >= NAMED_AFTER_MS[silence.named]!) this.#name(watched, silence)
    return watched.silence !== undefined && pulse.endingMs === undefined
  }

  #silenceOf({ pulse, before = this.#sight }: Watched, passedMs: number): Silence {
    const sinceMs = this.#parts.clock.nowMs() - passedMs
    const timed: TimedAttempt[] = []
    for (const state of this.#on(pulse.threadId)) {
      for (const [index, { name, attempt, startedAtMs, timeoutMs }] of state.running) {
        if (timeoutMs === undefined) continue
        // From here on the time is measured: a clock that is set while a thread does not answer ends nothing.
        const leftMs = timeoutMs - Math.min(Math.max(sinceMs - startedAtMs, 0), timeoutMs)
        timed.push({ state, incarnation: state.progress.incarnation, index, attempt, name, timeoutMs, leftMs })
      }
    }
    const growth = before === undefined || this.#sight === undefined ? undefined : new ProcessGrowth(pulse.threadId, before, this.#sight.processBytes)
    return { sinceMs, timed: timed.sort((a, b) => a.leftMs - b.leftMs), growth, named: 0 }
  }

  /**
   * An attempt is past its time, and its thread cannot tell it so. The attempt has failed only if it is certain that its own code is what does
   * not yield: nobody else is there, or the thread itself said whose it is. Otherwise nobody is blamed, and who it may be goes on alone.
   */
  #endOverdue(watched: Watched, overdue: TimedAttempt): void {
    const { pulse } = watched
    if (!pulse.isSilentIndeed()) {
      watched.silence = undefined
      return
    }
    const { threadId, holder } = pulse
    const { state: { meta: { key, id } }, index, attempt, name, timeoutMs } = overdue
    const there = this.#on(threadId)
    const isHolder = (timed: TimedAttempt): boolean => timed.state.meta.key === holder?.key && timed.index === holder.index
    const guilty = watched.silence!.timed.find(timed => isHolder(timed) && isUnderWay(timed) && pulse.silentMs >= timed.leftMs) ?? (pulse.actors === 1 ? overdue : undefined)
    const silentFor = inSeconds(pulse.silentMs)
    const neighbours = others(pulse.actors - 1)
    if (guilty !== undefined) {
      const run = guilty.state.meta
      this.#parts.log('warn', { event: 'thread-ended-by-supervisor', threadId, runId: run.id, step: guilty.name, index: guilty.index, attempt: guilty.attempt },
        `Attempt ${guilty.attempt} of step "${guilty.name}" of run "${run.id}" is past its timeoutSeconds of ${guilty.timeoutMs / 1000}, and its code has not yielded for ${silentFor}: ` +
        `its thread is ended. The attempt has failed${neighbours === undefined ? '' : `; ${neighbours} on the thread from the last checkpoints, unblamed`}.`)
      this.#end(pulse, { problem: 'did not yield', timedOut: { key: run.key, incarnation: guilty.incarnation, index: guilty.index } })
      return
    }
    const suspects = holder === undefined ? there.filter(({ life }) => life.type === 'live' && life.mode !== 'waiting') : there.filter(state => state.meta.key === holder.key)
    this.#parts.log('warn', { event: 'thread-ended-by-supervisor', threadId, runId: id, step: name, index, attempt },
      `Attempt ${attempt} of step "${name}" of run "${id}" is past its timeoutSeconds of ${timeoutMs / 1000}, and its thread has not answered for ${silentFor}, because of ` +
      `${describeHolder(holder, there).words}: the thread is ended. Nobody is blamed; those whose code it may be go on alone, each on a thread.`)
    this.#end(pulse, { problem: 'did not answer', suspects: new Set<RunKey>([...suspects.map(({ meta }) => meta.key), ...(holder === undefined ? [key] : [])]) })
  }

  /** A long computation is nothing wrong. But who waits behind it, and what will end it, should be known. */
  #name(watched: Watched, silence: Silence): void {
    const isAgain = silence.named++ > 0
    const { pulse } = watched
    if (!pulse.isSilentIndeed()) return
    const { threadId, holder } = pulse
    const there = this.#on(threadId)
    const who = describeHolder(holder, there)
    const nowMs = monotonicMs()
    const namedAtMs = this.#namedAtMs.get(who.kind)
    if (!isAgain && namedAtMs !== undefined && nowMs - namedAtMs < NAMED_AGAIN_MS) return
    this.#namedAtMs.set(who.kind, nowMs)
    const bound = silence.timed.find(timed => isUnderWay(timed))
    const next = bound !== undefined
      ? `The thread is ended if it does not answer ${inSeconds(Math.max(0, bound.leftMs + STEP_GRACE_MS - pulse.silentMs))} from now: attempt ${bound.attempt} of step "${bound.name}" has a timeoutSeconds of ${bound.timeoutMs / 1000}.`
      : 'Nothing bounds it: if it should not take so long, give the step a timeoutSeconds, or cancel the run.'
    const behind = others(pulse.actors - 1)
    this.#parts.log(behind === undefined && !isAgain ? 'info' : 'warn', { event: 'thread-silent', threadId, seconds: pulse.silentMs / 1000, since: new Date(silence.sinceMs).toISOString(), ...who.fields },
      `Thread ${threadId} has not answered since ${new Date(silence.sinceMs).toISOString()}: ${who.words} does not yield.${behind === undefined ? '' : ` Meanwhile ${behind.replace('go on', 'wait')} behind it.`} ${next}`)
  }

  // ---- memory ------------------------------------------------------------------------------------------------------

  /** When it must look again at the latest. */
  #lookAtMemory(silent: readonly Watched[], processBytes: number | undefined): number {
    let soonMs = Infinity
    const lastBytes = this.#sight?.processBytes
    const grownBytes = processBytes === undefined || lastBytes === undefined ? 0 : Math.max(0, processBytes - lastBytes)
    for (const { pulse } of this.#watched.values()) {
      if (pulse.endingMs !== undefined || pulse.actors === 0) continue
      if (MEASURES_FROM_OUTSIDE) pulse.measureFromOutside()
      soonMs = Math.min(soonMs, this.#nextLookMs(pulse, grownBytes))
    }
    if (processBytes === undefined) return soonMs
    const threads = this.#threadsSeen()
    let isOneEnded = false
    // The one that fell silent last first: what the process grew by since is the least.
    for (const { pulse, silence } of silent.filter(({ pulse }) => pulse.endingMs === undefined).sort((a, b) => a.pulse.silentMs - b.pulse.silentMs)) {
      const taken = silence?.growth?.look(processBytes, threads)
      if (taken === undefined) continue
      soonMs = Math.min(soonMs, this.#nextLookMs(pulse, taken.ownBytes))
      // By now others have said what they have taken.
      const isHoarder = taken.bufferBytes > this.#buffersBytes && pulse.silentMs >= LOOK_CLOSELY_MS
      if (isOneEnded || (!isHoarder && taken.heapBytes <= this.#lines(pulse).endBytes) || !pulse.isSilentIndeed()) continue
      if (isHoarder) this.#endHoarder(pulse, taken.bufferBytes, this.#isBlamed(pulse, processBytes - taken.ownBytes / 2))
      else this.#endHeap(pulse, `by what this process grew by since it answered, its heap holds about ${inMiB(taken.heapBytes)}`, this.#isBlamed(pulse, processBytes - taken.ownHeapBytes * OWN_SHARE))
      isOneEnded = true
    }
    return soonMs
  }

  /**
   * What the process has more may be another's: it was this thread's if it goes with it. But memory that was freed may be kept for later use: a run that was
   * alone both times is believed to have taken it when it looks so again.
   */
  #isBlamed(pulse: Pulse, bytesWithout: number): () => boolean {
    const there = this.#on(pulse.threadId)
    const alone = pulse.actors === 1 ? there[0]?.meta.key : undefined
    const isSuspectedAgain = alone !== undefined && this.#suspected.has(alone)
    if (this.#suspected.size >= MOST_SUSPECTED) this.#suspected.clear()
    if (alone !== undefined) this.#suspected.add(alone)
    return () => {
      const isBlamed = isSuspectedAgain || (anonymousBytes() ?? 0) < bytesWithout
      if (isBlamed && alone !== undefined) this.#suspected.delete(alone)
      return isBlamed
    }
  }

  #nextLookMs(pulse: Pulse, grownBytes: number): number {
    return Math.min(nextLookMs(this.#lines(pulse), pulse.heapBytes + grownBytes), soonestFor(this.#buffersBytes - pulse.bufferBytes - grownBytes))
  }

  get #buffersBytes(): number {
    return this.#parts.threadBuffersMiB * MIB
  }

  #sightNow(processBytes: number | undefined, earlier: Sight['held'] = new Map()): Sight | undefined {
    if (processBytes === undefined) return undefined
    const held = [...this.#watched.values()].map(({ pulse: { threadId, heapBytes, bufferBytes } }) => [threadId, { heapBytes, bufferBytes }] as const)
    return { processBytes, held: new Map([...earlier, ...held]) }
  }

  #threadsSeen(): readonly ThreadSeen[] {
    return [...this.#watched.values()].map(({ pulse, silence }) => ({
      threadId: pulse.threadId, heapBytes: pulse.heapBytes, bufferBytes: pulse.bufferBytes, heapLineBytes: this.#lines(pulse).lineBytes,
      is: pulse.endingMs !== undefined ? 'ending' : silence === undefined ? 'answering' : 'silent',
    }))
  }

  #measured(watched: Watched, by: 'itself' | 'outside', collectedMs: number | undefined): void {
    const { pulse } = watched
    if (pulse.endingMs !== undefined || pulse.actors === 0) return
    const nowMs = monotonicMs()
    const lines = this.#lines(pulse)
    if (collectedMs !== undefined) {
      watched.askedMs = undefined
      watched.acquittedUntilMs = nowMs + acquittedForMs(collectedMs)
    }
    if (pulse.bufferBytes > this.#buffersBytes) {
      this.#endHoarder(pulse, pulse.bufferBytes, () => true)
      return
    }
    const verdict = judgeHeap(lines, {
      heapBytes: pulse.heapBytes,
      by: collectedMs === undefined ? by : 'itself-collected',
      askedForMs: watched.askedMs === undefined ? undefined : nowMs - watched.askedMs,
      isAcquitted: nowMs < watched.acquittedUntilMs,
    })
    if (verdict === 'ends') this.#endHeap(pulse, `its heap held about ${inMiB(pulse.heapBytes)}`, () => true)
    else if (verdict === 'is-to-collect') {
      watched.askedMs = nowMs
      pulse.collectGarbage()
    }
    const soonMs = this.#nextLookMs(pulse, 0)
    if (this.#timer !== undefined && soonMs < this.#plannedMs) this.#lookIn(soonMs)
  }

  #lines({ heapLimitBytes }: Pulse): HeapLines {
    return heapLines(this.#parts.threadHeapMiB, heapLimitBytes)
  }

  #endHeap(pulse: Pulse, held: string, isCrash: () => boolean): void {
    this.#endFull(pulse, pulse.heapBytes, `ran out of memory: ${held}, which is past the threadHeapMiB of ${this.#parts.threadHeapMiB}, and it was ended`, isCrash)
  }

  #endHoarder(pulse: Pulse, bytes: number, isCrash: () => boolean): void {
    this.#endFull(pulse, bytes,
      `held about ${inMiB(bytes)} outside its heap (ArrayBuffers and the like), more than the threadBuffersMiB of ${this.#parts.threadBuffersMiB}, and was ended`, isCrash)
  }

  #endFull(pulse: Pulse, bytes: number, problem: string, isCrash: () => boolean): void {
    const { threadId } = pulse
    const there = this.#on(threadId)
    this.#parts.log('warn', { event: 'thread-ended-by-supervisor', threadId, bytes, runIds: there.slice(0, 10).map(({ meta }) => meta.id) },
      `Thread ${threadId} ${problem}: ${describeHolder(pulse.holder, there).words}.`)
    this.#end(pulse, { problem, isCrash, suspects: new Set(there.map(({ meta }) => meta.key)) })
  }

  #end(pulse: Pulse, sentence: Sentence): void {
    this.#parts.pool.endThread(pulse.threadId, sentence)
  }

  #on(threadId: number): readonly RunState[] {
    return [...this.#parts.runs.live()].filter(({ life }) => life.type === 'live' && life.threadId === threadId)
  }
}

function isUnderWay({ state, incarnation, index, attempt }: TimedAttempt): boolean {
  return state.life.type === 'live' && state.progress.incarnation === incarnation && state.running.get(index)?.attempt === attempt
}

function inMiB(bytes: number): string {
  return `${Math.round(bytes / MIB)} MiB`
}
