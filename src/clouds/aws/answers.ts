// What AWS says instead of an answer, and whether that is a refusal.
import { NotAnswered } from '../asking.ts'

// Exact names, since any 404 without a name is called NotFound. The first is of a classic load balancer, the second of a
// key; then come IAM, and EC2.
const MISSING =
  /^((AccessPoint|LoadBalancer|TargetGroup)NotFound|NotFound)Exception$|^NoSuchHostedZone$|^NoSuchEntity(Exception)?$|^Invalid(Volume|Snapshot)\.NotFound$/

const DENIED = /^(AccessDenied(Exception)?|Unauthorized(Operation|Exception))$/

const NOT_LET_IN =
  /^(AuthFailure|OptInRequired|(Credentials|Token)ProviderError|(Expired|Invalid)Token(Exception)?|RequestExpired|Invalid(AccessKeyId|ClientTokenId|SignatureException)|IncompleteSignature|SignatureDoesNotMatch|MissingAuthenticationToken(Exception)?|UnrecognizedClientException)$/

/** The cloud has no machine of this type in this zone. */
export const NO_CAPACITY = /^Insufficient(Instance|Host|Reserved\w*)?Capacity/

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

export const isDenial = (error: unknown): boolean => error instanceof Error && DENIED.test(error.name)

export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { name, message } = error
  const [, who] = /User: (\S+) is not authorized/.exec(message) ?? []
  const [, by] = /explicit deny in (?:an? )?([\w -]+?)(?:$|[.:])/.exec(message) ?? []
  if (isDenial(error)) return `${who ?? 'the caller'} ${by ? `is denied by a ${by}` : 'lacks the permission'}`
  // A refused connection to a name with several addresses has no message of its own.
  const [text = ''] = (message || ('code' in error ? String(error.code) : '')).split('\n')
  const told = `${name === 'Error' ? '' : `${name}: `}${text.slice(0, 200)}`
  return NOT_LET_IN.test(name) ? `the credentials are not accepted, ${told}` : told
}
