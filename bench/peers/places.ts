/** Where the peers' own packages are: beside the sources, never beside what is compiled. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const ROOT = join(import.meta.dirname, '../../..')
export const PEERS = join(ROOT, 'bench/peers')

/** Undefined where the package is not installed. */
export function versionOf(name: string): string | undefined {
  try {
    const file = name === 'troupe' ? join(ROOT, 'package.json') : join(PEERS, 'node_modules', name, 'package.json')
    return (JSON.parse(readFileSync(file, 'utf8')) as { readonly version: string }).version
  } catch {
    return undefined
  }
}
