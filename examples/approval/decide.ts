/**
 * Sends a decision.
 *
 *   node dist/examples/approval/decide.js FOLDER RUN-ID yes|no NAME
 */
import { join } from 'node:path'
import { post } from './inbox.ts'

const [folder, runId, word, by] = process.argv.slice(2)
if (folder === undefined || runId === undefined || by === undefined || (word !== 'yes' && word !== 'no')) {
  console.error('usage: node dist/examples/approval/decide.js FOLDER RUN-ID yes|no NAME')
  process.exitCode = 2
} else {
  post(join(folder, 'inbox'), { runId, decision: { approved: word === 'yes', by } })
  console.log(`${by} says ${word} to ${runId}`)
}
