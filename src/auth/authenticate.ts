// Turns a bearer credential into a caller with its bindings, or throws UNAUTHENTICATED. Deny by default.
import type { Config } from '../config.ts'
import type { Db, Reader } from '../db/client.ts'
import { AppError } from '../errors.ts'
import type { Events } from '../events.ts'
import type { Log } from '../observability/log.ts'
import { openAccess, type Access } from './access.ts'
import { AWS_TOKEN_PREFIX, openAwsIam, type AwsIam } from './aws-iam.ts'
import { openOidc, type Oidc } from './oidc.ts'
import type { Caller, Identity, Origin } from './principal.ts'

/** What this service believes; undefined: not set up here. */
export type Authenticators = Readonly<{ access: Access; awsIam: AwsIam | undefined; oidc: Oidc | undefined }>

export function openAuthenticators(config: Config, db: Db, events: Events, log: Log): Authenticators {
  const access = openAccess(db, events, log)
  const { awsIam, oidc } = config
  return {
    access,
    awsIam:
      awsIam && openAwsIam({ ...awsIam, groupOwners: access.iamGroupOwners, iam: { region: awsIam.region }, log }),
    oidc: oidc && openOidc({ ...oidc, log }),
  }
}

/** Tokens of AWS carry a session of up to some kilobytes. */
const LONGEST_TOKEN = 12 * 1024
const JWT = /^eyJ[\w-]*\.[\w-]*\.[\w-]*$/

/** Throws UNAUTHENTICATED, or UNAVAILABLE when whoever could vouch for the caller does not answer. */
export async function authenticate(
  authenticators: Authenticators,
  authorization: string | undefined,
  origin: Origin,
  reader?: Reader,
): Promise<Caller> {
  const token = /^Bearer ([\x21-\x7e]+)$/i.exec(authorization ?? '')?.[1]
  if (token === undefined)
    throw new AppError(
      'UNAUTHENTICATED',
      'send the header "Authorization: Bearer <token>": an API token, a JWT of the issuer, or a token of AWS, whichever is set up here',
    )
  if (token.length > LONGEST_TOKEN)
    throw new AppError('UNAUTHENTICATED', `the token is longer than ${LONGEST_TOKEN / 1024} KiB`)
  const identity = await identify(authenticators, token, reader)
  const bindings = await authenticators.access.bindingsOf([identity.principal, ...identity.groups], reader)
  return { kind: 'caller', ...identity, bindings, origin }
}

async function identify(
  { access, awsIam, oidc }: Authenticators,
  token: string,
  reader: Reader | undefined,
): Promise<Identity> {
  if (token.startsWith(AWS_TOKEN_PREFIX)) {
    if (!awsIam) throw new AppError('UNAUTHENTICATED', 'sign-in with AWS is not set up here (OCPCTL_AWS_IAM_SERVER_ID)')
    return awsIam.identityOf(token)
  }
  if (JWT.test(token)) {
    if (!oidc) throw new AppError('UNAUTHENTICATED', 'sign-in with a JWT is not set up here (OCPCTL_OIDC_ISSUER)')
    return oidc.identityOf(token)
  }
  const known = await access.tokenOf(token, reader)
  if (!known) throw new AppError('UNAUTHENTICATED', 'the token is unknown, expired or revoked')
  const { id, principal, scopes, expiresAt } = known
  const session = principal.id === id ? undefined : `token:${id}`
  return { principal, groups: [], session, scopes, token: { id, expiresAt } }
}
