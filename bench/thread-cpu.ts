/** Processor time of single threads of this process, where the system tells it (Linux). */
import { readdirSync, readFileSync } from 'node:fs'

const TASKS = '/proc/self/task'

export class ThreadTimes {
  readonly #before: ReadonlySet<string>

  /** To be made before the thread that is to be watched. */
  constructor() {
    this.#before = new Set(threads())
  }

  /** The first thread that was made since: of a Troupe that is its supervisor's. undefined: the system does not tell. */
  first(): string | undefined {
    return threads().filter(id => !this.#before.has(id)).sort((a, b) => Number(a) - Number(b))[0]
  }
}

/** Milliseconds for which it had a core. */
export function busyMs(thread: string): number {
  return Number(readFileSync(`${TASKS}/${thread}/schedstat`, 'latin1').split(' ')[0]) / 1e6
}

function threads(): string[] {
  try {
    return readdirSync(TASKS)
  } catch {
    return []
  }
}
