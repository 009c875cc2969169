/** Seeds of simulations that found something, and what: they are run again each time. A change of the programs makes others of them. */
export interface KeptSeed {
  readonly seed: number
  readonly steps?: number
  readonly found: string
}

export const keptSeeds: readonly KeptSeed[] = [
  { seed: 67, found: 'after a refusal to be let go the clock was set back, and for as long nobody was admitted to that place' },
  { seed: 296, found: 'the same, by an hour, with one thread' },
  { seed: 134, found: 'a cancelled child was let go from memory before its end was durable, and met again as enqueued' },
  { seed: 1792446003, found: 'a queue whose rate held it back, with a start that the clock, set back since, tells to be in the future, was looked at only after that' },
  { seed: 1125574203, found: 'a queue that its rate held back was free again, and full once more by a clock that was set back before anybody was admitted: nobody looked again' },
  { seed: 95900645, found: 'of a resumed run that had failed a sleep was kept that had begun after what was forgotten: the clock had been set back in between, and the run waited for ever' },
  { seed: 95897956, found: 'the same' },
  { seed: 857443950, found: 'a schedule that was set again while the arguments of the first time were still being checked was acknowledged, and was not there' },
  { seed: 53, found: 'who was alone on a thread but for code that a finished run had left there was charged for its end' },
]
