/**
 * A store whose commits go wrong when a test says so, over any other store; and one that notices a change that is applied twice.
 * What is wrong is said for each commit by itself, so that a test can choose by what is written.
 */
import { InternalError, StoreUnavailableError } from '../../lib/errors.ts'
import type { Change, ChangeResult, Store } from '../../lib/store/contract.ts'

export type Fault =
  /** Before: nothing is written, and the same changes may be committed again. A disk that is full. */
  | 'refused'
  /** During: nothing is written, and the store takes no further commit. An I/O error. */
  | 'broken'
  /** During, after the data had reached the disk: all is written, and the store says that it failed. */
  | 'broken-late'
  /** The process dies, before anything is written, */
  | 'killed'
  /** or after all is written and before anybody is told. */
  | 'killed-late'

export const FAULTS: readonly Fault[] = ['refused', 'broken', 'broken-late', 'killed', 'killed-late']

export interface FaultPlan {
  /** Asked before each commit. */
  faultOf(changes: readonly Change[]): Fault | undefined
  /** Ends the process, or what stands for it. Where it returns, the commit throws. Needed for 'killed' and 'killed-late' only. */
  kill?(): void
  /** All of it is written. */
  applied?(changes: readonly Change[]): void
  /** close() leaves the inner store open: it stands for a folder, which the next process opens. */
  readonly keepsOpen?: boolean
}

export function faultyStore(inner: Store, plan: FaultPlan): Store {
  const applied = new WeakSet<Change>()
  const methods = new Map<string | symbol, unknown>()
  let isBroken = false

  const write = (changes: readonly Change[]): readonly ChangeResult[] => {
    for (const change of changes) {
      if (applied.has(change)) throw new InternalError({ problem: `a change is committed a second time: ${change.type}` })
      applied.add(change)
    }
    const results = inner.commit(changes)
    plan.applied?.(changes)
    return results
  }
  const refuse = (problem: string): never => { throw new StoreUnavailableError({ store: 'a faulty store', problem }) }
  const commit = (changes: readonly Change[]): readonly ChangeResult[] => {
    if (isBroken) return refuse('it is broken')
    const fault = plan.faultOf(changes)
    if (fault === undefined) return write(changes)
    if (fault === 'refused') return refuse('the disk is full')
    if (fault === 'broken-late' || fault === 'killed-late') write(changes)
    if (fault === 'killed' || fault === 'killed-late') plan.kill?.()
    isBroken = true
    return refuse(fault === 'killed' || fault === 'killed-late' ? 'its process was killed' : 'the disk failed')
  }
  return new Proxy(inner, {
    get: (target, name) => {
      if (name === 'commit') return commit
      if (name === 'close' && plan.keepsOpen === true) return () => {}
      if (name === 'isBroken') return isBroken || target.isBroken
      const known = methods.get(name)
      if (known !== undefined) return known
      const value = Reflect.get(target, name) as unknown
      if (typeof value !== 'function') return value
      const bound = value.bind(target) as unknown
      methods.set(name, bound)
      return bound
    },
  })
}
