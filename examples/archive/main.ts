import { archive } from './archive-command.ts'
import { HELP, parseArguments, UsageError, type Command } from './arguments.ts'
import { failureText } from './endings.ts'
import { restore } from './restore-command.ts'
import { openScreen, type Screen } from './screen.ts'
import { verify } from './verify-command.ts'

/** Does what the command line says and resolves with the exit code. */
async function main(argv: readonly string[]): Promise<number> {
  let command: Command
  try {
    command = parseArguments(argv)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    process.stderr.write(`${error.message}\nnpm start -- --help says what there is\n`)
    return 2
  }
  if (command.command === 'help') {
    process.stdout.write(HELP)
    return 0
  }
  using screen = openScreen(process.stdout, process.env)
  try {
    return await perform(command, screen)
  } catch (error) {
    process.stderr.write(`${failureText(error)}\n`)
    return 1
  }
}

async function perform(command: Exclude<Command, { command: 'help' }>, screen: Screen): Promise<number> {
  switch (command.command) {
    case 'archive': return await archive(command, screen)
    case 'verify': return await verify(command, screen)
    case 'restore': return await restore(command, screen)
  }
}

// A reader that went away (npm start | head) must not end the work.
process.stdout.on('error', () => {})
process.exitCode = await main(process.argv.slice(2))
