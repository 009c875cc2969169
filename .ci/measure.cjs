'use strict'
/**
 * Loaded before anything else into the process of a test and into the threads that it makes itself, such as a supervisor: notes which code of
 * dist/lib they reach, for coverage.js. Threads of threads and child processes are left as they are; nor would a thread that is ended tell.
 */
const { isMainThread, threadId } = require('node:worker_threads')

const folder = process.env.TROUPE_COVERAGE
if (folder !== undefined) {
  if (!isMainThread) delete process.env.TROUPE_COVERAGE
  const { writeFileSync } = require('node:fs')
  const { Session } = require('node:inspector')
  const path = require('node:path')
  const { pathToFileURL } = require('node:url')

  const lib = `${pathToFileURL(path.join(__dirname, '../dist/lib')).href}/`
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
      writeFileSync(path.join(folder, `${process.pid}-${threadId}-${Date.now()}.json`), JSON.stringify(scripts))
    })
  })
}
