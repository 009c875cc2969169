/**
 * Files as they may look after the power was cut: what was flushed is there; of what was written since, any part may be, in any order, down
 * to single sectors of a write. A file that grew may be short of its last writes, or have zeros in their place.
 */
import type { Chance } from '../chance.ts'
import type { Event, File } from './recording.ts'

const SECTOR = 512

export interface Image {
  /** Both, as the cut left each; a file that had not been made is not there. */
  readonly files: ReadonlyMap<File, Buffer>
  /** Commits that had been acknowledged, and those that had begun. */
  readonly acknowledged: number
  readonly begun: number
  /** Whether it has its name; before that it is a file that nobody opens. */
  readonly named: boolean
  readonly cutAt: number
  readonly how: 'process' | 'nothing' | 'parts' | 'torn'
}

type Change = Extract<Event, { file: File }>
type Written = Extract<Event, { type: 'written' }>

/** A file at one moment: what the disk has for certain, and what the system has been given since. */
class Disk {
  flushed: Buffer = Buffer.alloc(0)
  pending: Written[] = []

  apply(event: Change): void {
    switch (event.type) {
      case 'written':
        this.pending.push(event)
        // Only this write is on the disk for certain; those before it are not.
        if (event.through) {
          this.flushed = withWrites(this.flushed, [event])
          this.pending.pop()
          // What was there before is nowhere any more, and cannot come back.
          this.pending = this.pending.flatMap(written => without(written, event.at, event.at + event.bytes.length))
        }
        return
      case 'synced':
        this.flushed = this.all()
        this.pending = []
        return
      case 'sized': {
        const sized = Buffer.alloc(event.size)
        this.all().copy(sized)
        this.flushed = sized
        this.pending = []
      }
    }
  }

  /** While something is written that goes through to the disk: it may have got there, wholly or in part, before the call returns. */
  during(event: Change): Disk {
    return event.type === 'written' && event.through ? Object.assign(new Disk(), { flushed: this.flushed, pending: [...this.pending, event] }) : this
  }

  all(): Buffer {
    return withWrites(this.flushed, this.pending)
  }

  /** Any of the writes that are not flushed; `torn`: any sectors of each. */
  some(chance: Chance, torn: boolean): Buffer {
    const share = chance.next()
    const done: Bytes[] = []
    for (const { at, bytes } of chance.shuffle(this.pending)) {
      if (!torn && chance.next() < share) done.push({ at, bytes })
      for (let from = 0; torn && from < bytes.length; from += SECTOR) {
        if (chance.next() < share) done.push({ at: at + from, bytes: bytes.subarray(from, from + SECTOR) })
      }
    }
    const grown = Math.max(this.flushed.length, ...this.pending.map(({ at, bytes }) => at + bytes.length))
    return withWrites(this.flushed, done, chance.below(2) === 0 ? grown : 0)
  }
}

interface Bytes {
  readonly at: number
  readonly bytes: Buffer
}

/** What a write has outside of a range. */
function without(written: Written, from: number, to: number): Written[] {
  const { at, bytes } = written
  const end = at + bytes.length
  if (end <= from || at >= to) return [written]
  const before: Written = { ...written, bytes: bytes.subarray(0, Math.max(0, from - at)) }
  const after: Written = { ...written, at: to, bytes: bytes.subarray(Math.min(bytes.length, to - at)) }
  return [before, after].filter(part => part.bytes.length > 0)
}

/** A copy with these bytes in their places, of this size at least. */
function withWrites(file: Buffer, writes: readonly Bytes[], size = 0): Buffer {
  const changed = Buffer.alloc(Math.max(size, file.length, ...writes.map(({ at, bytes }) => at + bytes.length)))
  file.copy(changed)
  for (const { at, bytes } of writes) bytes.copy(changed, at)
  return changed
}

/** At every place where something is flushed, before it is and after it, and at some others; from the time when so many commits were acknowledged. */
export function* imagesOf(events: readonly Event[], chance: Chance, subsets: number, from = 0): Generator<Image> {
  const disks = new Map<File, Disk>()
  let [named, acknowledged, begun] = [false, 0, 0]
  const image = (cutAt: number, how: Image['how'], during: ReadonlyMap<File, Disk>, look: (disk: Disk) => Buffer): Image =>
    ({ files: new Map([...during].map(([file, disk]) => [file, look(disk)])), how, cutAt, named, acknowledged, begun })
  for (const [cutAt, event] of events.entries()) {
    const flushes = event.type === 'synced' || (event.type === 'written' && event.through)
    if ('file' in event && !disks.has(event.file)) disks.set(event.file, new Disk())
    if ((flushes || chance.below(20) === 0) && acknowledged >= from) {
      const during = new Map([...disks].map(([file, disk]) => [file, 'file' in event && event.file === file ? disk.during(event) : disk]))
      const isPending = [...during.values()].some(({ pending }) => pending.length > 0)
      yield image(cutAt, 'nothing', during, disk => disk.flushed)
      if (isPending) yield image(cutAt, 'process', during, disk => disk.all())
      for (let i = 0; isPending && i < subsets; i++) yield image(cutAt, i % 2 === 0 ? 'torn' : 'parts', during, disk => disk.some(chance, i % 2 === 0))
    }
    if ('file' in event) disks.get(event.file)!.apply(event)
    else if (event.type === 'named') named = true
    else if (event.word === 'acknowledged') acknowledged = event.number
    else if (event.word === 'begun') begun = event.number
    else throw new Error(`the store used ${event.word}, which is not followed`)
  }
  yield image(events.length, 'process', disks, disk => disk.all())
  yield image(events.length, 'nothing', disks, disk => disk.flushed)
}
