import t from 'tap'
import type { Test } from 'tap'
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { chanceOf, seedOf } from '../chance.ts'
import type { Chance } from '../chance.ts'
import { planOf } from '../fixtures/crash/campaign-plan.ts'
import { readLines } from '../fixtures/crash/log.ts'
import type { Line } from '../fixtures/crash/log.ts'
import { attemptsEntered, outcomes, ranAfterAcknowledgement, wrongAttempts } from './campaign-checks.ts'
import { spawnHost } from './host-process.ts'
import type { Host } from './host-process.ts'
import { repeats } from './repeats.ts'

const HOST = fileURLToPath(new URL('../fixtures/crash/campaign-host.js', import.meta.url))
/** Kills of the host's process, each followed by an opening of the same store. */
const KILLS = repeats('TROUPE_KILLS', 28)
const RUNS = KILLS * 2

t.setTimeout((60 + KILLS * 15) * 1000)

function startHost(folder: string, boot: number, allowed: number, mode: 'until-killed' | 'finish'): Host {
  return spawnHost(HOST, [join(folder, 'store'), String(RUNS), String(allowed), mode], { CAMPAIGN_LOG: join(folder, 'log'), CAMPAIGN_BOOT: String(boot) })
}

function newCampaign(top: string, name: string): string {
  const folder = join(top, name)
  mkdirSync(folder)
  writeFileSync(join(folder, 'log'), '')
  return folder
}

async function finish(t: Test, folder: string, boot: number): Promise<readonly Line[]> {
  const host = startHost(folder, boot, RUNS, 'finish')
  t.equal(await host.ended, 0, `the last host ends by itself: ${host.text()}`)
  return readLines(join(folder, 'log'))
}

t.test(`a host killed ${KILLS} times at any moment loses nothing, repeats nothing that was acknowledged, and comes to the same outcomes`, async t => {
  const chance = chanceOf(seedOf(t))
  const top = t.testdir({})
  const calm = newCampaign(top, 'calm')
  const wild = newCampaign(top, 'wild')
  const calmLines = await finish(t, calm, 1)

  for (let boot = 1; boot <= KILLS; boot++) {
    const host = startHost(wild, boot, Math.ceil(RUNS * boot / KILLS), 'until-killed')
    await momentToKill(join(wild, 'log'), boot, chance, host)
    t.notOk(host.isOver(), `boot ${boot} lives until it is killed: ${host.text()}`)
    host.kill()
    await host.ended
  }
  const lines = await finish(t, wild, KILLS + 1)

  t.same(ranAfterAcknowledgement(lines), [], 'no acknowledged step ran again')
  t.same(wrongAttempts(lines), [], 'every attempt number is right')
  t.same(ranAfterAcknowledgement(calmLines), [])
  const { told, wrong } = outcomes(lines)
  t.same(wrong, [], 'no acknowledged run was lost, and an outcome once told stays')
  t.same([...told.keys()].sort(), planOf(RUNS).map(({ id }) => id).sort(), 'every run reached an outcome')
  t.same(Object.fromEntries(told), Object.fromEntries(outcomes(calmLines).told), 'every outcome is that of an undisturbed run')
  t.same(journalOf(wild), journalOf(calm), 'the journals agree with those of undisturbed runs')
  checkAttempts(t, lines, journalOf(wild))
  const repeated = lines.filter(line => line.type === 'entered').length - calmLines.filter(line => line.type === 'entered').length
  t.comment(`${lines.length} lines; steps interrupted by a kill and run again: ${repeated}`)
  t.ok(repeated > 0, 'kills hit steps at work')
})

/** Half of the moments are so many lines of progress after the opening, half so many milliseconds after the start of the process. */
async function momentToKill(log: string, boot: number, chance: Chance, host: Host): Promise<void> {
  const byProgress = chance.next() < 0.5
  const amount = byProgress ? 1 + chance.below(40) : chance.below(900)
  if (!byProgress) return void await Promise.race([wait(amount), host.ended])
  const sizeBefore = statSync(log).size
  for (;;) {
    if (host.isOver()) return
    if (statSync(log).size > sizeBefore) {
      const fresh = readLinesSoFar(log).filter(line => line.boot === boot)
      if (fresh.length >= amount || fresh.some(({ type }) => type === 'quiet')) return
    }
    await wait(2)
  }
}

/** The last line may be half written while it is read. */
function readLinesSoFar(log: string): readonly Line[] {
  const text = readFileSync(log, 'utf8')
  return text.slice(0, text.lastIndexOf('\n') + 1).split('\n').filter(line => line !== '').map(line => JSON.parse(line) as Line)
}

type Journals = Readonly<Record<string, { readonly status: string, readonly steps: readonly { readonly name: string, readonly attempts: readonly object[] }[] }>>

function journalOf(folder: string): Journals {
  return JSON.parse(readFileSync(join(folder, 'log.journal'), 'utf8')) as Journals
}

function checkAttempts(t: Test, lines: readonly Line[], journals: Journals): void {
  const wrong = [...attemptsEntered(lines)].filter(([step, attempts]) => {
    const [run, name] = step.split('#') as [string, string]
    return journals[run]?.steps.find(each => each.name === name)?.attempts.length !== attempts
  })
  t.same(wrong, [], 'steps() tells exactly the attempts that were made')
}
