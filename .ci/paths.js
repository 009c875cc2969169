import { existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The folder of the clone. */
export const root = dirname(import.meta.dirname)

/** Every file below `folder`, with its path, but for installed packages (bench/peers has its own); nothing when the folder does not exist. */
export const walk = folder => !existsSync(folder)
  ? []
  : readdirSync(folder, { withFileTypes: true }).flatMap(entry => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : walk(path)
    return entry.isFile() ? [path] : []
  })
