/**
 * Sign-in with an AWS identity. The caller presigns STS GetCallerIdentity with a header that names this server, and
 * sends the URL as its token. STS says whose signature it is. The URL comes from the caller and is not trusted: only
 * the hosts, paths and actions that are allowed here are asked, and no redirect is followed. A token for another server
 * has the wrong signature. The protocol is that of aws-iam-authenticator, under names of our own.
 */
import { createHash } from 'node:crypto'
import { IAMClient, paginateListGroupsForUser, type IAMClientConfig } from '@aws-sdk/client-iam'
import { LRUCache } from 'lru-cache'
import { z } from 'zod'
import { AppError, messageOf } from '../errors.ts'
import type { Log } from '../observability/log.ts'
import { readArn } from './arn.ts'
import type { Identity, Principal } from './principal.ts'

export const AWS_TOKEN_PREFIX = 'ocpctl-aws-v1.'
export const SERVER_ID_HEADER = 'x-ocpctl-server-id'
/** How long a presigned request counts from its signing. STS itself takes no older one. */
export const LONGEST_LIFE_SECONDS = 15 * 60

const CLOCK_SKEW_MS = 5 * 60_000
const ANSWER_MS = 5000
const ANSWER_BYTES = 16 * 1024
const ASKED_AT_ONCE = 32

// https://docs.aws.amazon.com/general/latest/gr/sts.html: global, regional and FIPS endpoints of all partitions.
const REGION =
  '(?:af|ap|ca|cn|eu|il|me|mx|sa|us|us-gov)-(?:north|south|east|west|central|northeast|northwest|southeast|southwest)-[1-9]'
const AWS_STS = new RegExp(
  `^https://(?:sts\\.amazonaws\\.com|sts(?:-fips)?\\.${REGION}\\.amazonaws\\.com|sts\\.cn-(?:north|northwest)-1\\.amazonaws\\.com\\.cn)$`,
)

const PARAMETERS = [
  'Action',
  'Version',
  'X-Amz-Algorithm',
  'X-Amz-Credential',
  'X-Amz-Date',
  'X-Amz-Expires',
  'X-Amz-SignedHeaders',
  'X-Amz-Signature',
]
const OPTIONAL_PARAMETERS = ['X-Amz-Security-Token', 'X-Amz-Content-Sha256', 'x-amz-user-agent', 'x-id']

const answerSchema = z.object({
  GetCallerIdentityResponse: z.object({
    GetCallerIdentityResult: z.object({ Arn: z.string().max(2048), Account: z.string() }),
  }),
})

export type AwsIamOptions = {
  serverId: string
  /** Origins that may be asked instead of those of AWS. */
  stsEndpoints?: readonly string[] | undefined
  /** Accounts whose identities may sign in. undefined: any account. */
  accounts?: readonly string[] | undefined
  /** The owners of the groups that have a role. Only users of these owners are asked for their groups. */
  groupOwners: () => Promise<ReadonlySet<string>>
  /** IAM is asked for the groups of users, with the server's own credentials. */
  iam: IAMClientConfig
  log: Log
}
export type AwsIam = { identityOf: (token: string) => Promise<Identity> }
type Known = { identity: Identity; expiresAt: number }

export function openAwsIam(options: AwsIamOptions): AwsIam {
  // Only what STS has confirmed, by the hash of the token. The token itself is kept nowhere.
  const known = new LRUCache<string, Known>({ max: 10_000 })
  const asked = new Map<string, Promise<Known>>()
  const iam = new IAMClient({ maxAttempts: 2, ...options.iam })

  async function confirm(token: string): Promise<Known> {
    const { url, expiresAt } = readToken(token, options)
    const arn = await askSts(url, options.serverId)
    const named = readArn(arn)
    if (!named || named.principal.type === 'iam_group')
      throw refused(`only IAM users and roles sign in here, and this is ${arn}`)
    const { principal, owner, session } = named
    if (options.accounts && !options.accounts.includes(owner.split(':')[1] ?? ''))
      throw refused(`${arn} is of no account that signs in here`)
    const groups = await groupsOf(iam, principal, owner, options)
    const called = session === undefined ? undefined : `session:${session}`
    return {
      identity: { principal, groups, session: called, scopes: ['read', 'write'], tokenId: undefined },
      expiresAt,
    }
  }

  return {
    async identityOf(token) {
      const hash = createHash('sha256').update(token).digest('hex')
      let found = known.get(hash)
      if (!found) {
        let asking = asked.get(hash)
        if (!asking) {
          if (asked.size >= ASKED_AT_ONCE)
            throw new AppError('UNAVAILABLE', 'too many sign in with AWS just now: ask again in a moment')
          asking = confirm(token).finally(() => asked.delete(hash))
          asked.set(hash, asking)
        }
        found = await asking
        known.set(hash, found, { ttl: Math.max(1, found.expiresAt - Date.now()) })
      }
      if (found.expiresAt <= Date.now()) throw refused('it has expired; make a new one')
      return found.identity
    },
  }
}

/** Throws UNAUTHENTICATED unless the token is a request that may be passed on to STS. */
export function readToken(
  token: string,
  { stsEndpoints }: Pick<AwsIamOptions, 'stsEndpoints'>,
): { url: URL; expiresAt: number } {
  const encoded = token.slice(AWS_TOKEN_PREFIX.length)
  if (!/^[\w-]+$/.test(encoded)) throw refused('it is no base64url')
  const text = Buffer.from(encoded, 'base64url').toString()
  if (!URL.canParse(text)) throw refused('it holds no URL')
  const url = new URL(text)
  // The URL must be written exactly as the URL parser reads it: no user, port, fragment, or odd spelling of the host.
  if (url.href !== text) throw refused('its URL is not in its plain form')
  const isAllowed = stsEndpoints ? stsEndpoints.includes(url.origin) : AWS_STS.test(url.origin)
  if (!isAllowed)
    throw refused(
      `${url.host} is no STS endpoint that is allowed here; ${stsEndpoints ? `those are ${stsEndpoints.join(', ')} (set AWS_ENDPOINT_URL_STS for the command that makes it)` : 'those are of AWS'}`,
    )
  if (url.username !== '' || url.password !== '' || url.hash !== '') throw refused('its URL holds more than a request')
  if (url.pathname !== '/') throw refused('its path is not /')
  // No character that one reader might take for a separator, and another for a part of a value.
  if (!/^\?[\w.~%&=-]+$/.test(url.search)) throw refused('its parameters are not percent-encoded')
  const names = [...url.searchParams.keys()]
  for (const name of PARAMETERS)
    if (names.filter((each) => each === name).length !== 1) throw refused(`it must have ${name}, once`)
  const unknown = names.find((name) => !PARAMETERS.includes(name) && !OPTIONAL_PARAMETERS.includes(name))
  if (unknown !== undefined || new Set(names).size !== names.length) throw refused('it has parameters it must not have')
  const of = (name: string) => url.searchParams.get(name) ?? ''
  if (of('Action') !== 'GetCallerIdentity') throw refused('its action is not GetCallerIdentity')
  if (of('Version') !== '2011-06-15') throw refused('its version is not 2011-06-15')
  if (of('X-Amz-Algorithm') !== 'AWS4-HMAC-SHA256') throw refused('its algorithm is not AWS4-HMAC-SHA256')
  const signed = of('X-Amz-SignedHeaders').toLowerCase().split(';')
  for (const header of ['host', SERVER_ID_HEADER])
    if (!signed.includes(header)) throw refused(`the header ${header} is not signed`)
  return { url, expiresAt: expiryOf(of('X-Amz-Date'), of('X-Amz-Expires')) }
}

function expiryOf(date: string, expires: string): number {
  const [, year, month, day, hour, minute, second] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(date) ?? []
  const signedAt = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
  if (Number.isNaN(signedAt)) throw refused('its X-Amz-Date is no time')
  const life = /^[1-9]\d{0,4}$/.test(expires) ? Number(expires) : Infinity
  if (life > LONGEST_LIFE_SECONDS) throw refused(`its X-Amz-Expires is not from 1 to ${LONGEST_LIFE_SECONDS}`)
  if (signedAt > Date.now() + CLOCK_SKEW_MS) throw refused('it was signed in the future: look at the clocks')
  const expiresAt = signedAt + life * 1000
  if (expiresAt <= Date.now()) throw refused('it has expired; make a new one')
  return expiresAt
}

async function askSts(url: URL, serverId: string): Promise<string> {
  const unavailable = (why: string) => new AppError('UNAVAILABLE', `STS at ${url.host} gives no answer: ${why}`)
  let response: Response
  let body: string
  try {
    response = await fetch(url, {
      headers: { accept: 'application/json', [SERVER_ID_HEADER]: serverId },
      redirect: 'manual',
      signal: AbortSignal.timeout(ANSWER_MS),
    })
    body = await readUpTo(response, ANSWER_BYTES)
  } catch (error) {
    throw unavailable(messageOf(error))
  }
  if (response.status >= 500 || response.status === 429) throw unavailable(`status ${response.status}`)
  // Only the code of a refusal is told: the rest is of no use to the caller.
  if (response.status !== 200) {
    const code = /\b([A-Z][A-Za-z]{5,60})\b/.exec(codeIn(body))?.[1] ?? response.status
    const hint = code === 'SignatureDoesNotMatch' ? ': it is for another server id, or the secret key is wrong' : ''
    throw refused(`STS says ${code}${hint}`)
  }
  const parsed = answerSchema.safeParse(parseJson(body))
  if (!parsed.success) throw unavailable('its answer is none of STS')
  return parsed.data.GetCallerIdentityResponse.GetCallerIdentityResult.Arn
}

const codeIn = (body: string) => /"Code"\s*:\s*"([^"]*)"/.exec(body)?.[1] ?? /<Code>([^<]*)</.exec(body)?.[1] ?? ''

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

async function readUpTo(response: Response, bytes: number): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.length
    if (size > bytes) throw new Error('it is too long')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

/**
 * STS names no groups, so IAM is asked for a user's groups, with the server's own credentials. Groups of other accounts
 * do not count.
 */
async function groupsOf(
  client: IAMClient,
  principal: Principal,
  owner: string,
  options: AwsIamOptions,
): Promise<Principal[]> {
  if (principal.type !== 'iam_user' || !(await options.groupOwners()).has(owner)) return []
  try {
    const groups: Principal[] = []
    const UserName = principal.id.slice(principal.id.lastIndexOf('/') + 1)
    for await (const page of paginateListGroupsForUser({ client }, { UserName }))
      for (const { Arn = '' } of page.Groups ?? []) {
        const group = readArn(Arn)
        // A user of the same name in the server's account is another person.
        if (group?.principal.type === 'iam_group' && group.owner === owner) groups.push(group.principal)
      }
    return groups
  } catch (error) {
    options.log.warn(
      { err: error, user: principal.id },
      'the groups of an IAM user are not known, and count for nothing',
    )
    return []
  }
}

const refused = (why: string) => new AppError('UNAUTHENTICATED', `the AWS token is refused: ${why}`)
