/**
 * The host's side of the conversation with the supervisor: requests and their replies, batched by tick. If the supervisor's
 * thread dies, a new one recovers from the store, and whatever was unanswered is asked again: starts carry their ids, so
 * asking twice is asking once. A request that no supervisor survives is refused (suspects.ts).
 */
import { decodeError } from '../codec/error.ts'
import { InternalError, StoreFormatError, TroupeClosedError } from '../errors.ts'
import { assertNever } from '../invariant.ts'
import { toAskAgain } from '../protocol/host.ts'
import type { HostMessage, HostReplies, HostRequest, StartRequest, SupervisorMessage, SupervisorOptions } from '../protocol/host.ts'
import { monotonicMs } from '../system.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { OpenLink, SupervisorLink } from './link.ts'
import { isRead, Suspects } from './suspects.ts'

/** Deaths of the supervisor's thread within this time after which it is given up. */
const MOST_DEATHS = 5
const DEATHS_WINDOW_MS = 60_000
const STARTS_A_MESSAGE = 2000

interface Pending {
  request: HostRequest
  readonly resolve: (value: never) => void
  readonly reject: (error: unknown) => void
}

/** A request under way, and the way to stop waiting for it. */
export interface Asked<T> {
  readonly requestId: number
  readonly reply: Promise<T>
}

export class SupervisorProxy {
  readonly #options: SupervisorOptions
  readonly #openLink: OpenLink
  readonly #logger: Logger
  readonly #pending = new Map<number, Pending>()
  readonly #deathsAtMs: number[] = []
  readonly #suspects = new Suspects()
  #outbox: HostMessage[] = []
  #nextRequest = 1
  #link: SupervisorLink | undefined
  #status: 'opening' | 'open' | 'closing' | 'closed' = 'opening'
  #keepsAlive = true
  #opened!: { readonly resolve: () => void, readonly reject: (error: unknown) => void }
  #ended: Promise<void> | undefined
  #onEnd: (() => void) | undefined
  #closeRequest: Extract<HostRequest, { type: 'close-supervisor' }> | undefined
  supervisorDeaths = 0
  #workflows: readonly string[] = []
  /** The last word of a supervisor that could not go on. */
  #failure: unknown
  #isStoreBroken = false
  /** Why it was given up, for those who ask later. */
  #end: unknown

  /** Resolves once the supervisor has recovered what was unfinished; rejects with what open() is to throw. */
  static async open(options: SupervisorOptions, openLink: OpenLink, logger: Logger): Promise<SupervisorProxy> {
    const proxy = new SupervisorProxy(options, openLink, logger)
    await new Promise<void>((resolve, reject) => {
      proxy.#opened = { resolve, reject }
      proxy.#connect()
    })
    return proxy
  }

  private constructor(options: SupervisorOptions, openLink: OpenLink, logger: Logger) {
    this.#options = options
    this.#openLink = openLink
    this.#logger = logger
  }

  /** Names of the workflows that the threads define. */
  get workflows(): readonly string[] {
    return this.#workflows
  }

  ask<Type extends HostRequest['type']>(request: Extract<HostRequest, { readonly type: Type }>): Promise<HostReplies[Type]> {
    return this.askFor<Type>(request).reply
  }

  askFor<Type extends HostRequest['type']>(request: Extract<HostRequest, { readonly type: Type }>): Asked<HostReplies[Type]> {
    const requestId = this.#nextRequest++
    if (this.#status === 'closing' || this.#status === 'closed') {
      return { requestId, reply: Promise.reject(this.#end ?? new TroupeClosedError({ operation: request.type })) }
    }
    const reply = new Promise<HostReplies[Type]>((resolve, reject) => {
      this.#pending.set(requestId, { request, resolve, reject })
    })
    if (this.#status === 'open') this.#askNow(requestId, request)
    return { requestId, reply }
  }

  /** Nobody waits for this reply any more. */
  forget(requestId: number): void {
    if (this.#take(requestId) !== undefined && this.#status === 'open') this.#send({ type: 'forget-request', requestId })
  }

  #askNow(requestId: number, request: HostRequest): void {
    if (this.#suspects.areThere && !isRead(request)) this.#suspects.add(requestId)
    else if (request.type === 'start-runs' && request.runs.length > STARTS_A_MESSAGE) void this.#startInParts(requestId, request.runs)
    else this.#send({ type: 'request', requestId, request })
  }

  /** Very many starts cross a message a turn, or the host's loop would stand still meanwhile. */
  async #startInParts(requestId: number, all: readonly StartRequest[]): Promise<void> {
    const link = this.#link
    for (let from = 0; ; from += STARTS_A_MESSAGE) {
      // Another supervisor is asked anew, from the beginning.
      if (this.#link !== link || this.#status !== 'open' || !this.#pending.has(requestId)) return
      const runs = all.slice(from, from + STARTS_A_MESSAGE)
      if (from + STARTS_A_MESSAGE >= all.length) return this.#send({ type: 'request', requestId, request: { type: 'start-runs', runs } })
      this.#send({ type: 'start-part', requestId, runs })
      await new Promise(resolve => { setImmediate(resolve) })
    }
  }

  #askSuspect(): void {
    const requestId = this.#suspects.next()
    const pending = requestId === undefined ? undefined : this.#pending.get(requestId)
    if (requestId !== undefined && pending !== undefined) this.#send({ type: 'request', requestId, request: pending.request })
  }

  setRef(keepsAlive: boolean): void {
    this.#keepsAlive = keepsAlive
    this.#link?.setRef(keepsAlive)
  }

  /** Closes once, however often it is called; results that are still waited for reject with TroupeClosedError. */
  close(mode: 'drain' | 'abandon', timeoutMs: number): Promise<void> {
    return this.#ended ??= this.#close(mode, timeoutMs)
  }

  async #close(mode: 'drain' | 'abandon', timeoutMs: number): Promise<void> {
    if (this.#status === 'closed') return
    const over = new Promise<void>(resolve => { this.#onEnd = resolve })
    this.#link?.setRef(true)
    this.#closeRequest = { type: 'close-supervisor', mode, timeoutMs }
    if (this.#status === 'open') this.#sendClose()
    this.#status = 'closing'
    await over
    this.#finish()
  }

  #sendClose(): void {
    if (this.#closeRequest !== undefined) this.#send({ type: 'request', requestId: 0, request: this.#closeRequest })
  }

  // ---- the link --------------------------------------------------------------------------------------------------

  #connect(): void {
    this.#link = this.#openLink(this.#options, {
      received: messages => { for (const message of messages) this.#receive(message) },
      ended: cause => { this.#linkEnded(cause) },
    })
    this.#link.setRef(this.#keepsAlive)
  }

  #send(message: HostMessage): void {
    this.#outbox.push(message)
    if (this.#outbox.length > 1) return
    queueMicrotask(() => {
      const messages = this.#outbox
      this.#outbox = []
      if (messages.length > 0) this.#link?.send(messages)
    })
  }

  #receive(message: SupervisorMessage): void {
    switch (message.type) {
      case 'opened':
        if (this.#status === 'closing') return this.#sendClose() // it was to close while a new one was opening
        this.#status = 'open'
        this.#workflows = message.workflows
        for (const [requestId, { request }] of this.#pending) if (!this.#suspects.isSuspect(requestId)) this.#askNow(requestId, request)
        this.#askSuspect()
        this.#opened.resolve()
        return
      case 'open-failed':
        this.#giveUp(decodeError(message.error))
        return
      case 'supervisor-failed':
        this.#failure = decodeError(message.error)
        this.#isStoreBroken = message.isStoreBroken
        return
      case 'threads-left':
        this.#link?.setRef(false)
        this.#onEnd?.()
        return
      case 'reply':
        (this.#take(message.requestId)?.resolve as ((value: unknown) => void) | undefined)?.(message.value)
        return
      case 'refusal':
        this.#take(message.requestId)?.reject(decodeError(message.error))
        return
      case 'log': {
        const { error, ...fields } = message.fields as { readonly error?: Uint8Array }
        this.#logger[message.level](error === undefined ? fields : { ...fields, error: decodeError(error) }, message.message)
        return
      }
      default:
        assertNever(message)
    }
  }

  #take(requestId: number): Pending | undefined {
    const pending = this.#pending.get(requestId)
    this.#pending.delete(requestId)
    this.#suspects.over(requestId)
    if (this.#status === 'open') this.#askSuspect()
    return pending
  }

  #linkEnded(cause: unknown): void {
    this.#link = undefined
    this.#outbox = []
    if (this.#status === 'closing' || this.#status === 'closed') {
      this.#onEnd?.()
      return
    }
    const nowMs = monotonicMs()
    this.supervisorDeaths++
    this.#deathsAtMs.push(nowMs)
    while (nowMs - this.#deathsAtMs[0]! > DEATHS_WINDOW_MS) this.#deathsAtMs.shift()
    const error = this.#failure ?? new InternalError({ problem: `the supervisor's thread ended by itself (${String(cause)})`, cause })
    this.#status = 'opening'
    this.#blame()
    for (const pending of this.#pending.values()) pending.request = toAskAgain(pending.request)
    this.#failure = undefined
    // lmdb is not to be trusted after a commit that failed: whoever runs this process has to look at the disk first.
    if (this.#isStoreBroken) {
      const kept = error instanceof StoreFormatError ? '' : '; what was acknowledged is there at the next open()'
      this.#logger.error({ event: 'store-failed', error }, `${messageOf(error)} Nothing more is acknowledged, and whoever waits is told so${kept}.`)
      this.#giveUp(error)
      return
    }
    if (this.#deathsAtMs.length > MOST_DEATHS) {
      this.#giveUp(error)
      return
    }
    this.#logger.error({ event: 'supervisor-died', error }, `${messageOf(error)} A new supervisor is started and goes on from the store.`)
    this.#connect()
  }

  /** A store that cannot take a commit, but is whole, was given something wrong: whoever asked for it is refused, and the deaths it caused do not count. */
  #blame(): void {
    if (this.#isStoreBroken || !(this.#failure instanceof InternalError)) return this.#suspects.supervisorDied()
    const guilty = this.#suspects.guilty([...this.#pending].filter(([, { request }]) => !isRead(request)).map(([requestId]) => requestId))
    if (guilty === undefined) return
    this.#deathsAtMs.length = 0
    this.#take(guilty)?.reject(this.#failure)
  }

  /** It could not be opened, or not kept open: whoever waits is told why. */
  #giveUp(error: unknown): void {
    this.#status = 'closed'
    this.#end = error
    this.#opened.reject(error)
    for (const pending of this.#pending.values()) pending.reject(error)
    this.#pending.clear()
    this.#onEnd?.()
  }

  #finish(): void {
    this.#status = 'closed'
    for (const pending of this.#pending.values()) pending.reject(new TroupeClosedError({ operation: pending.request.type }))
    this.#pending.clear()
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
