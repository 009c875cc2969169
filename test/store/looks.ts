/** Has stores looked at by a child process, and by another one when it ends. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Look, Sight } from './fixtures/looker.ts'

export type Seen = Sight | { readonly died: string }

const LOOKER = fileURLToPath(new URL('fixtures/looker.js', import.meta.url))

export class Looker implements AsyncDisposable {
  #child: { readonly process: ChildProcessWithoutNullStreams, readonly lines: AsyncIterator<string> } | undefined
  #ended: Promise<string> | undefined
  #complaints = ''

  /** One at a time. */
  async look(look: Look): Promise<Seen> {
    const { process: child, lines } = this.#child ??= this.#spawn()
    child.stdin.write(`${JSON.stringify(look)}\n`)
    const line = await lines.next()
    if (line.done !== true) return JSON.parse(line.value) as Sight
    this.#child = undefined
    return { died: `${await this.#ended!} ${this.#complaints}`.trim() }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child?.process.stdin.end()
    await this.#ended
  }

  #spawn(): { readonly process: ChildProcessWithoutNullStreams, readonly lines: AsyncIterator<string> } {
    const child = spawn(process.execPath, [LOOKER], { env: { ...process.env, NODE_V8_COVERAGE: '' } })
    this.#complaints = ''
    child.stderr.on('data', (bytes: Buffer) => { this.#complaints = `${this.#complaints}${bytes.toString()}`.slice(-500) })
    child.stdin.on('error', () => {}) // it may be gone already
    this.#ended = new Promise(resolve => { child.once('close', (code, signal) => { resolve(`${signal ?? code}`) }) })
    return { process: child, lines: createInterface(child.stdout)[Symbol.asyncIterator]() }
  }
}
