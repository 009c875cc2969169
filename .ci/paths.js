import { existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The folder of the clone. */
export const root = dirname(import.meta.dirname)

/** Every file below `folder`, with its path; nothing when the folder does not exist. */
export const walk = folder => !existsSync(folder)
  ? []
  : readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))
