/**
 * What a user's editor knows: arguments are checked and results inferred from the definition of a workflow to the handle
 * on the host. Only compiled, never run. Each `@ts-expect-error` fails to compile once the line below it is accepted.
 */
import type { RunHandle, Troupe } from 'troupe'
import { runStep, startChild, step, workflow } from 'troupe/workflow'

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false
/** Compiles when `value` has exactly the type named, no wider and no narrower one. */
declare function exactly<Expected>(): <Actual>(value: Actual, ...same: Same<Expected, Actual> extends true ? [] : [never]) => void

interface Thumbnail { readonly path: string, readonly bytes: number }

const fetchPage = step(async (url: string, retries?: number) => `${url}${retries ?? 0}`, { name: 'fetchPage' })
const measure = step((text: string) => text.length, { name: 'measure', retriesAllowed: true })
const thumbnail = workflow(async (path: string, width: number): Promise<Thumbnail> => ({ path, bytes: width }), { name: 'thumbnail' })
const countWords = workflow((text: string) => text.split(' ').length, { name: 'countWords' })
const nothing = workflow(async () => {}, { name: 'nothing' })

class Media {
  @step({ retriesAllowed: true, maxAttempts: 10 })
  async probe(path: string): Promise<number> { return path.length }

  @workflow({ name: 'Media.convert', isolated: true })
  static async convert(path: string, options: { readonly codec: 'av1' | 'h264' }): Promise<Thumbnail> { return { path, bytes: options.codec.length } }
}

export async function steps(): Promise<void> {
  exactly<Promise<string>>()(fetchPage('a'))
  exactly<Promise<string>>()(fetchPage('a', 1))
  exactly<Promise<number>>()(measure('a'))
  exactly<Promise<number>>()(runStep(() => 1, { name: 'one' }))
  exactly<Promise<string>>()(runStep(async () => 'one', { name: 'one' }))
  exactly<Promise<number>>()(new Media().probe('a'))
  exactly<string>()(fetchPage.stepName)
  // @ts-expect-error a step's arguments are those of its function
  void fetchPage(1)
  // @ts-expect-error none may be left out
  void measure()
  // @ts-expect-error an unknown option
  step(async () => 1, { name: 'x', retries: 3 })
  // @ts-expect-error an option of the wrong type
  step(async () => 1, { name: 'x', maxAttempts: 'three' })
  // @ts-expect-error a decorated step must be async
  class Wrong { @step() probe(): number { return 1 } }
  void Wrong
}

export async function children(): Promise<void> {
  exactly<Promise<Thumbnail>>()(thumbnail('a', 1))
  exactly<Promise<number>>()(countWords('a b'))
  const child = await startChild(thumbnail, ['a', 1], { id: 'child', timeoutSeconds: null })
  exactly<Promise<Thumbnail>>()(child.result())
  exactly<string>()(child.id)
  exactly<Promise<Thumbnail>>()((await startChild(Media.convert, ['a', { codec: 'av1' }])).result())
  // @ts-expect-error a child's arguments are those of its workflow
  void startChild(thumbnail, ['a', 'wide'])
  // @ts-expect-error none may be left out
  void startChild(thumbnail, ['a'])
  // @ts-expect-error called directly, too
  void thumbnail('a')
}

export async function start(troupe: Troupe): Promise<void> {
  const run = await troupe.start(thumbnail, ['a', 1], { id: 'one', priority: 1, tags: { kind: 'image' } })
  exactly<RunHandle<Thumbnail>>()(run)
  exactly<Promise<Thumbnail>>()(run.result({ timeoutSeconds: 1 }))
  exactly<RunHandle<number>>()(await troupe.start(countWords, ['a b']))
  exactly<RunHandle<void>>()(await troupe.start(nothing, []))
  exactly<RunHandle<Thumbnail>>()(await troupe.start(Media.convert, ['a', { codec: 'h264' }]))
  // @ts-expect-error a wrong argument
  void troupe.start(thumbnail, ['a', 'wide'])
  // @ts-expect-error an argument left out
  void troupe.start(thumbnail, ['a'])
  // @ts-expect-error one too many
  void troupe.start(thumbnail, ['a', 1, 2])
  // @ts-expect-error arguments are an array
  void troupe.start(countWords, 'a b')
  // @ts-expect-error inside a decorated method's argument
  void troupe.start(Media.convert, ['a', { codec: 'gif' }])
  // @ts-expect-error an unknown option
  void troupe.start(countWords, ['a'], { retries: 1 })
  // @ts-expect-error what is started is a workflow or its name
  void troupe.start(42, [])
}

export async function startByName(troupe: Troupe): Promise<void> {
  const run = await troupe.start<[string, number], Thumbnail>('thumbnail', ['a', 1])
  exactly<RunHandle<Thumbnail>>()(run)
  exactly<RunHandle<unknown>>()(await troupe.start('thumbnail', ['a', 1]))
  exactly<RunHandle<Thumbnail>>()(await troupe.get<Thumbnail>('one'))
  exactly<RunHandle<unknown>>()(await troupe.get('one'))
  // @ts-expect-error a wrong argument, where the name's types were given
  void troupe.start<[string, number], Thumbnail>('thumbnail', ['a', 'wide'])
}

export async function startMany(troupe: Troupe): Promise<void> {
  exactly<RunHandle<Thumbnail>[]>()(await troupe.startMany(thumbnail, [{ args: ['a', 1] }, { args: ['b', 2], options: { id: 'b' } }]))
  exactly<RunHandle<Thumbnail>[]>()(await troupe.startMany<[string, number], Thumbnail>('thumbnail', [{ args: ['a', 1] }]))
  // @ts-expect-error a wrong argument in any of them
  void troupe.startMany(thumbnail, [{ args: ['a', 1] }, { args: ['b', 'wide'] }])
}
