// Turns a credential into a caller with its bindings, or throws UNAUTHENTICATED. Deny by default.
import type { Config } from '../config.ts'
import type { Db, Transaction } from '../db/client.ts'
import { AppError } from '../errors.ts'
import type { Events } from '../events.ts'
import type { Log } from '../observability/log.ts'
import { openAccess, type Access } from './access.ts'
import { AWS_TOKEN_PREFIX, openAwsIam, type AwsIam } from './aws-iam.ts'
import { openOidcCode, type OidcCode } from './oidc-code.ts'
import { openOidc, type Oidc } from './oidc.ts'
import type { Caller, Identity, Origin } from './principal.ts'
import { requireSession, type Session } from './sessions.ts'

/** The kinds of sign-in that this service accepts. undefined: not set up here. */
export type Authenticators = Readonly<{
  access: Access
  awsIam: AwsIam | undefined
  oidc: Oidc | undefined
  oidcCode: OidcCode | undefined
}>

export function openAuthenticators(config: Config, db: Db, events: Events, log: Log): Authenticators {
  const access = openAccess(db, events, log)
  const { awsIam, oidc } = config
  return {
    access,
    awsIam:
      awsIam && openAwsIam({ ...awsIam, groupOwners: access.iamGroupOwners, iam: { region: awsIam.region }, log }),
    oidc: oidc && openOidc({ ...oidc, log }),
    oidcCode: oidc && openOidcCode({ ...oidc, log }),
  }
}

/** What came with a request: the header Authorization, or an opened session of the console. */
export type Credential = string | Session | undefined

/** Tokens of AWS carry a session of up to some kilobytes. */
const LONGEST_TOKEN = 12 * 1024
const JWT = /^eyJ[\w-]*\.[\w-]*\.[\w-]*$/

/** Throws UNAUTHENTICATED, or UNAVAILABLE when the service that confirms the caller's identity does not answer. */
export async function authenticate(
  authenticators: Authenticators,
  credential: Credential,
  origin: Origin,
): Promise<Caller> {
  const identity = await (typeof credential === 'object'
    ? identifySession(authenticators, credential)
    : identify(authenticators, tokenIn(credential)))
  const bindings = await authenticators.access.bindingsOf([identity.principal, ...identity.groups])
  return { kind: 'caller', ...identity, bindings, origin }
}

/**
 * Reads the caller again within a transaction. It must wait neither for a connection of its own nor for another
 * service, so an identity of AWS or an issuer stays as it was when the request came. Throws UNAUTHENTICATED.
 */
export async function renewCaller(
  { access }: Authenticators,
  credential: Credential,
  by: Caller,
  tx: Transaction,
): Promise<Caller> {
  if (typeof credential === 'object') await requireSession(access, credential, tx)
  else if (by.tokenId !== undefined && !(await access.tokenOf(tokenIn(credential), tx))) throw unknownToken()
  return { ...by, bindings: await access.bindingsOf([by.principal, ...by.groups], tx) }
}

function tokenIn(authorization: string | undefined): string {
  const token = /^Bearer ([\x21-\x7e]+)$/i.exec(authorization ?? '')?.[1]
  if (token === undefined)
    throw new AppError(
      'UNAUTHENTICATED',
      'send the header "Authorization: Bearer <token>": an API token, a JWT of the issuer, or a token of AWS, whichever is set up here',
    )
  if (token.length > LONGEST_TOKEN)
    throw new AppError('UNAUTHENTICATED', `the token is longer than ${LONGEST_TOKEN / 1024} KiB`)
  return token
}

async function identifySession(authenticators: Authenticators, session: Session): Promise<Identity> {
  await requireSession(authenticators.access, session)
  if (session.token !== undefined) return identify(authenticators, session.token)
  if (session.identity === undefined) throw new AppError('UNAUTHENTICATED', 'the session is of nobody: sign in again')
  return session.identity
}

async function identify({ access, awsIam, oidc }: Authenticators, token: string): Promise<Identity> {
  if (token.startsWith(AWS_TOKEN_PREFIX)) {
    if (!awsIam) throw new AppError('UNAUTHENTICATED', 'sign-in with AWS is not set up here (OCPCTL_AWS_IAM_SERVER_ID)')
    return awsIam.identityOf(token)
  }
  if (JWT.test(token)) {
    if (!oidc) throw new AppError('UNAUTHENTICATED', 'sign-in with a JWT is not set up here (OCPCTL_OIDC_ISSUER)')
    return oidc.identityOf(token)
  }
  const known = await access.tokenOf(token)
  if (!known) throw unknownToken()
  const { id, principal, scopes } = known
  const session = principal.id === id ? undefined : `token:${id}`
  return { principal, groups: [], session, scopes, tokenId: id }
}

const unknownToken = () => new AppError('UNAUTHENTICATED', 'the token is unknown, expired or revoked')
