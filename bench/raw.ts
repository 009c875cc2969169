/** What the machine can do at best: the floor under every durable step. */
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { MessageChannel, Worker } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'
import { withFolder } from './bench.ts'
import type { Setting, Work } from './bench.ts'

/** Bytes of one change in the store, about: a result of some 100 bytes, its place in the journal, and its checksum. */
export const BYTES_PER_CHANGE = 150

interface RawAppend {
  readonly commits: number
  readonly bytesPerCommit: number
  /** Stops after this long, whatever was done. */
  readonly mostMs: number
}

/** Commits a second of the barest log there is: append, fdatasync, one after the other. The first tenth is warm-up. */
function rawCommitsPerSecond(folder: string, { commits, bytesPerCommit, mostMs }: RawAppend): number {
  const log = new RawLog(folder, bytesPerCommit)
  try {
    for (let i = 0; i < commits / 10; i++) log.commit()
    const startedMs = performance.now()
    let done = 0
    while (done < commits && performance.now() - startedMs < mostMs) {
      log.commit()
      done++
    }
    return done / (performance.now() - startedMs) * 1000
  } finally {
    log[Symbol.dispose]()
  }
}

/** The commits that a Troupe made just now, of as many bytes, on a bare log: how many a second it takes. */
export async function rawFor(setting: Setting, { commits, changes }: Work, bytesPerChange = BYTES_PER_CHANGE): Promise<number> {
  return withFolder(setting, folder => rawCommitsPerSecond(folder, {
    commits, bytesPerCommit: changes / Math.max(1, commits) * bytesPerChange, mostMs: setting.quick ? 20 : 1500,
  }))
}

export class RawLog implements Disposable {
  readonly #file: number
  readonly #bytes: Uint8Array

  constructor(folder: string, bytesPerCommit: number) {
    this.#file = openSync(join(folder, 'raw.log'), 'a')
    this.#bytes = new Uint8Array(Math.max(1, Math.round(bytesPerCommit))).fill(0x61)
  }

  commit(): void {
    writeSync(this.#file, this.#bytes)
    fdatasyncSync(this.#file)
  }

  [Symbol.dispose](): void {
    closeSync(this.#file)
  }
}

/** A thread at the other end of a port, which sends back what it gets. */
export class Echo implements AsyncDisposable {
  readonly #worker: Worker
  readonly #port: MessagePort

  constructor() {
    const { port1, port2 } = new MessageChannel()
    this.#worker = new Worker(new URL('./fixtures/echo.js', import.meta.url), { workerData: { port: port2 }, transferList: [port2] })
    this.#port = port1
  }

  async roundTrip(): Promise<void> {
    await new Promise(resolve => {
      this.#port.once('message', resolve)
      this.#port.postMessage(0)
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#port.close()
    await this.#worker.terminate()
  }
}
