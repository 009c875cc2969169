import t from 'tap'
import { execFileSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openTroupe } from '../harness.ts'
import { spawnHost } from './host-process.ts'

const HOST = fileURLToPath(new URL('../fixtures/crash/stuck-host.js', import.meta.url))
const ABUSE = new URL('../fixtures/crash/abuse.js', import.meta.url)

t.setTimeout(120_000)

t.test('close() and the end of the process do not wait for ever for a native call that does not return; the run goes on at the next open()', async t => {
  const folder = t.testdir({ exit: {}, close: {} })
  await Promise.all((['exit', 'close'] as const).map(async way => {
    const [store, trace, pipe] = ['store', 'trace', 'pipe'].map(name => join(folder, way, name)) as [string, string, string]
    execFileSync('sh', ['-c', 'mkfifo "$0"', pipe])
    const host = spawnHost(HOST, [store, trace, pipe, way])
    t.match(String(await host.ended), /SIGKILL|137/, `${way}: nothing but this ends such a process`)
    t.match(host.text(), 'native code that does not return')
    if (way === 'close') t.match(host.text(), 'closed TROUPE_CLOSED', 'close() had resolved')
    rmSync(pipe)
    writeFileSync(pipe, 'the next call returns')
    const again = await openTroupe(t, { store, workflows: ABUSE, threads: 1 })
    const handle = await again.get('stuck')
    t.equal(await handle.result(), 'the next call returns'.length)
    t.match(await handle.info(), { crashes: way === 'exit' ? 1 : 0 })
    await again.close({ mode: 'abandon' })
  }))
})
