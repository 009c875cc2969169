/**
 * Does `count` pieces of work, at most `lanes` of them at once. Whichever lane is free takes the next one: on replay that is the
 * same lane again, since results are given back in the order in which they were recorded.
 */
export async function inLanes(count: number, lanes: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < count) {
      const index = next
      next += 1
      await work(index)
    }
  }
  await Promise.all(Array.from({ length: Math.min(lanes, count) }, lane))
}
