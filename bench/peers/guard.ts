/**
 * Stands between the bench and a server, so that no server outlives the bench, whatever ends it. The bench holds the other end of this process's
 * standard input; once that closes, the server is ended and its folder removed.
 *
 *   node guard.js <signal that ends it> <user id:group id, or -> <its folder> <log file> <program> [argument ...]
 */
import { spawn } from 'node:child_process'
import { openSync, rmSync } from 'node:fs'

const PATIENCE_MS = 3000

const [signal, user, folder, log, program, ...args] = process.argv.slice(2) as [NodeJS.Signals, string, string, string, string, ...string[]]
const output = openSync(log, 'a')
const [uid, gid] = user.split(':').map(Number)
const asUser = user === '-' || uid === undefined || gid === undefined ? {} : { uid, gid }
const server = spawn(program, args, { cwd: folder, stdio: ['ignore', output, output], detached: true, ...asUser })

let code = 1
server.on('error', error => {
  process.stderr.write(`${error.message}\n`)
  end()
})
server.on('exit', exitCode => {
  code = exitCode ?? 0
  end()
})

process.stdin.resume()
process.stdin.on('end', () => {
  server.kill(signal)
  setTimeout(() => server.kill('SIGKILL'), PATIENCE_MS).unref()
})

function end(): void {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  process.exit(code)
}
