import { barLine, plainLine, rowsOf, type Progress, type Style } from './progress.ts'

/** Where progress and results are shown. */
export interface Screen extends Disposable {
  /** Milliseconds between two calls of show that are worth it. */
  readonly intervalMs: number
  show(progress: Progress): void
  /** Prints a line that stays. */
  print(line: string): void
}

export interface Output {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

const PLAIN_INTERVAL_MS = 3000

/** A bar that draws over itself on a terminal; plain lines every few seconds elsewhere, and on a terminal that is dumb. */
export function openScreen(output: Output, env: NodeJS.ProcessEnv): Screen {
  return output.isTTY === true && env['TERM'] !== 'dumb' ? barScreen(output, env) : plainScreen(output)
}

function plainScreen(output: Output): Screen {
  let last = ''
  return {
    intervalMs: PLAIN_INTERVAL_MS,
    show(progress) {
      const line = plainLine(progress)
      if (line !== last) output.write(`${line}\n`)
      last = line
    },
    print: line => { output.write(`${line}\n`) },
    [Symbol.dispose]: () => {}
  }
}

function barScreen(output: Output, env: NodeJS.ProcessEnv): Screen {
  const fixed = { color: (env['NO_COLOR'] ?? '') === '', unicode: /utf-?8/i.test(env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'] || '') }
  let drawn = 0
  // A terminal that was made narrower has wrapped the line: go up as many rows as it takes now, and clear from there.
  const clear = (): string => {
    const rows = rowsOf(drawn, output.columns ?? 80)
    drawn = 0
    return `\r${rows > 1 ? `\u001b[${rows - 1}A` : ''}\u001b[J`
  }
  return {
    intervalMs: 200,
    show(progress) {
      const style: Style = { ...fixed, columns: output.columns ?? 80 }
      const erase = clear()
      drawn = barLine(progress, { ...style, color: false }).length
      output.write(`${erase}${barLine(progress, style)}`)
    },
    print(line) {
      output.write(`${drawn > 0 ? clear() : ''}${line}\n`)
    },
    [Symbol.dispose]() {
      if (drawn > 0) output.write(clear())
    }
  }
}
