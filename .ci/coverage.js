/** How much of lib/ the tests reach, file by file, from what measure.cjs noted of each test's process. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { SourceMap } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { root, walk } from './paths.js'

const MIN_PERCENT = 95

const notes = join(root, '.tap/reached')

/** Forgets what was measured before, and returns the folder for what is measured next. */
export const beginCoverage = () => {
  rmSync(notes, { recursive: true, force: true })
  mkdirSync(notes, { recursive: true })
  return notes
}

/** Prints every file below the bound and returns whether lib/ as a whole keeps it. */
export const checkCoverage = () => {
  const reached = new Map()
  for (const file of readdirSync(notes)) {
    for (const { file: name, functions } of JSON.parse(readFileSync(join(notes, file), 'utf8'))) {
      const [known, now] = [reached.get(name), reachedBy(functions)]
      reached.set(name, known === undefined ? now : known.map((is, at) => is | now[at]))
    }
  }
  const sources = walk(join(root, 'lib')).filter(file => file.endsWith('.ts'))
  const linesOf = new Map(sources.map(source => [source, new Map()]))
  const lib = join(root, 'dist/lib')
  for (const compiled of walk(lib).filter(file => file.endsWith('.js') && existsSync(`${file}.map`))) note(compiled, reached.get(relative(lib, compiled)), linesOf)
  let covered = 0
  let total = 0
  for (const [source, lines] of linesOf) {
    const missed = [...lines].filter(([, isReached]) => !isReached).map(([line]) => line)
    covered += lines.size - missed.length
    total += lines.size
    if (missed.length === 0 || lines.size - missed.length >= lines.size * MIN_PERCENT / 100) continue
    const percent = 100 * (lines.size - missed.length) / lines.size
    console.log(`coverage: ${percent.toFixed(1).padStart(5)} % of ${relative(root, source)}, not lines ${listed(missed)}`)
  }
  const percent = total === 0 ? 0 : 100 * covered / total
  console.log(`coverage: ${percent.toFixed(2)} % of the lines of lib/ that hold code (${covered} of ${total} in ${sources.length} files); ${MIN_PERCENT} % are asked for`)
  return percent >= MIN_PERCENT
}

/** For each character of a script whether it ran. The ranges of a function lie in those of the one around it. */
const reachedBy = functions => {
  const sorted = functions.toSorted(([[a, aEnd]], [[b, bEnd]]) => a - b || bEnd - aEnd)
  const characters = new Uint8Array(Math.max(...functions.map(([[, end]]) => end)))
  for (const ranges of sorted) for (const [start, end, count] of ranges) characters.fill(count > 0 ? 1 : 0, start, end)
  return characters
}

/**
 * Of each source in a compiled file (one, or all that were joined in it) the lines that hold code, and whether any of it ran. A file that no test
 * loaded was not reached at all.
 */
const note = (path, characters, linesOf) => {
  const code = readFileSync(path, 'utf8')
  const map = new SourceMap(JSON.parse(readFileSync(`${path}.map`, 'utf8')))
  let offset = 0
  let isComment = false
  for (const [number, text] of code.split('\n').entries()) {
    const trimmed = text.trim()
    const column = text.indexOf(trimmed)
    const begin = offset + column
    offset += text.length + 1
    if (trimmed.startsWith('/*')) isComment = true
    const holdsCode = !isComment && trimmed !== '' && !trimmed.startsWith('//') && trimmed !== 'export {};'
    if (trimmed.endsWith('*/')) isComment = false
    if (!holdsCode) continue
    const { generatedLine, originalLine, originalSource } = map.findEntry(number, column)
    const lines = generatedLine === number ? linesOf.get(join(dirname(path), originalSource)) : undefined
    if (lines === undefined) continue
    lines.set(originalLine + 1, lines.get(originalLine + 1) === true || (characters?.subarray(begin, begin + trimmed.length).includes(1) ?? false))
  }
}

/** 3-5, 9 */
const listed = numbers => numbers.toSorted((a, b) => a - b).reduce((parts, number) => {
  const last = parts.at(-1)
  if (last?.[1] === number - 1) last[1] = number
  else parts.push([number, number])
  return parts
}, []).map(([from, to]) => from === to ? from : `${from}-${to}`).join(', ')
