/** What must hold of the lines that a killed and reopened host, and the steps in it, left behind. Each check gives what is wrong. */
import type { Line } from '../fixtures/crash/log.ts'

type Entered = Line & { readonly type: 'entered' }

/** A step that a later one was called with, or whose run's outcome was told, was acknowledged: it does not run any more. */
export function ranAfterAcknowledgement(lines: readonly Line[]): readonly string[] {
  const steps = new Map<string, Line>()
  const runs = new Map<string, Line>()
  const wrong: string[] = []
  for (const line of lines) {
    if (line.type === 'told') runs.set(line.run, line)
    if (line.type !== 'entered') continue
    const by = steps.get(stepOf(line)) ?? runs.get(line.run)
    if (by !== undefined) wrong.push(`${stepOf(line)} ran in boot ${line.boot} though ${JSON.stringify(by)}`)
    for (const earlier of line.after) steps.set(earlier, line)
  }
  return wrong
}

/** Attempts count from 1 without a gap and never back; one number comes twice only when the process died in between; inputs stay the same. */
export function wrongAttempts(lines: readonly Line[]): readonly string[] {
  const last = new Map<string, Entered>()
  const wrong: string[] = []
  for (const line of lines) {
    if (line.type !== 'entered') continue
    const before = last.get(stepOf(line))
    last.set(stepOf(line), line)
    const told = `${stepOf(line)}: attempt ${line.attempt} in boot ${line.boot}, after ${before === undefined ? 'none' : `${before.attempt} in boot ${before.boot}`}`
    if (before === undefined) {
      if (line.attempt !== 1) wrong.push(told)
      continue
    }
    const isRepeated = line.attempt === before.attempt && line.boot > before.boot
    if (!isRepeated && line.attempt !== before.attempt + 1) wrong.push(told)
    if (line.inputs !== before.inputs) wrong.push(`${stepOf(line)} had other inputs`)
  }
  return wrong
}

/** The outcome of every run that was told one; a second telling must be the same. */
export function outcomes(lines: readonly Line[]): { readonly told: ReadonlyMap<string, string>, readonly wrong: readonly string[] } {
  const told = new Map<string, string>()
  const wrong: string[] = []
  for (const line of lines) {
    if (line.type === 'lost') wrong.push(`${line.run} was acknowledged and is lost in boot ${line.boot}`)
    if (line.type !== 'told') continue
    const before = told.get(line.run)
    if (before !== undefined && before !== line.outcome) wrong.push(`${line.run} was told ${before}, then ${line.outcome}`)
    told.set(line.run, line.outcome)
  }
  return { told, wrong }
}

/** The highest attempt entered of each step. */
export function attemptsEntered(lines: readonly Line[]): ReadonlyMap<string, number> {
  const attempts = new Map<string, number>()
  for (const line of lines) if (line.type === 'entered') attempts.set(stepOf(line), Math.max(line.attempt, attempts.get(stepOf(line)) ?? 0))
  return attempts
}

function stepOf(line: Entered): string {
  return `${line.run}#${line.step}`
}
