/** A slice of the campaign (`npm run power-loss`), and that it would notice a store that promises too much. */
import { join } from 'node:path'
import t from 'tap'
import { chanceOf, seedOf } from '../chance.ts'
import { compiledLibrary } from '../store/native.ts'
import { DURABILITIES, recordAndOpen } from './campaign.ts'
import { imagesOf } from './images.ts'
import type { Event } from './recording.ts'

t.setTimeout(300_000)

t.test('whatever the moment the power is cut, what was acknowledged is there, and nothing by half', async t => {
  const folder = t.testdir({})
  const library = compiledLibrary(folder, 'power-loss/fixtures/recorder.c')
  if (library === undefined) {
    t.comment('NOT SHOWN HERE: what a store is after a power cut. It takes Linux and a C compiler.')
    t.pass('skipped', { skip: 'no way to record what is written: it takes Linux and a C compiler' })
    return
  }
  const seed = seedOf(t)
  for (const durability of DURABILITIES) {
    const { images, whole, refused, violations } = await recordAndOpen({ folder: join(folder, 'work'), library, seed, durability, commits: 25, images: 50, subsets: 3 })
    t.comment(`${durability}: ${images} images; after power cuts without flushes ${whole} were whole and ${refused} refused`)
    t.ok(images >= 30)
    t.same(violations, [], durability)
  }
})

t.test('images have all that was flushed, and any part of the rest', async t => {
  const written = (at: number, fill: number, through = false): Event => ({ type: 'written', file: 'data.mdb', at, bytes: Buffer.alloc(1024, fill), through })
  const events: Event[] = [
    written(0, 1), { type: 'synced', file: 'data.mdb' }, { type: 'said', word: 'begun', number: 1 }, written(1024, 2), { type: 'synced', file: 'data.mdb' }, written(0, 3, true),
    { type: 'said', word: 'acknowledged', number: 1 }, written(2048, 4), { type: 'synced', file: 'data.mdb' },
  ]
  const looks = [...imagesOf(events, chanceOf(1), 50)].map(({ files, cutAt, acknowledged }) =>
    `${cutAt} ${acknowledged} ${[0, 512, 1024, 1536, 2048, 2560].map(at => files.get('data.mdb')![at] ?? '-').join('')}`)
  const seen = (look: string): boolean => looks.includes(look)
  t.ok(seen('4 0 11----') && seen('4 0 1122--'), 'none or all of a write')
  t.ok(seen('4 0 1100--') && seen('4 0 1120--') && seen('4 0 1102--') && seen('4 0 112---'), 'any sector of it, and zeros for what is missing, or nothing')
  t.ok(seen('5 0 1122--') && seen('5 0 3122--') && seen('5 0 1322--') && seen('5 0 3322--'), 'a write that goes through, in parts')
  t.ok(looks.filter(look => look.startsWith('8 1')).every(look => look.startsWith('8 1 3322')), 'nothing is lost that was flushed')
  const over = [...imagesOf([written(0, 5), written(512, 6, true), written(4096, 7), { type: 'synced', file: 'data.mdb' }], chanceOf(1), 50)]
    .filter(({ cutAt }) => cutAt >= 2).map(({ files }) => [...files.get('data.mdb')!.subarray(0, 1536)].filter((_, i) => i % 512 === 0).join(''))
  t.ok(over.length > 1 && over.every(look => /^[05]66$/.test(look)), `what was written over by a write that went through does not come back: ${over.join(' ')}`)
})
