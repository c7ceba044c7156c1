// What AWS says instead of an answer. A refusal is told together with the permissions that are missing. Silence never
// counts as emptiness.
const SHOWN_ACTIONS = 3

/** AWS was asked and did not tell. The cause is what the SDK threw. */
export class NotAnswered extends Error {
  override readonly name = 'NotAnswered'
  /** The IAM action, which is also the name of the call. */
  readonly action: string

  constructor(action: string, why: string, cause?: unknown) {
    super(why, { cause })
    this.action = action
  }
}

// Exact names, since any 404 without a name is called NotFound. The first is of a classic load balancer, the last of a
// key.
const MISSING = /^((AccessPoint|LoadBalancer|TargetGroup)NotFound|NotFound)Exception$|^NoSuchHostedZone$/

const DENIED = /^(AccessDenied(Exception)?|Unauthorized(Operation|Exception))$/

const NOT_LET_IN =
  /^(AuthFailure|OptInRequired|(Credentials|Token)ProviderError|(Expired|Invalid)Token(Exception)?|RequestExpired|Invalid(AccessKeyId|ClientTokenId|SignatureException)|IncompleteSignature|SignatureDoesNotMatch|MissingAuthenticationToken(Exception)?|UnrecognizedClientException)$/

export function unlessMissing(error: unknown): [] {
  if (isMissing(error)) return []
  throw error
}

export function isMissing(error: unknown): boolean {
  return error instanceof NotAnswered && error.cause instanceof Error && MISSING.test(error.cause.name)
}

export function missingAction(error: unknown): string | undefined {
  return /not authorized to perform: ([\w-]+:\w+)/.exec(error instanceof Error ? error.message : '')?.[1]
}

export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { name, message } = error
  const [, who] = /User: (\S+) is not authorized/.exec(message) ?? []
  const [, by] = /explicit deny in (?:an? )?([\w -]+?)(?:$|[.:])/.exec(message) ?? []
  if (DENIED.test(name)) return `${who ?? 'the caller'} ${by ? `is denied by a ${by}` : 'lacks the permission'}`
  // A refused connection to a name with several addresses has no message of its own.
  const [text = ''] = (message || ('code' in error ? String(error.code) : '')).split('\n')
  const told = `${name === 'Error' ? '' : `${name}: `}${text.slice(0, 200)}`
  return NOT_LET_IN.test(name) ? `the credentials are not accepted, ${told}` : told
}

/** Lists every missing permission, so that one look is enough. Of other failures it lists a few places. */
export function explain(refusals: NotAnswered[]): string {
  const lines = [...Map.groupBy(refusals, ({ message }) => message)].map(([why, alike]) => {
    const actions = [...new Set(alike.map(({ action }) => action))].sort()
    const isDenied = alike.some(({ cause }) => cause instanceof Error && DENIED.test(cause.name))
    const shown = isDenied ? actions : actions.slice(0, SHOWN_ACTIONS)
    return `${why} (${shown.join(', ')}${actions.length > shown.length ? ', …' : ''})`
  })
  return `AWS is not verified: ${lines.sort().join('; ')}`
}
