import t from 'tap'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { look, mustEnd, system } from './archive-program.ts'

/** A disk of its own, so that it can be filled; undefined where that is not allowed. */
function mountDisk(folder: string, mebibytes: number): ((mebibytes: number) => void) | undefined {
  mkdirSync(folder, { recursive: true })
  try {
    system('mount', '-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', folder)
  } catch {
    return undefined
  }
  return size => { system('mount', '-o', `remount,size=${size}m`, folder) }
}

t.test('a full disk: what did not fit is named, nothing is lost, and with more room the same command goes on', async t => {
  const top = t.testdir({ in: {} })
  const [folder, disk] = [join(top, 'in'), join(top, 'disk')]
  const resize = mountDisk(disk, 130)
  if (resize === undefined) return t.comment('cannot mount a disk of its own here')
  try {
    for (let index = 0; index < 12; index += 1) writeFileSync(join(folder, `file-${index}`), randomBytes(5_000_000))
    writeFileSync(join(folder, 'small'), 'fits')
    const output = join(disk, 'out')
    await mustEnd(t, [folder, output, '--quality', '0'], 1, /the disk is full/, /\n {2}file-\d+\n/, /goes on from here; nothing is lost/)
    t.notOk(existsSync(join(output, 'manifest.json')), 'it does not claim to be complete')
    resize(400)
    await mustEnd(t, [folder, output, '--quality', '0'], 0, /resuming: \d+ of 13 files/, /files +13 /)
    await mustEnd(t, ['verify', output], 0)
    await mustEnd(t, ['restore', output, join(top, 'back')], 0)
    t.same(look(join(top, 'back')), look(folder))
    rmSync(output, { recursive: true })
    resize(60)
    await mustEnd(t, [folder, output], 1, /disk has \d+ MiB left/)
  } finally {
    system('umount', disk)
  }
})
