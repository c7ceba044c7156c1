// Sign-in with a JWT of one OpenID Connect issuer. Its keys are found by discovery and read again as they rotate.
import { createRemoteJWKSet, errors, jwtVerify, type JWTPayload } from 'jose'
import { z } from 'zod'
import { AppError } from '../errors.ts'
import type { Log } from '../observability/log.ts'
import type { Identity, Principal } from './principal.ts'

export type OidcOptions = {
  issuer: string
  audience: string
  groupsClaim: string
  log: Log
  /** How long keys are trusted without a new look. An unknown key is looked for at once. Default 5 minutes. */
  keysMaxAgeMs?: number
  /** The least time between two looks for an unknown key. Default 10 s. */
  keysCooldownMs?: number
}
export type Oidc = { identityOf: (jwt: string) => Promise<Identity> }

// Only asymmetric signatures: with a shared secret, anybody who can verify can also sign.
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519']
/** The codes of jose when the keys cannot be fetched. */
const OF_THE_ISSUER = ['ERR_JOSE_GENERIC', 'ERR_JWKS_TIMEOUT', 'ERR_JWKS_INVALID']
const CLOCK_TOLERANCE_SECONDS = 30
/** The greatest age of a token, even if the token says that it lives for longer. */
const OLDEST = '24h'
/** ID tokens and access tokens (RFC 9068). Others, such as logout tokens, do not prove that anybody is present. */
const TYPES = [undefined, 'jwt', 'at+jwt', 'application/at+jwt']
const ANSWER_MS = 5000
const MOST_GROUPS = 500

const name = z
  .string()
  .min(1)
  .max(255)
  .regex(/^[^\p{C}]+$/u)
const discoverySchema = z.object({ issuer: z.string(), jwks_uri: z.url() })

export function openOidc(options: OidcOptions): Oidc {
  let discovered: Promise<ReturnType<typeof createRemoteJWKSet>> | undefined

  async function discover(): Promise<ReturnType<typeof createRemoteJWKSet>> {
    const address = `${options.issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
    const response = await fetch(address, { redirect: 'error', signal: AbortSignal.timeout(ANSWER_MS) })
    if (!response.ok) throw new Error(`${address} answers ${response.status}`)
    const { issuer, jwks_uri: keys } = discoverySchema.parse(await response.json())
    if (issuer !== options.issuer) throw new Error(`${address} is of the issuer ${issuer}`)
    if (new URL(keys).protocol !== new URL(issuer).protocol)
      throw new Error(`the keys at ${keys} are not as safe as ${issuer}`)
    return createRemoteJWKSet(new URL(keys), {
      timeoutDuration: ANSWER_MS,
      cacheMaxAge: options.keysMaxAgeMs ?? 5 * 60_000,
      cooldownDuration: options.keysCooldownMs ?? 10_000,
    })
  }

  async function keys(): Promise<ReturnType<typeof createRemoteJWKSet>> {
    discovered ??= discover()
    try {
      return await discovered
    } catch (error) {
      discovered = undefined // asked again by the next
      throw unavailable(options, error)
    }
  }

  return {
    async identityOf(jwt) {
      const getKey = await keys()
      try {
        const { payload, protectedHeader } = await jwtVerify(jwt, getKey, {
          issuer: options.issuer,
          audience: options.audience,
          algorithms: ALGORITHMS,
          clockTolerance: CLOCK_TOLERANCE_SECONDS,
          maxTokenAge: OLDEST,
          requiredClaims: ['sub', 'exp', 'iat'],
        })
        if (!TYPES.includes(protectedHeader.typ?.toLowerCase()) || payload['events'] !== undefined)
          throw refused('it is neither an ID token nor an access token')
        return identityIn(payload, options.groupsClaim)
      } catch (error) {
        if (error instanceof AppError) throw error
        if (!(error instanceof errors.JOSEError) || OF_THE_ISSUER.includes(error.code))
          throw unavailable(options, error)
        throw refused(error instanceof errors.JWTExpired && error.claim === 'exp' ? 'it has expired' : error.message)
      }
    },
  }
}

function identityIn(claims: JWTPayload, groupsClaim: string): Identity {
  const subject = name.safeParse(claims.sub)
  if (!subject.success) throw refused('its "sub" is no name')
  const groups = z
    .array(name)
    .max(MOST_GROUPS)
    .safeParse(claims[groupsClaim] ?? [])
  if (!groups.success) throw refused(`its "${groupsClaim}" is no list of at most ${MOST_GROUPS} names`)
  const called = name.safeParse(claims['preferred_username'] ?? claims['email'])
  return {
    principal: { type: 'oidc_subject', id: subject.data },
    groups: [...new Set(groups.data)].map((id): Principal => ({ type: 'oidc_group', id })),
    session: called.success ? `name:${called.data}` : undefined,
    scopes: ['read', 'write'],
    tokenId: undefined,
  }
}

const refused = (why: string) => new AppError('UNAUTHENTICATED', `the JWT is refused: ${why}`)

function unavailable({ issuer, log }: OidcOptions, error: unknown): AppError {
  log.warn({ err: error, issuer }, 'the OpenID Connect issuer cannot be asked')
  return new AppError('UNAVAILABLE', `the issuer ${issuer} cannot be asked for its keys: ask again in a moment`)
}
