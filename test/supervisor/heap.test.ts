import fc from 'fast-check'
import t from 'tap'
import type { Test } from 'tap'
import { Heap } from '../../lib/supervisor/heap.ts'

const ascending = (a: number, b: number): number => a - b
const heapOf = (items: readonly number[]): Heap<number> => {
  const heap = new Heap<number>((a, b) => a < b)
  for (const item of items) heap.push(item)
  return heap
}

function emptied(heap: Heap<number>): number[] {
  const items = []
  for (let item = heap.pop(); item !== undefined; item = heap.pop()) items.push(item)
  return items
}

function holds<Args extends [unknown, ...unknown[]]>(t: Test, property: fc.IProperty<Args>): void {
  const details = fc.check(property)
  t.comment(`seed ${details.seed}`)
  t.notOk(details.failed, fc.defaultReportMessage(details) ?? `${details.numRuns} runs`)
}

t.test('a heap gives back what was put in, the smallest first', async t => {
  holds(t, fc.property(fc.array(fc.integer()), items => {
    const heap = heapOf(items)
    return heap.size === items.length && String(emptied(heap)) === String([...items].sort(ascending)) && heap.size === 0 && heap.peek() === undefined
  }))
})

t.test('a heap answers like a sorted list, in whatever order it is filled and emptied', async t => {
  holds(t, fc.property(fc.array(fc.option(fc.integer({ min: -50, max: 50 }))), moves => {
    const heap = heapOf([])
    const sorted: number[] = []
    return moves.every(move => {
      if (move === null) return heap.pop() === sorted.shift()
      heap.push(move)
      sorted.push(move)
      sorted.sort(ascending)
      return heap.peek() === sorted[0] && heap.size === sorted.length
    })
  }))
})

t.test('keeping the smallest leaves a heap of them and gives them in order', async t => {
  holds(t, fc.property(fc.array(fc.integer()), fc.nat(20), fc.array(fc.integer()), (items, count, later) => {
    const heap = heapOf(items)
    const kept = [...items].sort(ascending).slice(0, count)
    if (String(heap.keepSmallest(count)) !== String(kept)) return false
    for (const item of later) heap.push(item)
    return String(emptied(heap)) === String([...kept, ...later].sort(ascending))
  }))
})
