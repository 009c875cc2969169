/** Child processes that talk in lines. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { basename } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'

export interface Child {
  readonly process: ChildProcessWithoutNullStreams
  /** The next line, or undefined when there will be no more. */
  nextLine(): Promise<string | undefined>
  say(line: string): void
  /** Ends it as a power cut would, as far as a process can tell; resolves when it is gone. */
  kill(): Promise<void>
  readonly ended: Promise<unknown>
}

/** A compiled module of test/store/fixtures. */
export function spawnFixture(t: Test, name: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Child {
  return spawnProgram(t, new URL(`fixtures/${name}.js`, import.meta.url), args, env)
}

export function spawnProgram(t: Test, module: URL, args: readonly string[], env: NodeJS.ProcessEnv = {}): Child {
  const file = fileURLToPath(module)
  const child = spawn(process.execPath, [file, ...args], { env: { ...process.env, NODE_OPTIONS: undefined, ...env } })
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  child.stderr.on('data', (chunk: Buffer) => t.comment(`${basename(file)}: ${chunk.toString()}`))
  child.stdin.on('error', () => {}) // it may be gone already
  const ended = new Promise(resolve => { child.once('close', resolve) })
  t.teardown(() => { child.kill('SIGKILL') })
  return {
    process: child,
    nextLine: async () => {
      const next = await lines.next()
      return next.done === true ? undefined : next.value
    },
    say: line => { child.stdin.write(`${line}\n`) },
    kill: async () => {
      child.kill('SIGKILL')
      await ended
    },
    ended,
  }
}
