/** Where and with what something was measured: figures mean nothing without it. */
import { readFileSync, statfsSync } from 'node:fs'
import { availableParallelism, cpus, release, totalmem } from 'node:os'

const TMPFS = 0x0102_1994
const PACKAGES = ['lmdb', 'piscina']

export interface Machine {
  readonly cpu: string
  readonly cpus: number
  readonly availableParallelism: number
  readonly memoryBytes: number
  readonly platform: string
  readonly node: string
  readonly packages: Readonly<Record<string, string>>
}

export function describeMachine(): Machine {
  const all = cpus()
  return {
    cpu: all[0]?.model ?? 'unknown',
    cpus: all.length,
    availableParallelism: availableParallelism(),
    memoryBytes: totalmem(),
    platform: `${process.platform} ${process.arch} ${release()}`,
    node: process.version,
    packages: { troupe: versionOf('troupe'), ...Object.fromEntries(PACKAGES.map(name => [name, versionOf(name)])) },
  }
}

/** A disk that is memory has nothing to flush to. */
export function isInMemory(folder: string): boolean {
  return statfsSync(folder).type === TMPFS
}

function versionOf(name: string): string {
  // From dist/bench: the package itself is two levels up, and what it stands on lies beside or above it.
  const places = name === 'troupe' ? ['../../package.json'] : ['../..', '../../..', '../../../..'].map(up => `${up}/node_modules/${name}/package.json`)
  for (const place of places) {
    try {
      return (JSON.parse(readFileSync(new URL(place, import.meta.url), 'utf8')) as { readonly version: string }).version
    } catch {
      // not there: one level further up
    }
  }
  return 'unknown'
}
