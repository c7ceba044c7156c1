// Every failure that a person is told about, and the exit code that a program sees.

export const exits = {
  failed: 1,
  usage: 2,
  refused: 3,
  notSignedIn: 4,
  notAllowed: 5,
  conflict: 6,
  timeout: 7,
  unreachable: 8,
  interrupted: 130,
} as const
export type Exit = keyof typeof exits

export type Problem = {
  type?: string
  title?: string
  status?: number
  detail: string
  code: string
  requestId?: string
  errors?: { pointer: string; detail: string; allowed?: unknown; nearest?: unknown }[]
  idempotencyKey?: string
}

export class Failure extends Error {
  override readonly name = 'Failure'
  readonly exit: Exit
  readonly problem: Problem
  /** The same command with this key is the same request. */
  key: string | undefined

  constructor(exit: Exit, detail: string, problem?: Problem) {
    super(detail)
    this.exit = exit
    this.problem = problem ?? { code: codes[exit], detail }
  }
}

const codes: Record<Exit, string> = {
  failed: 'FAILED',
  usage: 'USAGE',
  refused: 'POLICY_VIOLATION',
  notSignedIn: 'UNAUTHENTICATED',
  notAllowed: 'NOT_FOUND',
  conflict: 'CONFLICT',
  timeout: 'TIMEOUT',
  unreachable: 'UNREACHABLE',
  interrupted: 'INTERRUPTED',
}

/** What an error answer of the API comes to. */
export function failureOf(status: number, problem: Problem): Failure {
  return new Failure(exitOf(status, problem.code), problem.detail, problem)
}

/** Of a problem that came without a status, within a stream. */
export const exitOfCode = (code: string): Exit =>
  exitOf(
    { UNAUTHENTICATED: 401, FORBIDDEN: 403, NOT_FOUND: 404, UNAVAILABLE: 503, RATE_LIMITED: 429 }[code] ?? 500,
    code,
  )

function exitOf(status: number, code: string): Exit {
  if (code === 'POLICY_VIOLATION' || code === 'QUOTA_EXCEEDED') return 'refused'
  if (status === 401) return 'notSignedIn'
  if (status === 403 || status === 404) return 'notAllowed'
  if (status === 409 || code === 'IDEMPOTENCY_KEY_REUSED') return 'conflict'
  if (status < 400 || status === 429 || (status >= 502 && status <= 504)) return 'unreachable'
  return status < 500 ? 'usage' : 'failed'
}

/** For people: what is wrong, where, and what to do. */
export function describeFailure({ problem, exit, key }: Failure): string {
  const { detail, errors = [], requestId, status = 0 } = problem
  const lines = [
    `ocpctl: ${detail}`,
    ...errors.map(({ pointer, detail: what, nearest }) => {
      const hint = nearest === undefined ? '' : `; the nearest that is allowed: ${JSON.stringify(nearest)}`
      return `  ${pointer} ${what}${hint}`
    }),
  ]
  if (exit === 'notSignedIn' && status === 401) lines.push('  sign in again: ocpctl login')
  if (status >= 500 && requestId !== undefined) lines.push(`  the request was ${requestId}`)
  if (key !== undefined)
    lines.push(`  asked with the key ${key}: the same command with --idempotency-key ${key} asks for it only once`)
  return lines.map(printable).join('\n')
}

/** Text from elsewhere must not steer the terminal. */
export const printable = (text: string) =>
  // oxlint-disable-next-line no-control-regex -- these are what must not come through
  text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, (character) => {
    const code = character.charCodeAt(0)
    return `\\x${code.toString(16).padStart(2, '0')}`
  })
