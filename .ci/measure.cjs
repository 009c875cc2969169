'use strict'
/**
 * Loaded into the process of a test before anything else: notes which code of dist/lib its main thread reaches, for coverage.js. Threads
 * and child processes are left as they are; this is CommonJS and knows them by isMainThread, because threads inherit what node was told to load.
 */
const { isMainThread } = require('node:worker_threads')

if (isMainThread) {
  const { writeFileSync } = require('node:fs')
  const { Session } = require('node:inspector')
  const path = require('node:path')
  const { pathToFileURL } = require('node:url')

  const lib = `${pathToFileURL(path.join(__dirname, '../dist/lib')).href}/`
  const folder = process.env.TROUPE_COVERAGE
  delete process.env.TROUPE_COVERAGE
  const session = new Session()
  session.connect()
  session.post('Profiler.enable')
  session.post('Profiler.startPreciseCoverage', { callCount: false, detailed: true })
  process.once('exit', () => {
    session.post('Profiler.takePreciseCoverage', (error, { result }) => {
      if (error) throw error
      const scripts = result.filter(({ url }) => url.startsWith(lib)).map(({ url, functions }) => ({
        file: url.slice(lib.length),
        functions: functions.map(({ ranges }) => ranges.map(({ startOffset, endOffset, count }) => [startOffset, endOffset, count])),
      }))
      writeFileSync(path.join(folder, `${process.pid}-${Date.now()}.json`), JSON.stringify(scripts))
    })
  })
}
