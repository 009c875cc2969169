import t from 'tap'
import { DEFAULT_QUALITY, HELP, parseArguments, UsageError } from '../../examples/archive/arguments.ts'

const quality = DEFAULT_QUALITY

t.test('the command line says what to do', async t => {
  t.same(parseArguments([]), { command: 'archive', quality })
  t.same(parseArguments(['photos', '/tmp/out']), { command: 'archive', folder: 'photos', output: '/tmp/out', quality })
  t.same(parseArguments(['a', 'b', '--threads', '3', '--quality=0']), { command: 'archive', folder: 'a', output: 'b', threads: 3, quality: 0 })
  t.same(parseArguments(['--', '-odd', 'b']), { command: 'archive', folder: '-odd', output: 'b', quality })
  t.same(parseArguments(['./verify', 'b']), { command: 'archive', folder: './verify', output: 'b', quality })
  t.same(parseArguments(['verify', 'out']), { command: 'verify', output: 'out' })
  t.same(parseArguments(['restore', 'out', 'new', '--generation', '2', '--threads=1']), { command: 'restore', output: 'out', folder: 'new', threads: 1, generation: 2 })
  for (const help of [['--help'], ['-h'], ['verify', '--help']]) t.same(parseArguments(help), { command: 'help' })
  t.ok(HELP.split('\n').every(line => line.length <= 100))
})

t.test('anything else is refused by name', async t => {
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [['a'], /OUTPUT is missing/], [['a', ''], /OUTPUT is missing/], [['a', 'b', 'c'], /"c"/], [['verify'], /OUTPUT is missing/], [['verify', 'a', 'b'], /"b"/],
    [['restore', 'a'], /FOLDER is missing/], [['restore', 'a', 'b', 'c'], /"c"/], [['--nonsense'], /--nonsense/], [['-x'], /-x/],
    [['--threads'], /threads/], [['--threads', '0'], /from 1 to 1024, not "0"/], [['--threads', '1.5'], /"1.5"/], [['--threads', 'two'], /"two"/], [['--threads=-1'], /"-1"/],
    [['--quality', '12'], /from 0 to 11/], [['verify', 'a', '--quality', '3'], /--quality is for archiving/],
    [['a', 'b', '--generation', '1'], /--generation is for restore/], [['verify', 'a', '--generation', '1'], /--generation is for restore/], [['restore', 'a', 'b', '--generation', '0'], /from 1, not "0"/]
  ]
  for (const [argv, message] of cases) t.throws(() => parseArguments(argv), { name: 'UsageError', message }, argv.join(' '))
  t.throws(() => parseArguments(['--nonsense']), UsageError)
})
