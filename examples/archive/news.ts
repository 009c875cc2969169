import { BroadcastChannel } from 'node:worker_threads'

/**
 * What steps tell the screen while they work. Only for the eye: it is not recorded, and a message that gets lost changes
 * nothing. What counts comes from the runs themselves.
 */
export type Phase = 'listing' | 'archiving' | 'writing the manifest' | 'verifying' | 'restoring'
export interface Totals { readonly items: number, readonly bytes: number }
export type News =
  | { readonly type: 'phase', readonly phase: Phase, readonly totals?: Totals }
  /** That much more is done; negative when an attempt failed and starts over. */
  | { readonly type: 'work', readonly phase: Phase, readonly items: number, readonly bytes: number, readonly totals?: Totals, readonly path?: string }
  | { readonly type: 'disk-full', readonly path: string }

const CHANNEL = 'troupe-archive'
let channel: BroadcastChannel | undefined

export function announce(news: News): void {
  if (channel === undefined) {
    channel = new BroadcastChannel(CHANNEL)
    channel.unref()
  }
  channel.postMessage(news)
}

/** Hears every thread of this process until it is disposed. */
export function followNews(hear: (news: News) => void): Disposable {
  const ears = new BroadcastChannel(CHANNEL)
  // The one place where the untyped message becomes News: only announce() writes to this channel.
  ears.onmessage = (event: unknown) => hear((event as { readonly data: News }).data)
  ears.unref()
  return { [Symbol.dispose]: () => ears.close() }
}
