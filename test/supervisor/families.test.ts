/** cancel({ children: true }): the whole family, in one commit, whatever else the supervisor does meanwhile. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { RunCancelledError, Troupe, UnknownRunError } from 'troupe'
import { encodeValue } from '../../lib/codec/value.ts'
import type { RunKey } from '../../lib/model/run.ts'
import type { Change, Store } from '../../lib/store/contract.ts'
import { openLmdbStore } from '../../lib/store/lmdb/index.ts'
import { createMemoryStore } from '../../lib/store/memory/index.ts'
import { Runs } from '../../lib/supervisor/runs.ts'
import type { Member } from '../fixtures/operations/family.ts'
import type { Files } from '../fixtures/operations/guarded.ts'
import { readTrace } from '../fixtures/trace.ts'
import { recordingLogger, rejection, storeFolder, until } from '../harness.ts'
import { inlineLink } from '../harness-inline.ts'
import { faultyStore } from '../store/faulty-store.ts'
import { newRun, started } from '../store/runs.ts'

const workflows = ['family', 'guarded', 'script'].map(name => new URL(`../fixtures/operations/${name}.js`, import.meta.url))

async function openOver(t: Test, store: Store, threads = 2): Promise<Troupe> {
  const troupe = await Troupe.openOver({ store: '/nowhere', workflows, threads, actorsPerThread: 16, logger: recordingLogger() }, inlineLink({ openStore: () => store }))
  t.teardown(() => troupe.close({ mode: 'abandon' }))
  return troupe
}

const stores: Readonly<Record<string, (t: Test) => Store | Promise<Store>>> = {
  memory: () => createMemoryStore(),
  LMDB: t => openLmdbStore({ folder: storeFolder(t), durability: 'process-crash' }),
}

/** A run that waits, with as many generations of waiting children, three each. */
function ancestor(id: string, generations: number): Member {
  return { id, waits: true, children: generations === 0 ? [] : [0, 1, 2].map(i => ancestor(`${id}/${i}`, generations - 1)) }
}

function idsOf(member: Member): string[] {
  return [member.id, ...(member.children ?? []).flatMap(idsOf)]
}

for (const [name, open] of Object.entries(stores)) {
  t.test(`over ${name}: a family is cancelled with one look at the children of each, while other runs keep the supervisor committing`, async t => {
    let looks = 0
    const inner = await open(t)
    const store = new Proxy(inner, { get: (target, name) => {
      if (name === 'children') looks++
      const value = Reflect.get(target, name) as unknown
      return typeof value === 'function' ? value.bind(target) as unknown : value
    } })
    const troupe = await openOver(t, store)
    let isOver = false
    const others = [0, 1].map(async () => {
      while (!isOver) await (await troupe.start('script', Array.from({ length: 20 }, (_, i) => ({ do: 'set', key: 'k', value: i })))).result()
    })
    for (let round = 0; round < 3; round++) {
      const member = ancestor(`family ${round}`, 2)
      const ids = idsOf(member)
      const oldest = await troupe.start('family', [member], { id: member.id })
      await until('all wait', async () => (await Promise.all(ids.map(id => troupe.get(id).then(run => run.info(), () => undefined)))).every(info => info?.waitsFor === 'a message'))
      const before = looks
      await oldest.cancel({ children: true })
      t.equal(looks - before, ids.length)
      for (const id of ids) t.ok(await rejection((await troupe.get(id)).result()) instanceof RunCancelledError)
    }
    isOver = true
    await Promise.all(others)
  })

  t.test(`over ${name}: a child whose start is not durable yet is cancelled in the same commit as its parent`, async t => {
    const startsLate = (changes: readonly Change[]): boolean => changes.some(change => change.type === 'run-started' && change.meta.id === 'late')
    const endOf = (id: string, changes: readonly Change[]): boolean => changes.some(change => change.type === 'run-changed' && change.meta.id === id
      && (change.after.ending?.reason === 'cancelled' || change.after.status === 'cancelled'))
    let seen: readonly Change[] = []
    let isRefused = true
    let applied: readonly Change[] = []
    const store = faultyStore(await open(t), {
      faultOf: changes => {
        if (!startsLate(changes)) return undefined
        seen = changes
        return isRefused ? 'refused' : undefined
      },
      applied: changes => { if (startsLate(changes)) applied = changes },
    })
    const troupe = await openOver(t, store)
    const parent = await troupe.start('family', [{ id: 'parent', waits: true, children: [{ id: 'late', waits: true, children: [{ id: 'later' }] }] }], { id: 'parent' })
    await until('the store has refused the start of the child', () => startsLate(seen))
    const cancelled = parent.cancel({ children: true })
    await until('the store has refused the cancel', () => endOf('parent', seen))
    isRefused = false
    await cancelled
    if (!t.ok(endOf('parent', applied) && endOf('late', applied), 'both are in one commit')) return
    for (const id of ['parent', 'late']) t.ok(await rejection((await troupe.get(id)).result()) instanceof RunCancelledError)
    t.equal(await troupe.count(), 2)
  })
}

t.test('a parent that is being cancelled starts no child whose arguments were still being checked', async t => {
  const folder = t.testdir({})
  const files: Files = { trace: join(folder, 'trace'), checked: join(folder, 'checked'), end: join(folder, 'end') }
  const troupe = await openOver(t, createMemoryStore(), 1)
  const parent = await troupe.start('guardian', [files, 'late'])
  await until('the arguments are being checked', () => readTrace(files.trace).length > 0)
  await parent.cancel({ children: true, graceSeconds: 3600 })
  writeFileSync(files.checked, '')
  // Checked in the same thread, and answered after the child's.
  t.equal(await (await troupe.start('guarded', [files])).result(), 'guarded')
  t.ok(await rejection(troupe.get('late')) instanceof UnknownRunError)
  writeFileSync(files.end, '')
  t.ok(await rejection(parent.result()) instanceof RunCancelledError)
  t.equal(await troupe.count(), 2)
})

t.test('finished runs that are looked at for a family\'s sake do not gather in memory', async t => {
  const store = createMemoryStore()
  const value = encodeValue(1, { what: 'a value', root: 'value' })
  const ended = newRun(store, {}, 'succeeded', { finishedAtMs: 1 })
  const waiting = newRun(store, {}, 'waiting')
  store.commit([started(ended), { type: 'outcome-recorded', key: ended.key, outcome: { type: 'result', value } }, started(waiting)])
  const runs = new Runs(store, () => {})
  t.equal(runs.unfinished(ended.key), undefined)
  t.equal(runs.loaded(ended.key), undefined, 'it was read for that alone')
  const known = runs.get(ended.key)!
  t.equal(runs.unfinished(ended.key), undefined)
  t.equal(runs.loaded(ended.key), known, 'what was in memory stays')
  t.equal(runs.unfinished(waiting.key), runs.loaded(waiting.key))
  t.equal(runs.unfinished(999 as RunKey), undefined)
})
