/** Carries a random program through one life with a supervisor that completes things in an order of its own, and records all. */
import { encodeEntry } from '../../lib/codec/entry.ts'
import type { Encoded } from '../../lib/codec/encoded.ts'
import { encodeValue, decodeValue } from '../../lib/codec/value.ts'
import type { Wait } from '../../lib/codec/wait.ts'
import type { RunKey } from '../../lib/model/run.ts'
import type { ToActor, ToSupervisor } from '../../lib/protocol/actor.ts'
import { MOVED_FROM_BYTES } from '../../lib/protocol/batch.ts'
import type { Chance } from '../chance.ts'
import type { Fact, ScriptedThread } from './life.ts'

export interface Recording {
  /** In order of commit. */
  readonly entries: readonly { readonly index: number, readonly entry: Encoded }[]
  /** What was waited for when this many entries were recorded. */
  readonly waits: readonly ReadonlyMap<number, Wait>[]
  readonly last: ToSupervisor
}

type LastWord = Fact<'run-completed'> | Fact<'run-failed'> | Fact<'run-diverged'>

const valueOf = (value: unknown): Encoded => encodeValue(value, { what: 'a value', root: 'value' })

/** The supervisor's memory of one run, as far as a life needs it. */
export class Script {
  readonly entries: { readonly index: number, readonly entry: Encoded }[] = []
  readonly waits = new Map<number, Wait>()
  /** What can be completed, by operation: its entry, or a word that its next attempt is due. */
  readonly ready = new Map<number, { readonly entry: Encoded } | { readonly attempt: number }>()
  last: LastWord | undefined

  hear(fact: ToSupervisor): void {
    switch (fact.type) {
      case 'operation-completed':
        this.ready.set(fact.index, { entry: fact.entry })
        return
      case 'attempt-failed': {
        const { index, name, attempt, startedAtMs, finishedAtMs, error, delayMs } = fact
        const earlier = this.waits.get(index)
        const attempts = [...earlier?.type === 'retry' ? earlier.attempts : [], { attempt, startedAtMs, finishedAtMs, error }]
        this.waits.set(index, { type: 'retry', name, startedAtMs, attempts, dueAtMs: finishedAtMs + delayMs })
        this.ready.set(index, { attempt: attempt + 1 })
        return
      }
      case 'sleep-called':
        this.#wait(fact.index, { type: 'sleep', name: 'sleep', startedAtMs: 0, dueAtMs: fact.durationMs })
        return
      case 'child-called': {
        const [label] = decodeValue(fact.args) as [string]
        const childId = fact.id ?? `child of ${label}`
        if (fact.mode === 'start') this.ready.set(fact.index, { entry: childEntry(fact.index, fact.workflow, valueOf(childId)) })
        else this.#wait(fact.index, { type: 'child', name: fact.workflow, startedAtMs: 0, childId, childKey: 9 as RunKey })
        return
      }
      case 'child-awaited':
        this.#wait(fact.index, { type: 'child', name: `result of ${fact.childId}`, startedAtMs: 0, childId: fact.childId, childKey: 9 as RunKey })
        return
      case 'run-completed': case 'run-failed': case 'run-diverged':
        this.last = fact
        return
      case 'actor-started': case 'step-started': case 'actor-waiting': case 'attempt-judged': case 'actor-passivated':
      case 'passivation-refused': case 'actor-stuck': // nothing to complete
        return
      case 'message-sent': case 'receive-called': case 'event-published': case 'event-awaited': case 'stream-written': case 'stream-ended':
        throw new Error(`no program here says ${fact.type}`)
    }
  }

  /** The waits an earlier life left go on: each may be completed. */
  resume(waits: ReadonlyMap<number, Wait>): void {
    for (const [index, wait] of waits) this.#wait(index, wait)
  }

  #wait(index: number, wait: Wait): void {
    this.waits.set(index, wait)
    if (wait.type === 'retry') this.ready.set(index, { attempt: wait.attempts.length + 1 })
    else if (wait.type === 'sleep') this.ready.set(index, { entry: sleepEntry(index) })
    else if (wait.type === 'child') this.ready.set(index, { entry: childEntry(index, wait.name, valueOf(`result of ${wait.childId}`)) })
  }

  /** Completes an operation, with `entry` if it is given (what an earlier life had recorded), and gives the word for the actor. */
  complete(index: number, entry?: Encoded): ToActor {
    const ready = this.ready.get(index)!
    this.ready.delete(index)
    if ('attempt' in ready) return { type: 'attempt-due', index, attempt: ready.attempt }
    const position = this.entries.length
    const isOwn = entry === undefined && !this.waits.has(index) && ready.entry.byteLength < MOVED_FROM_BYTES
    this.waits.delete(index)
    const recorded = entry ?? ready.entry
    this.entries.push({ index, entry: recorded.slice() as Encoded })
    return isOwn && !isChildStart(recorded) ? { type: 'entry-recorded', index, position } : { type: 'entry-arrived', index, position, entry: recorded.slice() as Encoded }
  }
}

const CHILD_KIND = 6
const isChildStart = (entry: Encoded): boolean => entry[2] === CHILD_KIND

function sleepEntry(index: number): Encoded {
  return encodeEntry({ index, kind: 'sleep', name: 'sleep', startedAtMs: 0, finishedAtMs: 1, outcome: 'result', value: new Uint8Array(0) as Encoded, attempts: [] })
}

function childEntry(index: number, name: string, value: Encoded): Encoded {
  return encodeEntry({ index, kind: 'child', name, startedAtMs: 0, finishedAtMs: 1, outcome: 'result', value, attempts: [] })
}

/** Lets things complete in random order, singly and in bursts, and now and then while others are still about to be called. */
export async function record(life: ScriptedThread, chance: Chance): Promise<Recording> {
  const script = new Script()
  const waits: Map<number, Wait>[] = [new Map()]
  const read = (): void => { for (const { body } of life.take()) script.hear(body) }
  while (script.last === undefined) {
    if (script.ready.size === 0 || chance.below(3) === 0) for (const { body } of script.ready.size === 0 ? await life.next() : []) script.hear(body)
    read()
    if (script.last !== undefined) break
    const burst: ToActor[] = []
    for (let left = 1 + chance.below(3); left > 0 && script.ready.size > 0; left--) {
      const before = script.entries.length
      burst.push(script.complete(chance.pick([...script.ready.keys()])))
      if (script.entries.length > before) waits.push(new Map(script.waits))
    }
    if (burst.length > 0) life.tell(burst)
    if (chance.below(2) === 0) await life.quiet().then(facts => { for (const fact of facts) script.hear(fact) })
  }
  return { entries: script.entries, waits, last: script.last }
}

/** Goes on from the first `length` entries; what follows completes in the order of the recording. */
export async function replay(life: ScriptedThread, recording: Recording, length: number, chance: Chance): Promise<{ readonly last: ToSupervisor, readonly asked: readonly ToSupervisor[] }> {
  const script = new Script()
  const asked: ToSupervisor[] = []
  // A wait may have been lost with its process, or may be there.
  const waits = chance.below(2) === 0 ? recording.waits[length]! : new Map<number, Wait>()
  script.resume(waits)
  script.entries.push(...recording.entries.slice(0, length))
  void life.spawn({ incarnation: 2, journal: script.entries.map(({ entry }) => entry), waits })
  const read = async (): Promise<void> => {
    for (const { body } of await life.next()) {
      asked.push(body)
      script.hear(body)
    }
  }
  const word = (order: ToActor): void => { life.tell([order], { incarnation: 2 }) }
  while (script.last === undefined) {
    for (const [index, ready] of script.ready) if ('attempt' in ready) word(script.complete(index))
    const next = recording.entries[script.entries.length]
    if (next === undefined || !script.ready.has(next.index)) await read()
    else word(script.complete(next.index, next.entry))
  }
  return { last: script.last, asked }
}
