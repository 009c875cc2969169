/** Seeds of simulations that found something, and what: they are run again each time. A change of the programs makes others of them. */
export interface KeptSeed {
  readonly seed: number
  readonly steps?: number
  readonly found: string
}

export const keptSeeds: readonly KeptSeed[] = [
]
