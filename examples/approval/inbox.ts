import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Decision } from './workflows.ts'

/**
 * Only one process has the store, so decisions come to it through a folder: a file for each. A file that is there when the process was
 * killed is there when it starts again.
 */
export interface Letter {
  readonly runId: string
  readonly decision: Decision
}

export function post(inbox: string, letter: Letter): void {
  mkdirSync(inbox, { recursive: true })
  const file = join(inbox, `${Date.now()}-${process.pid}`)
  writeFileSync(`${file}.part`, JSON.stringify(letter))
  renameSync(`${file}.part`, `${file}.json`) // whole, or not there
}

export interface OpenLetter extends Letter {
  /** Names it among all letters. */
  readonly key: string
  /** To be called once it has arrived for good. */
  readonly remove: () => void
}

export function read(inbox: string): OpenLetter[] {
  mkdirSync(inbox, { recursive: true })
  return readdirSync(inbox).filter(name => name.endsWith('.json')).sort().map(name => {
    const file = join(inbox, name)
    return { ...JSON.parse(readFileSync(file, 'utf8')) as Letter, key: name, remove: () => { rmSync(file) } }
  })
}
