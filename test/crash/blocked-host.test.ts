import t from 'tap'
import { fileURLToPath } from 'node:url'
import { readTrace } from '../fixtures/trace.ts'
import { spawnHost } from './host-process.ts'
import { placesOf } from './threads.ts'

const HOST = fileURLToPath(new URL('../fixtures/crash/blocked-host.js', import.meta.url))
const BLOCKED_MS = 3000

interface Fact { readonly what: string, readonly run?: string, readonly atMs: number }

t.setTimeout(120_000)

t.jobs = 2

for (const share of ['whole', 'half'] as const) {
  t.test(`while the host's event loop stands still for seconds (${share} of the time), steps, timers, retries, timeouts and children go on`, { buffered: true }, async t => {
    const { store, trace } = placesOf(t)
    const host = spawnHost(HOST, [store, trace, String(BLOCKED_MS), share])
    t.equal(await host.ended, 0, host.text())

    const facts = readTrace(trace) as Fact[]
    const blockedMs = facts.find(({ what }) => what === 'blocked')!.atMs
    const freeMs = facts.find(({ what }) => what === 'free')!.atMs
    t.ok(freeMs - blockedMs >= BLOCKED_MS - 1)
    const meanwhile = (what: string): readonly Fact[] => facts.filter(fact => fact.what === what && fact.atMs > blockedMs && fact.atMs < freeMs)

    // Each third of the time saw work, so that it went on and did not merely run out.
    for (let third = 0; third < 3; third++) {
      const from = blockedMs + third * BLOCKED_MS / 3
      const inThird = (what: string): number => meanwhile(what).filter(({ atMs }) => atMs >= from && atMs < from + BLOCKED_MS / 3).length
      for (const what of ['step', 'woke', 'child ended']) t.ok(inThird(what) > 0, `"${what}" in second ${third + 1}: ${inThird(what)} times`)
    }
    t.ok(meanwhile('attempt').length > 1, `attempts were made when they were due: ${meanwhile('attempt').length}`)
    t.equal(meanwhile('timed out').length, 1, 'an attempt that hung was ended by its timeout')
  })
}
