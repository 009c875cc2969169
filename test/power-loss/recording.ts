/** What a process did to the files of its store, as recorder.c wrote it down. */
import { readFileSync } from 'node:fs'

/** LMDB's, and the commit log. */
export type File = 'data.mdb' | 'commits.log'

export type Event =
  /** `through`: on the disk when the call returns. */
  | { readonly type: 'written', readonly file: File, readonly at: number, readonly bytes: Buffer, readonly through: boolean }
  | { readonly type: 'synced', readonly file: File }
  | { readonly type: 'sized', readonly file: File, readonly size: number }
  /** LMDB's got the name under which it is opened. */
  | { readonly type: 'named' }
  | { readonly type: 'said', readonly word: string, readonly number: number }

/** Added to the kinds of events of the commit log. */
const OF_LOG = 16

export function readRecording(path: string): Event[] {
  const log = readFileSync(path)
  const events: Event[] = []
  for (let at = 0; at < log.length;) {
    const [kind, length, place] = [log.readUInt32LE(at), log.readUInt32LE(at + 4), Number(log.readBigUInt64LE(at + 8))]
    const bytes = log.subarray(at + 16, at + 16 + length)
    at += 16 + length
    const file = kind < OF_LOG ? 'data.mdb' : 'commits.log'
    const what = kind % OF_LOG
    switch (what) {
      case 1:
      case 2: events.push({ type: 'written', file, at: place, bytes, through: what === 2 }); break
      case 3: events.push({ type: 'synced', file }); break
      case 4: events.push({ type: 'sized', file, size: place }); break
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
