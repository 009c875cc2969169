/** What an acknowledged commit survives, shown by killing processes and by holding back flushes. */
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { openLmdbStore } from '../../lib/store/lmdb/index.ts'
import { compiledLibrary } from './native.ts'
import { type Child, spawnFixture } from './processes.ts'

const RUNS = 20

/** A small generator (mulberry32), so that a failing seed can be run again. */
function randomFrom(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

for (const durability of ['power-loss', 'process-crash'] as const) {
  t.test(`${durability}: a process killed in the midst of commits loses nothing acknowledged and leaves nothing half done`, async t => {
    const seed = Number(process.env.TROUPE_KILL_SEED ?? Math.floor(Math.random() * 2 ** 31))
    t.comment(`seed ${seed}`)
    const random = randomFrom(seed)
    const folder = t.testdir()
    for (let round = 0; round < 12; round++) {
      const child = spawnFixture(t, 'committer', [folder, durability, 'until-killed'])
      const first = Number((await child.nextLine())!.slice('open '.length))
      const killAfter = first + Math.floor(random() * 150)
      let acknowledged = first - 1
      for (let line = await child.nextLine(); line !== undefined; line = await child.nextLine()) {
        acknowledged = Number(line)
        // Reading goes on to the end: what was written before the kill counts as acknowledged.
        if (acknowledged === killAfter) void child.kill()
      }
      const store = await openLmdbStore({ folder, durability })
      const runs = Array.from({ length: RUNS }, (_, i) => store.loadRun(store.findRun(`run-${i}`)!)!)
      const length = runs[0]!.journalLength
      t.ok(length === acknowledged + 1 || length === acknowledged + 2, `round ${round}: ${acknowledged + 1} acknowledged, ${length} there`)
      t.ok(runs.every(run => run.journalLength === length), 'every run has as many entries')
      t.equal(runs[0]!.waits.length, length)
      t.equal(store.scanTimers(undefined, 1_000_000).length, length)
      const brief = length > 0 ? 1 : 0
      t.equal(store.countRuns({ order: 'newest-first' }), RUNS + length + brief)
      t.equal(store.countRuns({ order: 'newest-first', tags: { brief: 'yes' } }), brief)
      t.equal(store.findRun(`brief-${length - 2}`), undefined, 'the brief run before the last is gone')
      if (brief > 0) t.equal(store.loadRun(store.findRun(`brief-${length - 1}`)!)!.journalLength, 1)
      t.equal(runs[0]!.messages.length, length)
      t.equal(store.readStream(runs[0]!.meta.key, 's', 0, length + 1).values.length, length)
      t.equal(Buffer.from(store.readEvent(runs[0]!.meta.key, 'position') ?? []).toString(), length === 0 ? '' : `${length - 1}`)
      t.equal(store.hasMessageKey(runs[0]!.meta.key, `${length - 1}`), length > 0)
      t.equal(store.hasMessageKey(runs[0]!.meta.key, `${length}`), false)
      t.equal(store.countRuns({ order: 'newest-first', statuses: ['enqueued'] }), length)
      t.equal(store.scanQueue(undefined, 1_000_000).length, length)
      const newest = store.findRun(`at-${length - 1}`)
      t.equal(newest === undefined, length === 0)
      t.equal(store.findRun(`at-${length}`), undefined)
      for (const run of runs) {
        // Reading checks each record's checksum.
        const entries = store.readJournal(run.meta.key, 0, length + 1)
        if (entries.length !== length || entries.some((entry, i) => !Buffer.from(entry).toString().startsWith(`${i}.`))) t.fail(`journal of ${run.meta.id}`)
      }
      t.ok(store.newRunKey() > (newest ?? 0))
      await store.close()
    }
  })
}

async function linesUntil(child: Child, last: string): Promise<string[]> {
  const lines: string[] = []
  for (let line = await child.nextLine(); line !== undefined; line = await child.nextLine()) {
    lines.push(line)
    if (line.startsWith(last)) break
  }
  return lines
}

t.test('acknowledgements and flushes', async t => {
  const folder = t.testdir()
  const library = compiledLibrary(folder, 'store/fixtures/gated-flush.c')
  if (library === undefined) {
    t.comment('NOT SHOWN HERE: that acknowledgements wait for the disk. It takes Linux and a C compiler.')
    t.pass('skipped', { skip: 'no way to hold back a flush: it takes Linux and a C compiler' })
    return
  }
  const gate = join(folder, 'gate')
  const spawnGated = async (t: Test, durability: string): Promise<Child> => {
    const child = spawnFixture(t, 'committer', [join(folder, durability), durability, 'on-command'], { LD_PRELOAD: library, TROUPE_GATE: gate })
    await linesUntil(child, 'open')
    return child
  }

  /** Commits while nothing can reach the disk, and then lets it: what is said from then on. */
  const committedThroughGate = async (t: Test, child: Child, first: string): Promise<string[]> => {
    writeFileSync(gate, '')
    child.say('commit')
    // The flush has begun and stays there: the store's only thread is inside it, so nothing can have been acknowledged.
    t.equal(await child.nextLine(), first)
    rmSync(gate)
    return linesUntil(child, 'acknowledged')
  }

  await t.test('with power-loss durability a commit is acknowledged only after its record in the log has reached the disk', async t => {
    const child = await spawnGated(t, 'power-loss')
    t.same(await committedThroughGate(t, child, 'record begun'), ['record flushed', 'acknowledged'])
    child.say('close')
    await child.ended
  })

  await t.test('or, where it goes to LMDB, after its data and then its header have', async t => {
    const child = await spawnGated(t, 'power-loss')
    // What was read at once needs LMDB to have it, and the next commits go there themselves.
    child.say('commit')
    await linesUntil(child, 'acknowledged')
    for (let i = 0; i < 2; i++) {
      child.say('scan')
      await linesUntil(child, 'scanned')
      child.say('commit')
      await linesUntil(child, 'acknowledged')
    }
    t.same(await committedThroughGate(t, child, 'flushing'), ['flushed', 'header flushed', 'acknowledged'])
    child.say('close')
    await child.ended
  })

  await t.test('with process-crash durability a commit waits for no flush', async t => {
    const child = await spawnGated(t, 'process-crash')
    writeFileSync(gate, '')
    child.say('commit')
    child.say('commit')
    t.same([await child.nextLine(), await child.nextLine()], ['acknowledged', 'acknowledged'])
    rmSync(gate)
    child.say('close')
    await child.ended
  })
})
