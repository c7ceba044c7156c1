// One JSON line an event: on stdout for a service, on stderr for a command, whose stdout is for the output that was asked
// for. Text that looks like a secret is masked before it is written. Lines name what they are about by `requestId`,
// `clusterId`, `jobId` and `traceId`.
import { pino, type DestinationStream, type Logger, type LoggerOptions } from 'pino'
import { createMasker } from './mask.ts'

export type Log = Logger

/** Of a service. A terminal is shown lines for people. */
export async function openServiceLog(level: string): Promise<Log> {
  if (!process.stdout.isTTY) return openLog(level, pino.destination({ dest: 1, sync: true }))
  const { default: pretty } = await import('pino-pretty')
  return openLog(level, pretty({ destination: 1, sync: true, translateTime: 'SYS:HH:MM:ss', singleLine: true }))
}

export function openLog(
  level: string,
  destination: DestinationStream = pino.destination({ dest: 2, sync: true }),
): Log {
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
  return pino(options, destination)
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
