/** What happened in a simulation, line by line; its hash tells whether two simulations were the same. */
const KEPT = 400

export class Trace {
  readonly #onLine: ((line: string) => void) | undefined
  readonly #last: string[] = []
  #high = 0x811c9dc5
  #low = 0x9747b28c

  constructor(onLine: ((line: string) => void) | undefined) {
    this.#onLine = onLine
  }

  add(line: string): void {
    for (let i = 0; i < line.length; i++) {
      const code = line.charCodeAt(i)
      this.#high = Math.imul(this.#high ^ code, 0x01000193)
      this.#low = Math.imul(this.#low ^ code, 0x5bd1e995) ^ (this.#low >>> 15)
    }
    this.#last.push(line)
    if (this.#last.length > 2 * KEPT) this.#last.splice(0, KEPT)
    this.#onLine?.(line)
  }

  get hash(): string {
    return [this.#high, this.#low].map(half => (half >>> 0).toString(16).padStart(8, '0')).join('')
  }

  /** The last lines. */
  get last(): readonly string[] {
    return this.#last.slice(-KEPT)
  }
}
