/** Libraries in C that are put between lmdb and the system (LD_PRELOAD). */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Compiles one; undefined where it cannot be used: it takes Linux and a C compiler. `source` is below test/. */
export function compiledLibrary(folder: string, source: string): string | undefined {
  if (process.platform !== 'linux') return undefined
  const library = join(folder, `${source.replaceAll('/', '-')}.so`)
  // The C source is not compiled along: it lies in the source tree.
  const path = fileURLToPath(new URL(`../../../test/${source}`, import.meta.url))
  for (const compiler of ['cc', 'gcc', 'g++', 'clang']) {
    try {
      execFileSync(compiler, ['-shared', '-fPIC', '-O1', '-o', library, path, '-ldl'], { stdio: 'pipe' })
      return library
    } catch { /* the next one, perhaps */ }
  }
  return undefined
}
