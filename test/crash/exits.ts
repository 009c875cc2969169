/** Trials of one way in which a host ends: no hang, no abort, nothing acknowledged lost, and the store opens again. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { Troupe } from 'troupe'
import { chanceOf, seedOf } from '../chance.ts'
import { recordingLogger } from '../harness.ts'
import { spawnHost } from './host-process.ts'
import { repeats } from './repeats.ts'

const HOST = fileURLToPath(new URL('../fixtures/crash/exit-host.js', import.meta.url))
const TRIALS = repeats('TROUPE_TRIALS', 40)
/** A child that is still there after this hangs. */
const HANG_MS = 60_000

export interface Way {
  readonly name: string
  /** How the process ends: its exit code or the signal that it died of. */
  readonly ends: number | NodeJS.Signals
}

export const WAYS = {
  exit: { name: 'exit', ends: 7 },
  uncaught: { name: 'uncaught', ends: 1 },
  unhandled: { name: 'unhandled', ends: 1 },
  sigterm: { name: 'sigterm', ends: 'SIGTERM' },
  sigint: { name: 'sigint', ends: 'SIGINT' },
  sigintHandled: { name: 'sigint-handled', ends: 130 },
  supervisorDead: { name: 'supervisor-dead', ends: 7 },
  unref: { name: 'unref', ends: 0 },
} as const satisfies Record<string, Way>

export async function tryEndings(t: Test, way: Way, phase: 'working' | 'starting', longestMs: number): Promise<void> {
  t.setTimeout(HANG_MS * 2 + TRIALS * 10_000)
  const folder = t.testdir({})
  const [store, notes] = [join(folder, 'store'), join(folder, 'notes')]
  writeFileSync(notes, '')
  const chance = chanceOf(seedOf(t))
  for (let trial = 1; trial <= TRIALS; trial++) {
    const delayMs = (chance.next() * longestMs).toFixed(2)
    const { ended, text } = await endOf([store, way.name, phase, delayMs, notes, `${1 + trial % 2}`])
    t.equal(ended, way.ends, `trial ${trial}, after ${delayMs} ms: ${ended === way.ends ? 'as expected' : text}`)
  }
  const lines = readFileSync(notes, 'utf8').split('\n')
  t.same(lines.filter(line => line.startsWith('broken') || line.startsWith('logged')), [], 'no promise was broken, and no error logged')
  if (phase === 'working') t.ok(lines.filter(line => line.startsWith('told')).length >= TRIALS, 'there was work at the time')
  await keptPromises(t, store, lines)
}

/** How it ended, or 'hangs'. */
async function endOf(args: readonly string[]): Promise<{ readonly ended: number | NodeJS.Signals | 'hangs' | null, readonly text: string }> {
  const host = spawnHost(HOST, args)
  const limit = new AbortController()
  const hangs = wait(HANG_MS, 'hangs' as const, { signal: limit.signal }).catch(() => null)
  const ended = await Promise.race([host.ended, hangs])
  limit.abort()
  if (ended === 'hangs') host.kill()
  await host.ended
  return { ended, text: host.text() }
}

async function keptPromises(t: Test, store: string, lines: readonly string[]): Promise<void> {
  const troupe = await Troupe.open({
    store, workflows: new URL('../fixtures/crash/commits.js', import.meta.url), threads: 2, durability: 'process-crash', logger: recordingLogger(),
  })
  try {
    const promised = lines.filter(line => /^(started|told) /.test(line)).map(line => line.split(' '))
    const ids = [...new Set(promised.map(([, id]) => id!))]
    const outcomes = new Map(await Promise.all(ids.map(async id => [id, await (await troupe.get(id)).result()] as const)))
    t.ok([...outcomes.values()].every(outcome => outcome === 20), 'every run whose start was acknowledged is there and finishes')
    t.ok(promised.every(([word, id, result]) => word === 'started' || String(outcomes.get(id!)) === result), 'what was told of its outcome holds')
  } finally {
    await troupe.close()
  }
}
