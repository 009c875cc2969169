/** Hosts of one store, one after the other, each disturbed and killed at moments that a seed picks; and what they were promised, held against what is there. */
import { mkdirSync, openSync, readSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { chanceOf } from '../chance.ts'
import type { Chance } from '../chance.ts'
import { spawnHost } from '../crash/host-process.ts'
import type { Host } from '../crash/host-process.ts'
import type { Line } from '../fixtures/torture/log.ts'
import { give, takeBack } from '../fixtures/torture/orders.ts'
import { Checker } from './checker.ts'

const HOST = fileURLToPath(new URL('../fixtures/torture/host.js', import.meta.url))
/** A host that is not open, or not at its end, after this will never be. */
const OPENS_WITHIN_MS = 60_000
const ENDS_WITHIN_MS = 240_000

export interface CampaignOptions {
  readonly folder: string
  readonly seed: number
  /** Asked after each host; the last one brings everything to its end. */
  readonly goesOn: (cycles: number) => boolean
  /** Milliseconds that a host lives after it is open, at most. */
  readonly livesMs?: number
  readonly onCycle?: (report: Report) => void
}

export interface Report {
  readonly seed: number
  readonly cycles: number
  readonly disturbances: Readonly<Record<Disturbance, number>>
  /** Of the lines that the hosts left behind: how many of each type. */
  readonly lines: ReadonlyMap<string, number>
  readonly checked: number
  readonly problems: readonly string[]
}

type Disturbance = 'stopped' | 'thread' | 'supervisor' | 'killed while it opens' | 'killed'

export async function campaign(options: CampaignOptions): Promise<Report> {
  return new Campaign(options).run()
}

class Campaign {
  readonly #options: CampaignOptions
  readonly #chance: Chance
  readonly #checker = new Checker()
  readonly #disturbances = { stopped: 0, thread: 0, supervisor: 0, 'killed while it opens': 0, killed: 0 }
  readonly #log: string
  readonly #descriptor: number
  #offset = 0
  #rest = ''
  #boot = 0
  #openBoot = 0

  constructor(options: CampaignOptions) {
    this.#options = options
    this.#chance = chanceOf(options.seed)
    mkdirSync(options.folder, { recursive: true })
    this.#log = join(options.folder, 'log')
    writeFileSync(this.#log, '')
    this.#descriptor = openSync(this.#log, 'r')
  }

  async run(): Promise<Report> {
    while (this.#options.goesOn(this.#boot) && this.#checker.problems.length === 0) {
      await this.#cycle()
      this.#options.onCycle?.(this.#report())
    }
    if (this.#checker.problems.length === 0) await this.#finish()
    return this.#report()
  }

  #report(): Report {
    const { checked, problems, counts } = this.#checker
    return { seed: this.#options.seed, cycles: this.#boot, disturbances: { ...this.#disturbances }, lines: counts, checked, problems }
  }

  async #cycle(): Promise<void> {
    const host = this.#spawn()
    const livesMs = this.#options.livesMs ?? 2500
    if (this.#chance.below(8) === 0) {
      this.#disturbances['killed while it opens']++
      await this.#pause(host, this.#chance.below(700))
    } else {
      await this.#untilOpen(host)
      for (let left = 100 + this.#chance.below(livesMs); left > 0 && !host.isOver();) {
        const ms = Math.min(left, 50 + this.#chance.below(800))
        left -= ms
        await this.#pause(host, ms)
        await this.#disturb(host)
      }
    }
    this.#disturbances.killed++
    const isOver = host.isOver()
    host.kill()
    const ended = await host.ended
    if (isOver) this.#wrong(`it ended by itself, with ${ended}: ${host.text()}`)
    this.#read()
  }

  async #disturb(host: Host): Promise<void> {
    const dice = this.#chance.below(10)
    if (dice < 2) {
      this.#disturbances.stopped++
      host.signal('SIGSTOP')
      await this.#pause(host, 50 + this.#chance.below(900))
      // Now and then it is killed as it stands.
      if (this.#chance.below(4) > 0) host.signal('SIGCONT')
    } else if (dice < 5) {
      this.#disturbances.thread++
      give(this.#options.folder, 'thread')
    } else if (dice < 6) {
      this.#disturbances.supervisor++
      give(this.#options.folder, 'supervisor')
    }
  }

  async #finish(): Promise<void> {
    const host = this.#spawn('finish')
    const isLate = await Promise.race([host.ended.then(() => false), wait(ENDS_WITHIN_MS, true, { ref: false })])
    if (isLate) {
      this.#wrong('the last host waits for something that does not come')
      host.kill()
    }
    const ended = await host.ended
    this.#read()
    if (ended !== 0) this.#wrong(`the last host ended with ${ended}: ${host.text()}`)
    this.#checker.end()
  }

  #spawn(...mode: readonly string[]): Host {
    this.#boot++
    for (const order of ['thread', 'supervisor'] as const) takeBack(this.#options.folder, order) // given to the one before
    writeFileSync(join(this.#options.folder, 'carried.json'), JSON.stringify(this.#checker.carried))
    const args = [String((this.#options.seed + this.#boot * 104_729) >>> 0), ...mode]
    return spawnHost(HOST, args, { TORTURE_LOG: this.#log, TORTURE_BOOT: String(this.#boot), TORTURE_FOLDER: this.#options.folder })
  }

  async #untilOpen(host: Host): Promise<void> {
    for (const givenUpAtMs = performance.now() + OPENS_WITHIN_MS; this.#openBoot < this.#boot; this.#read()) {
      if (host.isOver()) return
      if (performance.now() > givenUpAtMs) return this.#wrong(`it did not open: ${host.text()}`)
      await wait(5)
    }
  }

  async #pause(host: Host, ms: number): Promise<void> {
    await Promise.race([wait(ms), host.ended])
  }

  #wrong(problem: string): void {
    this.#checker.feed({ type: 'wrong', boot: this.#boot, atMs: 0, problem })
  }

  /** What was written since the last time. The last line may be half there. */
  #read(): void {
    const piece = Buffer.alloc(1 << 20)
    for (let length = readSync(this.#descriptor, piece, 0, piece.length, this.#offset); length > 0; length = readSync(this.#descriptor, piece, 0, piece.length, this.#offset)) {
      this.#offset += length
      const lines = (this.#rest + piece.toString('latin1', 0, length)).split('\n')
      this.#rest = lines.pop() ?? ''
      for (const text of lines) {
        const line = JSON.parse(text) as Line
        if (line.type === 'open') this.#openBoot = line.boot
        this.#checker.feed(line)
      }
    }
  }
}
