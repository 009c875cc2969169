/** The only way in which the library prints anything. */

/** Anything with pino's methods. */
export interface Logger {
  debug(fields: object, message?: string): void
  info(fields: object, message?: string): void
  warn(fields: object, message?: string): void
  error(fields: object, message?: string): void
}

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = typeof LOG_LEVELS[number]

/** Silent but for warnings and errors, which go to stderr, a line each. */
export const defaultLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: (_fields, message) => { print('warn', message) },
  error: (_fields, message) => { print('error', message) },
}

function print(level: LogLevel, message: string | undefined): void {
  process.stderr.write(`troupe ${level}: ${message ?? ''}\n`)
}
