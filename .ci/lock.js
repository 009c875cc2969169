/**
 * Completes package-lock.json with the optional packages of other platforms, after an `npm install` from a registry that does
 * not hold them all. npm leaves out what it could not look up, and `npm ci` then refuses the lock file on every machine.
 * The version is the one their dependent asks for exactly; the platform is in the name.
 *
 *   node .ci/lock.js               that of the project
 *   node .ci/lock.js bench/peers   that of another folder
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './paths.js'

const PLATFORM = /[-/](aix|android|darwin|freebsd|linux|netbsd|openbsd|openharmony|sunos|win32)-(arm64|arm|ia32|loong64|mips64el|ppc64|riscv64|s390x|x64)(?:-(.+))?$/

const path = join(root, process.argv[2] ?? '.', 'package-lock.json')
const lock = JSON.parse(readFileSync(path, 'utf8'))
const added = {}

for (const [holder, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    if (lock.packages[`node_modules/${name}`] ?? lock.packages[`${holder}/node_modules/${name}`]) continue
    const [, os, cpu, abi = ''] = PLATFORM.exec(name) ?? []
    if (os === undefined || !/^\d/.test(version)) {
      console.log(`left out: ${name}@${version}, asked for by ${holder}`)
      continue
    }
    const libc = os !== 'linux' ? undefined : abi.startsWith('musl') ? 'musl' : abi.startsWith('gnu') ? 'glibc' : undefined
    added[`node_modules/${name}`] = {
      version,
      cpu: [cpu],
      ...(entry.dev && { dev: true }),
      ...(entry.devOptional && { devOptional: true }),
      ...(libc !== undefined && { libc: [libc] }),
      optional: true,
      os: [os],
    }
  }
}

const { '': project, ...others } = lock.packages
lock.packages = { '': project, ...Object.fromEntries(Object.entries({ ...others, ...added }).sort(([a], [b]) => a.localeCompare(b, 'en'))) }
writeFileSync(path, `${JSON.stringify(lock, undefined, 2)}\n`)
console.log(`${Object.keys(added).length} packages of other platforms added`)
