/** Installs the peers' packages, unless they are there as the lock file has them. */
import { spawnSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { PEERS } from './places.ts'

/** What went wrong, or undefined. Whose packages are missing then cannot run; the others can. */
export function installPeers(): string | undefined {
  if (isInstalled()) return undefined
  const { status, stderr, error } = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'],
    { cwd: PEERS, encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'], shell: process.platform === 'win32' })
  if (status === 0) return undefined
  return `npm ci in bench/peers failed: ${error?.message ?? stderr.trim().split('\n').slice(0, 3).join(' | ')}`
}

/** npm writes down what it has installed when it is done. */
function isInstalled(): boolean {
  try {
    return statSync(join(PEERS, 'node_modules/.package-lock.json')).mtimeMs >= statSync(join(PEERS, 'package-lock.json')).mtimeMs
  } catch {
    return false
  }
}
