import { root, walk } from './paths.js'
import { join } from 'node:path'

/** A reporter for knip that fails the run when knip did not look at the sources: silence is no proof of order. */
export default ({ counters }) => {
  const sources = ['lib', 'workers'].flatMap(folder => walk(join(root, folder))).filter(file => file.endsWith('.ts')).length
  console.log(`knip looked at ${counters.total} files`)
  if (sources < 30 || counters.total < sources) {
    console.error(`knip looked at ${counters.total} files; lib/ and workers/ alone have ${sources}`)
    process.exit(1)
  }
}
