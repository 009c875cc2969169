import t from 'tap'
import { tryEndings, WAYS } from './exits.ts'

/** Longer than the supervisor takes to start, so that the end comes at any moment of it. */
const LONGEST_MS = 350

t.setTimeout(900_000)

for (const way of [WAYS.exit, WAYS.uncaught, WAYS.unhandled, WAYS.sigterm, WAYS.sigint, WAYS.sigintHandled]) {
  t.test(`the process may end while the supervisor is starting: ${way.name}`, t => tryEndings(t, way, 'starting', LONGEST_MS))
}
