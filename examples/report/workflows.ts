import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { currentRun, step, workflow } from 'troupe/workflow'

/** A report on the licences of the packages below a folder `node_modules`: which there are, how often, and what changed. */
export interface ReportJob {
  readonly modules: string
  readonly output: string
}

export interface Package {
  readonly name: string
  readonly version: string
  readonly licence: string
}

export interface Summary {
  readonly packages: number
  readonly licences: number
  readonly unknown: number
  readonly changes: number
  readonly file: string
}

const PART = 100

const listPackages = step(function listPackages(modules: string): string[] {
  const names: string[] = []
  for (const entry of readdirSync(modules, { withFileTypes: true })) {
    if (!entry.isDirectory() || entry.name.startsWith('.')) continue
    if (entry.name.startsWith('@')) names.push(...readdirSync(join(modules, entry.name)).map(name => `${entry.name}/${name}`))
    else names.push(entry.name)
  }
  return names.sort()
})

const readLicences = step(function readLicences(modules: string, names: readonly string[]): Package[] {
  return names.flatMap(name => readPackage(join(modules, name, 'package.json'), name) ?? [])
})

/** Children, so that all threads read; a part is a hundred packages, so that the journal stays short. */
const readPart = workflow(async function readPart(modules: string, names: readonly string[]) {
  return await readLicences(modules, names)
})

/** Written whole, under the name of its occurrence: done twice, it is the same file. */
const writeReport = step(function writeReport(job: ReportJob, key: string, packages: readonly Package[]): Summary {
  const licences = byLicence(packages)
  const file = join(job.output, `licences-${key}.md`)
  const previous = readdirSync(job.output).filter(name => /^licences-.*\.json$/.test(name) && name < `licences-${key}.json`).sort().at(-1)
  const before = previous === undefined ? undefined : JSON.parse(readFileSync(join(job.output, previous), 'utf8')) as Package[]
  const changes = before === undefined ? [] : changesBetween(before, packages)
  const rows = [...licences].sort(([, a], [, b]) => b.length - a.length).map(([licence, of]) => `| ${licence} | ${of.length} | ${of.slice(0, 3).map(({ name }) => name).join(', ')} |`)
  writeWhole(file.replace(/\.md$/, '.json'), JSON.stringify(packages))
  writeWhole(file, [`# Licences of ${packages.length} packages`, '', '| licence | packages | such as |', '| --- | --- | --- |', ...rows, '', ...changes, ''].join('\n'))
  return { packages: packages.length, licences: licences.size, unknown: licences.get('unknown')?.length ?? 0, changes: changes.length, file }
})

export const licenceReport = workflow(async function licenceReport(job: ReportJob): Promise<Summary> {
  const names = await listPackages(job.modules)
  const parts = Array.from({ length: Math.ceil(names.length / PART) }, (_, part) => names.slice(part * PART, (part + 1) * PART))
  const packages = await Promise.all(parts.map(part => readPart(job.modules, part)))
  // The id of a scheduled run ends with its time, which is the same on every replay.
  const key = (currentRun()?.id ?? 'now').replace(/^.*@/, '').replaceAll(':', '-')
  return await writeReport(job, key, packages.flat())
})

function readPackage(file: string, name: string): Package | undefined {
  try {
    const { version, license } = JSON.parse(readFileSync(file, 'utf8')) as { readonly version?: unknown, readonly license?: unknown }
    return { name, version: typeof version === 'string' ? version : 'unknown', licence: typeof license === 'string' ? license : 'unknown' }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined // a folder that is no package
    throw error
  }
}

function byLicence(packages: readonly Package[]): Map<string, Package[]> {
  const groups = new Map<string, Package[]>()
  for (const each of packages) groups.set(each.licence, [...groups.get(each.licence) ?? [], each])
  return groups
}

export function changesBetween(before: readonly Package[], now: readonly Package[]): string[] {
  const old = new Map(before.map(each => [each.name, each]))
  const current = new Set(now.map(({ name }) => name))
  const lines: string[] = []
  for (const { name, licence } of now) {
    const known = old.get(name)
    if (known === undefined) lines.push(`- new: ${name} (${licence})`)
    else if (known.licence !== licence) lines.push(`- ${name}: ${known.licence} became ${licence}`)
  }
  for (const { name } of before) if (!current.has(name)) lines.push(`- gone: ${name}`)
  return lines
}

function writeWhole(file: string, text: string): void {
  writeFileSync(`${file}.part`, text)
  renameSync(`${file}.part`, file)
}
