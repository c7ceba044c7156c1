// One JSON line per event on stderr. stdout is for the output that a person or a script asked for. Text that looks like
// a secret is masked before it is written.
import { pino, type Logger, type LoggerOptions } from 'pino'
import { createMasker } from './mask.ts'

export type Log = Logger

export function openLog(level: string): Log {
  const masker = createMasker()
  const options: LoggerOptions = {
    hooks: { streamWrite: (line) => masker.mask(line) },
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    // Errors of drivers contain their whole connection. A reader needs only what happened and where.
    serializers: { err: (error: unknown) => plainError(error) },
    redact: {
      paths: ['*.password', '*.token', '*.secret', '*.pullSecret', '*.authorization', 'headers.authorization'],
      censor: '***',
    },
  }
  return pino(options, pino.destination({ dest: 2, sync: true }))
}

function plainError(error: unknown): Record<string, unknown> {
  // pg-boss reports objects that only look like errors.
  if (error !== null && typeof error === 'object' && !(error instanceof Error) && 'message' in error)
    return { message: String(error.message) }
  if (!(error instanceof Error)) return { message: String(error) }
  return {
    type: error.name,
    message: error.message,
    ...('code' in error ? { code: error.code } : {}),
    stack: error.stack,
    ...(error.cause === undefined ? {} : { cause: plainError(error.cause) }),
  }
}
