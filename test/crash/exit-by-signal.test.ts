import t from 'tap'
import { tryEndings, WAYS } from './exits.ts'

const LONGEST_MS = 120

t.setTimeout(900_000)

t.test('SIGTERM in the midst of commits ends the process as ever', t => tryEndings(t, WAYS.sigterm, 'working', LONGEST_MS))
t.test('SIGINT in the midst of commits ends the process as ever', t => tryEndings(t, WAYS.sigint, 'working', LONGEST_MS))
t.test('a SIGINT handler that exits in the midst of commits is clean', t => tryEndings(t, WAYS.sigintHandled, 'working', LONGEST_MS))
