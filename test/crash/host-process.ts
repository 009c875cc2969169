/** Hosts as child processes, as their users run them. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'

export interface Host {
  /** All that it printed so far. */
  readonly text: () => string
  /** Its exit code, or the signal that it died of. */
  readonly ended: Promise<number | NodeJS.Signals | null>
  readonly isOver: () => boolean
  kill(): void
  signal(name: NodeJS.Signals): void
}

/**
 * tap slips a loader into each child and each thread of it, which hears signals and makes starting slow: these begin without it. (The pid is
 * the host's own: env becomes what it runs.)
 */
export function spawnHost(file: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Host {
  const [command, ...first] = process.platform === 'win32' ? [process.execPath] : ['env', '-u', 'NODE_OPTIONS', process.execPath]
  const child = spawn(command, [...first, file, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, NODE_V8_COVERAGE: undefined, ...env } })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (piece: string) => { text += piece })
  let isOver = false
  const ended = once(child, 'close').then(() => {
    isOver = true
    return child.signalCode ?? child.exitCode
  })
  return { ended, text: () => text, isOver: () => isOver, kill: () => { child.kill('SIGKILL') }, signal: name => { child.kill(name) } }
}
