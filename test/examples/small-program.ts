/** The small examples as their users run them: a process with arguments, what it prints, and a power switch. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

export interface Ended { readonly code: number | null, readonly signal: NodeJS.Signals | null, readonly text: string }

/** `onText` sees all that was printed so far, and may stop it. */
export async function runExample(
  program: string, args: readonly string[], onText: (text: string, stop: (signal: NodeJS.Signals) => void) => void = () => {}): Promise<Ended> {
  const file = fileURLToPath(new URL(`../../examples/${program}.js`, import.meta.url))
  const child = spawn(process.execPath, [file, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, NODE_OPTIONS: '', NODE_V8_COVERAGE: undefined } })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (piece: string) => {
      text += piece
      onText(text, signal => { child.kill(signal) })
    })
  }
  await once(child, 'close')
  return { code: child.exitCode, signal: child.signalCode, text }
}
