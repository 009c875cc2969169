import t from 'tap'
import { tryEndings, WAYS } from './exits.ts'

/** Far more than a few commits take, so that the end comes at any moment of one. */
const LONGEST_MS = 120

t.setTimeout(900_000)

t.test('process.exit() in the midst of commits is clean', t => tryEndings(t, WAYS.exit, 'working', LONGEST_MS))
t.test('an uncaught error in the midst of commits ends the process as ever', t => tryEndings(t, WAYS.uncaught, 'working', LONGEST_MS))
t.test('an unhandled rejection in the midst of commits ends the process as ever', t => tryEndings(t, WAYS.unhandled, 'working', LONGEST_MS))
t.test('after unref() the program ends when it has nothing else to do, in the midst of commits', t => tryEndings(t, WAYS.unref, 'working', LONGEST_MS))
