// Every failure that a person may be told about. The code is stable and determines the status. The detail says what is
// wrong, where, and what to do. Any other failure is a bug: it is logged at the edge and never shown.

const statusByCode = {
  BAD_INPUT: 400,
  IDEMPOTENCY_KEY_MISSING: 400,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  REQUEST_TIMEOUT: 408,
  CONFLICT: 409,
  NAME_TAKEN: 409,
  NOT_IN_STATE: 409,
  PAYLOAD_TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  IDEMPOTENCY_KEY_REUSED: 422,
  POLICY_VIOLATION: 422,
  TOO_MANY: 422,
  QUOTA_EXCEEDED: 409,
  RATE_LIMITED: 429,
  HEADERS_TOO_LARGE: 431,
  UNAVAILABLE: 503,
} as const

export type ErrorCode = keyof typeof statusByCode
export type ErrorStatus = (typeof statusByCode)[ErrorCode]
export type FieldError = {
  pointer: string
  detail: string
  /** The values that would be accepted, or the range that they lie in. */
  allowed?: (string | number)[] | { min?: number; max?: number }
  /** The allowed value that is nearest to the given one. */
  nearest?: string | number
}

export class AppError extends Error {
  override readonly name = 'AppError'
  readonly code: ErrorCode
  readonly errors: FieldError[] | undefined

  constructor(code: ErrorCode, detail: string, errors?: FieldError[]) {
    super(detail)
    this.code = code
    this.errors = errors
  }

  get status(): ErrorStatus {
    return statusByCode[this.code]
  }
}

/** The message of anything thrown, without the null characters that PostgreSQL refuses to store. */
export function messageOf(error: unknown): string {
  // Drizzle puts the statement and its values into the message. The cause says what went wrong.
  if (error instanceof Error && 'params' in error && error.cause !== undefined) return messageOf(error.cause)
  return (error instanceof Error ? error.message : String(error)).replaceAll('\u0000', '')
}

/** Whether a thrown value is an operating-system or database error of one of these codes. */
export function hasCode(error: unknown, ...codes: string[]): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if ('code' in cause && codes.includes(String(cause.code))) return true
  return false
}

/** Whether the database refused something because of this constraint or unique index. */
export function isOfConstraint(error: unknown, name: string): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if ('constraint' in cause && cause.constraint === name) return true
  return false
}

/** Codes of connection exceptions, an administrator's shutdown, a crash, a start, and no free connection. */
const GONE_CODES = /^(08...|57P0[123]|53300|ECONNRESET|ECONNREFUSED|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH)$/
/** Messages of pg and its pool that come without a code. */
const GONE_MESSAGES =
  /^(Connection terminated|Client has encountered a connection error|Client was closed|Query read timeout|timeout exceeded when trying to connect|timeout expired)/

/** Whether the database went away, or had no connection left. It may answer when it is asked again in a moment. */
export function isDatabaseGone(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (GONE_MESSAGES.test(cause.message)) return true
    if ('code' in cause && GONE_CODES.test(String(cause.code))) return true
    if (cause instanceof AggregateError && cause.errors.some(isDatabaseGone)) return true
  }
  return false
}
