/** The commit log is written past the page cache where the file system allows it, and as ever where it does not. */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import t, { type Test } from 'tap'
import { CommitLog, RECORD_HEAD_BYTES, readCommitLog, recordMemory } from '../../lib/store/lmdb/commit-log.ts'
import { O_DIRECT } from '../../lib/store/lmdb/direct.ts'

const BASE = { store: new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]), number: 3 }
const SIZE = 1 << 16
const real = { openSync: fs.openSync, readSync: fs.readSync, writeSync: fs.writeSync }

const einval = (): Error => Object.assign(new Error('EINVAL: invalid argument'), { code: 'EINVAL' })

/** Puts other functions in the place of those of the file system, until the test is over. */
function patch(t: Test, others: Partial<Record<keyof typeof real, unknown>>): void {
  Object.assign(fs, others)
  syncBuiltinESMExports()
  t.teardown(() => {
    Object.assign(fs, real)
    syncBuiltinESMExports()
  })
}

function isDirect(file: number): boolean {
  const flags = Number.parseInt(/flags:\s*(\d+)/.exec(fs.readFileSync(`/proc/self/fdinfo/${file}`, 'latin1'))![1]!, 8)
  return (flags & O_DIRECT!) !== 0
}

const recordOf = (bytes: number): Uint8Array => {
  const memory = recordMemory(bytes)
  for (let i = 0; i < bytes; i++) memory[RECORD_HEAD_BYTES + i] = (bytes + i) % 251
  return memory
}

/** Adds records of these sizes; gives how many of the writes went past the cache. */
function write(t: Test, folder: string, sizes: readonly number[], patched: (file: number) => void = () => {}): number {
  let direct = 0
  const log = CommitLog.open(folder, SIZE, 'power-loss')
  patch(t, { writeSync: (file: number, ...rest: [Uint8Array, number, number, number]) => {
    patched(file)
    if (isDirect(file)) direct++
    return real.writeSync(file, ...rest)
  } })
  log.begin(BASE)
  for (const bytes of sizes) log.append(recordOf(bytes), RECORD_HEAD_BYTES + bytes)
  log.close()
  return direct
}

function isWhole(t: Test, folder: string, sizes: readonly number[]): void {
  const { commits } = readCommitLog(folder, BASE)!
  t.same(commits.map(rows => Buffer.from(rows!.bytes.subarray(rows!.start, rows!.end)).toString('hex')),
    sizes.map(bytes => Buffer.from(recordOf(bytes).subarray(RECORD_HEAD_BYTES, RECORD_HEAD_BYTES + bytes)).toString('hex')))
}

const SIZES = [10, 5000, 1, 20_000, 4096 - RECORD_HEAD_BYTES]

t.test('on Linux', { skip: O_DIRECT === undefined ? 'elsewhere there is no such flag' : false }, async t => {
  await t.test('records of all sizes are written past the cache and read through it', async t => {
    const folder = t.testdir({})
    const direct = write(t, folder, SIZES)
    if (direct === 0) t.comment('NOT SHOWN HERE: this file system refuses it')
    else t.equal(direct, SIZES.length)
    isWhole(t, folder, SIZES)
  })

  await t.test('a file system that refuses to open a file so', async t => {
    const folder = t.testdir({})
    patch(t, { openSync: (path: string, flags: number, mode?: number) => {
      if (typeof flags === 'number' && (flags & O_DIRECT!) !== 0) throw einval()
      return real.openSync(path, flags, mode)
    } })
    t.equal(write(t, folder, SIZES), 0)
    isWhole(t, folder, SIZES)
  })

  await t.test('one that takes no memory', async t => {
    const folder = t.testdir({})
    let asked = 0
    patch(t, { readSync: (file: number, memory: Uint8Array, offset: number, length: number, position: number) => {
      // One block from the start is what the places are tried with.
      if (length !== 4096 || position !== 0) return real.readSync(file, memory, offset, length, position)
      asked++
      throw einval()
    } })
    t.equal(write(t, folder, SIZES), 0)
    t.ok(asked > 100, 'all places were tried')
    isWhole(t, folder, SIZES)
  })

  await t.test('one that refuses the write, though it opened the file and read it', async t => {
    const folder = t.testdir({})
    t.equal(write(t, folder, SIZES, file => { if (isDirect(file)) throw einval() }), 0)
    isWhole(t, folder, SIZES)
  })

  await t.test('a write that fails for good is not tried another way', async t => {
    const folder = t.testdir({})
    t.throws(() => {
      write(t, folder, SIZES, () => { throw Object.assign(new Error('EIO: i/o error'), { code: 'EIO' }) })
    }, { code: 'EIO' })
  })

  await t.test('files are closed: none is left open by any of these ways', async t => {
    const open = (): number => fs.readdirSync('/proc/self/fd').length
    const before = open()
    for (let i = 0; i < 5; i++) {
      write(t, t.testdir({}), SIZES)
      write(t, t.testdir({}), SIZES, file => { if (isDirect(file)) throw einval() })
    }
    t.equal(open(), before)
  })
})
