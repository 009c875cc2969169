/** What a process did to the file of its store, as recorder.c wrote it down. */
import { readFileSync } from 'node:fs'

export type Event =
  /** `through`: on the disk when the call returns. */
  | { readonly type: 'written', readonly at: number, readonly bytes: Buffer, readonly through: boolean }
  | { readonly type: 'synced' }
  | { readonly type: 'sized', readonly size: number }
  /** It got the name under which it is opened. */
  | { readonly type: 'named' }
  | { readonly type: 'said', readonly word: string, readonly number: number }

export function readRecording(path: string): Event[] {
  const log = readFileSync(path)
  const events: Event[] = []
  for (let at = 0; at < log.length;) {
    const [what, length, place] = [log.readUInt32LE(at), log.readUInt32LE(at + 4), Number(log.readBigUInt64LE(at + 8))]
    const bytes = log.subarray(at + 16, at + 16 + length)
    at += 16 + length
    switch (what) {
      case 1:
      case 2: events.push({ type: 'written', at: place, bytes, through: what === 2 }); break
      case 3: events.push({ type: 'synced' }); break
      case 4: events.push({ type: 'sized', size: place }); break
      case 5: {
        const [word, number] = bytes.toString().slice(1).trim().split(' ')
        events.push({ type: 'said', word: word!, number: Number(number) })
        break
      }
      case 6: events.push({ type: 'named' }); break
      default: throw new Error(`an event of kind ${what} at ${at}`)
    }
  }
  return events
}
